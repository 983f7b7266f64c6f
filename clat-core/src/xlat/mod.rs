//! The translation itself: RFC 7915 sections 4 (IPv4 to IPv6) and 5 (IPv6 to IPv4).

use crate::{AddressMap, DropReason, InPlace, Offload, Parts, Policy, QueueState, Verdict};
use core::ops::Range;

/// A stateless translator: an address map and a policy. Immutable and free to share between threads.
#[derive(Clone, Debug)]
pub struct Translator<M> {
    map: M,
    policy: Policy,
}

/// The pieces of a packet that was too large, in order.
#[derive(Clone, Debug)]
pub struct Fragments<'p> {
    packet: &'p [u8],
}

impl<'p> Iterator for Fragments<'p> {
    type Item = Parts<'p>;

    fn next(&mut self) -> Option<Parts<'p>> {
        let _ = self.packet;
        None
    }
}

impl<M: AddressMap> Translator<M> {
    /// A translator by this map and policy.
    #[must_use]
    pub const fn new(map: M, policy: Policy) -> Self {
        Self { map, policy }
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
        let _ = (packet, offload, state);
        Verdict::Drop(DropReason::Protocol)
    }

    /// Translates an IPv6 packet (RFC 7915 section 5).
    pub fn v6_to_v4<'p>(&self, packet: &'p [u8], offload: Offload, state: &mut QueueState) -> Verdict<'p> {
        let _ = (packet, offload, state);
        Verdict::Drop(DropReason::Protocol)
    }

    /// Translates the packet at `packet` in its own buffer.
    ///
    /// IPv4 to IPv6 needs 20 bytes of room before the packet (28 where a Fragment Header comes in).
    pub fn in_place<'b>(
        &self,
        buf: &'b mut [u8],
        packet: Range<usize>,
        offload: Offload,
        state: &mut QueueState,
    ) -> InPlace<'b> {
        let bytes = buf.get(packet).unwrap_or_default();
        InPlace::Other(self.translate_offloaded(bytes, offload, state))
    }
}
