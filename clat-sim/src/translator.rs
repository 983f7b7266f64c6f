//! A box that translates: the CLAT, and by another map the NAT64.

use crate::{Outbox, Side};
use clat_core::{AddressMap, ClatMap, DropReason, Offload, Parts, QueueState, Translator, Verdict};
use std::collections::BTreeMap;

/// The customer-side translator.
pub type Clat = TranslatorNode<ClatMap>;

/// A translator in the chain.
#[derive(Debug)]
pub struct TranslatorNode<M> {
    translator: Translator<M>,
    queue: QueueState,
    v4_side: Side,
    counters: Counters,
}

/// What a translator did.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// IPv4 packets that left as IPv6.
    pub v4_to_v6: u64,
    /// IPv6 packets that left as IPv4.
    pub v6_to_v4: u64,
    /// Packets that left in several pieces; the pieces are not counted.
    pub fragmented: u64,
    /// ICMP errors made.
    pub replies: u64,
    /// Packets dropped, with an error or without.
    pub drops: BTreeMap<DropReason, u64>,
}

impl Clat {
    /// A CLAT: IPv4 is on its left.
    #[must_use]
    pub fn clat(translator: Translator<ClatMap>) -> Self {
        Self::with_v4_side(translator, Side::Left)
    }
}

impl<M: AddressMap> TranslatorNode<M> {
    pub(crate) fn with_v4_side(translator: Translator<M>, v4_side: Side) -> Self {
        let queue = QueueState::with_limit(0x0464, None);
        Self { translator, queue, v4_side, counters: Counters::default() }
    }

    /// What it did so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What it translates by.
    #[must_use]
    pub const fn translator(&self) -> &Translator<M> {
        &self.translator
    }

    pub(crate) fn packet(&mut self, from: Side, packet: &[u8]) -> Outbox {
        let from_v4 = from == self.v4_side;
        let verdict = if from_v4 {
            self.translator.v4_to_v6(packet, Offload::NONE, &mut self.queue)
        } else {
            self.translator.v6_to_v4(packet, Offload::NONE, &mut self.queue)
        };
        let counters = &mut self.counters;
        let forwarded = if from_v4 { &mut counters.v4_to_v6 } else { &mut counters.v6_to_v4 };
        match verdict {
            Verdict::Forward(parts) => {
                *forwarded += 1;
                vec![(from.opposite(), bytes(&parts))]
            }
            Verdict::Fragment(pieces) => {
                *forwarded += 1;
                counters.fragmented += 1;
                pieces.map(|piece| (from.opposite(), bytes(&piece))).collect()
            }
            Verdict::Reply(parts, reason) => {
                counters.replies += 1;
                *counters.drops.entry(reason).or_default() += 1;
                vec![(from, bytes(&parts))]
            }
            Verdict::Drop(reason) => {
                *counters.drops.entry(reason).or_default() += 1;
                Vec::new()
            }
            // Only super-packets come back so; there are none here.
            Verdict::Segment => Vec::new(),
        }
    }
}

fn bytes(parts: &Parts<'_>) -> Vec<u8> {
    parts.slices().concat()
}
