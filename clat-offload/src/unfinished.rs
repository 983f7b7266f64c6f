//! Packets whose checksum the sender's kernel left to a card that does not exist, or that the receiving card
//! has put together (GRO): a packet socket sees them before anybody finishes them.
//!
//! The field then holds the sum of the pseudo-header alone. A finished packet that happens to hold the same
//! value gets the value it had, so that taking it for an unfinished one does no harm.

use crate::headers::{Family, Layout, Transport, put_u16, u16_at};
use clat_core::{Csum, Gso, GsoKind, Offload};

/// What a translated packet may be longer than the IPv4 one: header and fragment header, in bytes.
const GROWTH: usize = 28;

/// What has to be done to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Its checksum is to be computed.
    Checksum,
    /// It is to be cut, as described.
    Super(Offload),
}

/// Looks at a packet seen on a link with this MTU in bytes; `None` when it is as it was on a wire.
#[must_use]
pub fn look(packet: &[u8], mtu: usize) -> Option<Unfinished> {
    let layout = Layout::of(packet)?;
    let field = u16_at(packet, layout.network_len + usize::from(layout.transport.csum_offset()));
    let len = packet.len() - layout.network_len;
    if field != layout.pseudo(packet, len).folded() {
        return None;
    }
    if packet.len() <= mtu || layout.transport == Transport::Udp {
        return Some(Unfinished::Checksum);
    }
    let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let gso = Gso {
        kind: if layout.family == Family::V4 { GsoKind::TcpV4 } else { GsoKind::TcpV6 },
        ecn: false,
        size: number(mtu.saturating_sub(layout.header_len).max(1)),
        header_len: number(layout.header_len),
    };
    let csum = Csum::Partial { start: number(layout.network_len), offset: layout.transport.csum_offset() };
    Some(Unfinished::Super(Offload { csum, gso: Some(gso) }))
}

/// The size in bytes to cut a packet of a recording to, by the MTU of the IPv6 side: what grows in translation (RFC 7915
/// section 1.4) must have room for it.
#[must_use]
pub fn limit(packet: &[u8], v6_mtu: usize) -> usize {
    let grows = packet.len() > v6_mtu && packet.first().is_some_and(|b| b >> 4 == 4);
    if grows { v6_mtu.saturating_sub(GROWTH) } else { v6_mtu }
}

/// Computes the transport checksum.
pub fn finish(packet: &mut [u8]) {
    let Some(layout) = Layout::of(packet) else { return };
    let at = layout.network_len + usize::from(layout.transport.csum_offset());
    put_u16(packet, at, 0);
    let transport = packet.get(layout.network_len..).unwrap_or_default();
    let sum = layout.pseudo(packet, transport.len()).with(transport);
    put_u16(packet, at, layout.transport.checksum(sum));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segments;
    use crate::testing::{Packet, checksums_are_right};
    use std::{vec, vec::Vec};

    /// As a kernel leaves it.
    fn unfinished(mut packet: Vec<u8>) -> Vec<u8> {
        let layout = Layout::of(&packet).unwrap();
        let sum = layout.pseudo(&packet, packet.len() - 40).folded();
        put_u16(&mut packet, 40 + usize::from(layout.transport.csum_offset()), sum);
        packet
    }

    #[test]
    fn a_finished_packet_is_left_alone() {
        assert_eq!(look(&Packet::v6().udp().payload(&[1; 90]).bytes(), 1500), None);
        assert_eq!(look(&Packet::v6().tcp(1, 0x10).payload(&[1; 90]).bytes(), 1500), None);
    }

    #[test]
    fn a_checksum_left_for_later_is_computed() {
        for whole in [
            Packet::v6().udp().payload(&[1; 91]).bytes(),
            Packet::v6().tcp(1, 0x10).payload(&[1; 90]).bytes(),
            Packet::v6().tcp(1, 0x02).bytes(),
        ] {
            let mut packet = unfinished(whole.clone());
            assert_eq!(look(&packet, 1500), Some(Unfinished::Checksum));
            finish(&mut packet);
            assert_eq!(packet, whole);
        }
    }

    #[test]
    fn only_what_grows_beyond_the_mtu_is_cut_to_less() {
        let v4 = Packet::v4().tcp(1, 0x10).payload(&[7; 1461]).bytes();
        assert_eq!((limit(&v4, 1500), limit(&v4[..1500], 1500)), (1472, 1500));
        assert_eq!(limit(&Packet::v6().tcp(1, 0x10).payload(&[7; 5000]).bytes(), 1500), 1500);
    }

    #[test]
    fn a_super_packet_is_cut_to_the_mtu() {
        let packet = unfinished(Packet::v6().tcp(1, 0x10).payload(&[7; 5000]).bytes());
        let Some(Unfinished::Super(offload)) = look(&packet, 1500) else { panic!("no super-packet") };
        let mut segments = Segments::of(&packet, offload).unwrap();
        let mut room = vec![0; 1500];
        let mut payload = 0;
        while let Some(len) = segments.next_into(&mut room) {
            assert!(checksums_are_right(&room[..len]));
            payload += len - 60;
        }
        assert_eq!(payload, 5000);
    }
}
