//! Software segmentation: a super-packet cut into the packets that a device with segmentation offload
//! would send (TCP: `NETIF_F_TSO`, UDP: `NETIF_F_GSO_UDP_L4`), each complete with its checksums.
//!
//! The way out when a super-packet cannot leave as one: the translator asks for it
//! ([`Verdict::Segment`](clat_core::Verdict::Segment)), or the kernel refuses a write.

use crate::headers::{Family, Layout, Transport, low16, pseudo, put_u16, put_u32, set_network_len};
use crate::headers::{u16_at, u32_at};
use clat_core::{Csum, Offload};

const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The segments of a super-packet, made one after the other.
#[derive(Debug)]
pub struct Segments<'p> {
    headers: &'p [u8],
    payload: &'p [u8],
    layout: Layout,
    size: usize,
    done: usize,
    index: u16,
}

impl<'p> Segments<'p> {
    /// Prepares to cut this packet. `None` when it is no super-packet, or its headers contradict what
    /// the device said about it.
    #[must_use]
    pub fn of(packet: &'p [u8], offload: Offload) -> Option<Self> {
        let gso = offload.gso?;
        let layout = match offload.csum {
            Csum::Partial { start, offset } => layout_by_csum(packet, usize::from(start), offset)?,
            Csum::Complete | Csum::Verified => Layout::of(packet)?,
        };
        let packet = packet.get(..layout.stated_len(packet))?;
        let (headers, payload) = packet.split_at_checked(layout.header_len)?;
        if gso.size == 0 || payload.is_empty() {
            return None;
        }
        Some(Self { headers, payload, layout, size: usize::from(gso.size), done: 0, index: 0 })
    }

    /// Writes the next segment to the front of `buf` and returns its length in bytes; `None` after the
    /// last, or when `buf` is too small for it.
    pub fn next_into(&mut self, buf: &mut [u8]) -> Option<usize> {
        let rest = self.payload.get(self.done..).filter(|rest| !rest.is_empty())?;
        let payload = rest.get(..self.size).unwrap_or(rest);
        let last = payload.len() == rest.len();
        let buf = buf.get_mut(..self.headers.len() + payload.len())?;
        let (headers, body) = buf.split_at_mut_checked(self.headers.len())?;
        headers.copy_from_slice(self.headers);
        body.copy_from_slice(payload);
        self.fill_in(headers, payload, last);
        self.done += payload.len();
        self.index = self.index.wrapping_add(1);
        Some(buf.len())
    }

    /// The fields in which a segment differs from the super-packet.
    fn fill_in(&self, headers: &mut [u8], payload: &[u8], last: bool) {
        let Layout { family, transport, network_len, .. } = self.layout;
        if family == Family::V4 {
            let ident = u16_at(headers, 4).wrapping_add(self.index);
            put_u16(headers, 4, ident);
        }
        set_network_len(headers, family, network_len, headers.len() + payload.len());
        let (network, header) = headers.split_at_mut(network_len);
        let transport_len = header.len() + payload.len();
        match transport {
            Transport::Tcp => self.fill_in_tcp(header, last),
            Transport::Udp => put_u16(header, 4, low16(transport_len)),
        }
        let at = usize::from(transport.csum_offset());
        put_u16(header, at, 0);
        let sum = pseudo(network, family, transport.number(), transport_len).with(header).with(payload);
        put_u16(header, at, transport.checksum(sum));
    }

    #[allow(clippy::cast_possible_truncation)]
    fn fill_in_tcp(&self, header: &mut [u8], last: bool) {
        let sequence = u32_at(header, TCP_SEQUENCE).wrapping_add(self.done as u32);
        put_u32(header, TCP_SEQUENCE, sequence);
        if let Some(flags) = header.get_mut(TCP_FLAGS) {
            if !last {
                *flags &= !(FIN | PSH);
            }
            if self.index > 0 {
                *flags &= !CWR;
            }
        }
    }
}

/// The layout by what the device said: also behind IPv6 extension headers and IPv4 options.
fn layout_by_csum(packet: &[u8], start: usize, offset: u16) -> Option<Layout> {
    let family = match packet.first()? >> 4 {
        4 => Family::V4,
        6 => Family::V6,
        _ => return None,
    };
    let least = if family == Family::V4 { 20 } else { 40 };
    let transport = match offset {
        16 => Transport::Tcp,
        6 => Transport::Udp,
        _ => return None,
    };
    let len = match transport {
        Transport::Tcp => usize::from(*packet.get(start + 12)? >> 4) * 4,
        Transport::Udp => 8,
    };
    (start >= least && (transport == Transport::Udp || len >= 20)).then_some(Layout {
        family,
        transport,
        network_len: start,
        header_len: start + len,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Packet, checksums_are_right};
    use clat_core::{Gso, GsoKind};
    use std::vec::Vec;

    fn cut(packet: &[u8], offload: Offload) -> Vec<Vec<u8>> {
        let mut segments = Segments::of(packet, offload).unwrap();
        let mut buf = [0; 2048];
        std::iter::from_fn(|| segments.next_into(&mut buf).map(|len| buf[..len].to_vec())).collect()
    }

    fn gso(kind: GsoKind, size: u16, start: u16, offset: u16) -> Offload {
        let gso = Gso { kind, ecn: false, size, header_len: 0 };
        Offload { csum: Csum::Partial { start, offset }, gso: Some(gso) }
    }

    #[test]
    fn tcp_segments_follow_each_other_and_their_checksums_are_right() {
        for (build, kind, start) in
            [(Packet::v4 as fn() -> Packet, GsoKind::TcpV4, 20u16), (Packet::v6, GsoKind::TcpV6, 40)]
        {
            let payload: Vec<u8> = (0..3501u32).map(|i| (i * 7) as u8).collect();
            let packet = build().tcp(0xffff_fff0, CWR | PSH | FIN | 0x10).payload(&payload).bytes();
            let segments = cut(&packet, gso(kind, 1000, start, 16));
            assert_eq!(segments.len(), 4);
            let header_len = usize::from(start) + 20;
            let mut bytes = Vec::new();
            for (i, segment) in segments.iter().enumerate() {
                assert!(checksums_are_right(segment), "segment {i}");
                let sequence = u32_at(segment, usize::from(start) + 4);
                assert_eq!(sequence, 0xffff_fff0u32.wrapping_add(1000 * i as u32));
                let flags = segment[usize::from(start) + 13];
                assert_eq!(flags & CWR != 0, i == 0, "CWR in the first only");
                assert_eq!(flags & (FIN | PSH) != 0, i == 3, "FIN and PSH in the last only");
                if kind == GsoKind::TcpV4 {
                    assert_eq!(u16_at(segment, 4), u16_at(&packet, 4) + i as u16, "identification");
                }
                bytes.extend_from_slice(&segment[header_len..]);
            }
            assert_eq!(bytes, payload);
        }
    }

    #[test]
    fn udp_segments_are_datagrams_of_their_own() {
        for (build, start) in [(Packet::v4 as fn() -> Packet, 20u16), (Packet::v6, 40)] {
            let payload: Vec<u8> = (0..2500u32).map(|i| (i * 13) as u8).collect();
            let packet = build().udp().payload(&payload).bytes();
            let segments = cut(&packet, gso(GsoKind::Udp, 1200, start, 6));
            let lens: Vec<_> = segments.iter().map(|s| s.len() - usize::from(start) - 8).collect();
            assert_eq!(lens, [1200, 1200, 100]);
            for segment in &segments {
                assert!(checksums_are_right(segment));
                let udp_len = usize::from(u16_at(segment, usize::from(start) + 4));
                assert_eq!(udp_len, segment.len() - usize::from(start));
            }
        }
    }

    #[test]
    fn what_is_no_super_packet_is_not_cut() {
        let packet = Packet::v4().udp().payload(&[0; 100]).bytes();
        assert!(Segments::of(&packet, Offload::NONE).is_none(), "no segmentation asked for");
        assert!(Segments::of(&packet, gso(GsoKind::Udp, 0, 20, 6)).is_none(), "size 0");
        assert!(Segments::of(&packet, gso(GsoKind::Udp, 10, 8, 6)).is_none(), "checksum in the IP header");
        assert!(Segments::of(&packet, gso(GsoKind::Udp, 10, 125, 6)).is_none(), "behind the packet");
        assert!(Segments::of(&packet[..90], gso(GsoKind::Udp, 10, 20, 6)).is_none(), "cut off");
        assert!(Segments::of(&[], gso(GsoKind::Udp, 10, 20, 6)).is_none());
        let mut segments = Segments::of(&packet, gso(GsoKind::Udp, 50, 20, 6)).unwrap();
        assert_eq!(segments.next_into(&mut [0; 77]), None, "buffer too small");
    }
}
