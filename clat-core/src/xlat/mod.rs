//! The translation itself: RFC 7915 sections 4 (IPv4 to IPv6) and 5 (IPv6 to IPv4).
//!
//! | file | RFC 7915 |
//! |---|---|
//! | [`v4_to_v6`] | 4.1: the header, fragments in and out |
//! | [`options`] | 4.1: source routes |
//! | [`icmp_v4_to_v6`] | 4.2: types, codes, pointers, MTUs |
//! | [`quoted_v4_to_v6`] | 4.3: the packet in an ICMPv4 error |
//! | [`v6_to_v4`] | 5.1: the header, fragments in and out |
//! | [`chain`] | 5.1: extension headers |
//! | [`fragment_field`] | 5.1, 5.1.1: identification, flags, offset |
//! | [`icmp_v6_to_v4`] | 5.2: types, codes, pointers, MTUs |
//! | [`quoted_v6_to_v4`] | 5.3: the packet in an ICMPv6 error |
//! | [`icmp_error`] | 4.2, 5.2 by way of RFC 4884: size caps, extensions |
//! | [`refusal`] | 4.4, 5.4: errors of our own |
//! | [`transport`] | 4.5, 5.5: checksums |
//! | [`fragments`] | 4, 5.1.1: the pieces of a packet that is too large |
//! | [`fast`] | 4.1, 5.1: the same for what most packets are, with one look at the head |

mod chain;
mod fast;
mod fragment_field;
mod fragments;
mod icmp_error;
mod icmp_v4_to_v6;
mod icmp_v6_to_v4;
mod in_place;
mod options;
mod quoted_v4_to_v6;
mod quoted_v6_to_v4;
mod refusal;
mod transport;
mod v4_to_v6;
mod v6_to_v4;

pub use fragments::Fragments;

use crate::parts::Rewrite;
use crate::wire::{ipv4, ipv6};
use crate::{AddressMap, DropReason, InPlace, Offload, Parts, Policy, QueueState, Verdict};
use core::ops::Range;

/// A stateless translator: an address map and a policy. Immutable and free to share between threads.
#[derive(Clone, Debug)]
pub struct Translator<M> {
    map: M,
    policy: Policy,
    fast: Option<fast::Pair>,
}

/// A [`Verdict`] whose packet stands in a [`Rewrite`]: that one is too long to be handed around.
enum Fate {
    Forward,
    Fragment(fragments::Pieces),
    Reply(DropReason),
    Drop(DropReason),
    Segment,
}

impl Fate {
    #[inline]
    fn of(self, packet: &[u8], rewrite: Rewrite) -> Verdict<'_> {
        match self {
            Self::Forward => Verdict::Forward(Parts::new(packet, rewrite)),
            Self::Fragment(pieces) => Verdict::Fragment(Fragments::new(packet, pieces)),
            Self::Reply(reason) => Verdict::Reply(Parts::new(packet, rewrite), reason),
            Self::Drop(reason) => Verdict::Drop(reason),
            Self::Segment => Verdict::Segment,
        }
    }
}

impl<M: AddressMap> Translator<M> {
    /// A translator by this map and policy. MTUs outside of what the families allow are brought inside.
    #[must_use]
    pub fn new(map: M, mut policy: Policy) -> Self {
        policy.v6_mtu = policy.v6_mtu.max(ipv6::MIN_MTU);
        policy.v4_mtu = policy.v4_mtu.clamp(ipv4::MIN_MTU, u32::from(u16::MAX));
        policy.lowest_v6_mtu = policy.lowest_v6_mtu.clamp(ipv6::MIN_MTU, policy.v6_mtu);
        let fast = fast::Pair::new(&map, &policy);
        Self { map, policy, fast }
    }

    /// The address map.
    #[must_use]
    pub const fn map(&self) -> &M {
        &self.map
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Translates a packet of either family into the other.
    pub fn translate<'p>(&self, packet: &'p [u8], state: &mut QueueState) -> Verdict<'p> {
        self.translate_offloaded(packet, Offload::NONE, state)
    }

    /// As [`translate`](Self::translate), with what the device said about the packet.
    pub fn translate_offloaded<'p>(
        &self,
        packet: &'p [u8],
        offload: Offload,
        state: &mut QueueState,
    ) -> Verdict<'p> {
        match packet.first().map(|b| b >> 4) {
            Some(4) => self.v4_to_v6(packet, offload, state),
            Some(6) => self.v6_to_v4(packet, offload, state),
            Some(_) => Verdict::Drop(DropReason::BadVersion),
            None => Verdict::Drop(DropReason::Truncated),
        }
    }

    /// Translates an IPv4 packet (RFC 7915 section 4).
    pub fn v4_to_v6<'p>(&self, packet: &'p [u8], offload: Offload, state: &mut QueueState) -> Verdict<'p> {
        let mut rewrite = Rewrite::default();
        if let Some(pair) = &self.fast
            && fast::gather_v4_to_v6(pair, packet, &offload, &mut rewrite)
        {
            return Verdict::Forward(Parts::new(packet, rewrite));
        }
        v4_to_v6::fate(self, packet, offload, state, &mut rewrite).of(packet, rewrite)
    }

    /// Translates an IPv6 packet (RFC 7915 section 5).
    pub fn v6_to_v4<'p>(&self, packet: &'p [u8], offload: Offload, state: &mut QueueState) -> Verdict<'p> {
        let mut rewrite = Rewrite::default();
        if let Some(pair) = &self.fast
            && fast::gather_v6_to_v4(pair, packet, &offload, state, &mut rewrite)
        {
            return Verdict::Forward(Parts::new(packet, rewrite));
        }
        v6_to_v4::fate(self, packet, offload, state, &mut rewrite).of(packet, rewrite)
    }

    /// Translates the packet at `packet` in its own buffer.
    ///
    /// IPv4 to IPv6 needs room before the packet: 20 bytes, 28 where a Fragment Header comes in, up to
    /// 56 for ICMP errors. Where the room is too small the result is an [`InPlace::Other`] that
    /// gathers. A range outside of the buffer counts as an empty packet.
    pub fn in_place<'b>(
        &self,
        buf: &'b mut [u8],
        packet: Range<usize>,
        offload: Offload,
        state: &mut QueueState,
    ) -> InPlace<'b> {
        in_place::translate(self, buf, packet, offload, state)
    }
}
