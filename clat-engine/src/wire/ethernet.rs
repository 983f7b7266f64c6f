//! Ethernet II frames of IPv6 (RFC 2464), a priority tag (802.1Q, VLAN 0) accepted: for shells that speak frames
//! where the operating system has no part in it.

use super::icmp6;
use crate::{Icmpv6In, IfIndex, Mac};
use core::net::Ipv6Addr;

/// Bytes before the packet in the frames that are sent.
pub const HEADER: usize = 14;

/// What the engine wants to hear of a link, in the language of libpcap: RA, NS, NA, and MLD queries behind a
/// hop-by-hop header.
pub const DISCOVERY: &str = "ip6 and ((ip6[6] = 58 and ip6[40] >= 134 and ip6[40] <= 136) \
                             or (ip6[6] = 0 and ip6[40] = 58 and ip6[48] = 130))";

const IPV6: [u8; 2] = [0x86, 0xdd];
const TAG: [u8; 2] = [0x81, 0x00];
/// A provider's tag (IEEE 802.1ad).
const PROVIDER_TAG: [u8; 2] = [0x88, 0xa8];

/// A received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'f> {
    /// To whom.
    pub destination: Mac,
    /// From whom.
    pub source: Mac,
    /// The IPv6 packet, without the link's padding.
    pub packet: &'f [u8],
}

/// The IPv6 packet of a frame. `None` for other protocols, for a VLAN's (it has an interface of its own) and
/// for a packet that is cut short.
#[must_use]
pub fn parse(frame: &[u8]) -> Option<Frame<'_>> {
    let (destination, rest) = frame.split_first_chunk()?;
    let (source, rest) = rest.split_first_chunk()?;
    let (mut kind, mut rest) = rest.split_first_chunk()?;
    if *kind == TAG {
        let (tag, inner) = rest.split_first_chunk()?;
        if vlan_id(*tag) != 0 {
            return None;
        }
        (kind, rest) = inner.split_first_chunk()?;
    }
    let &[first, _, _, _, high, low, ..] = rest else { return None };
    let length = 40 + usize::from(u16::from_be_bytes([high, low]));
    let packet = rest.get(..length).filter(|_| *kind == IPV6 && first >> 4 == 6)?;
    Some(Frame { destination: *destination, source: *source, packet })
}

impl<'f> Frame<'f> {
    /// The ICMPv6 message in it, behind a hop-by-hop header or without one.
    #[must_use]
    pub fn icmpv6(&self, ifindex: IfIndex) -> Option<Icmpv6In<'f>> {
        let (header, rest) = self.packet.split_first_chunk::<40>()?;
        let message = match (header[6], rest) {
            (icmp6::NEXT_HEADER, message) => message,
            (icmp6::HOP_BY_HOP, &[icmp6::NEXT_HEADER, eights, ..]) => {
                rest.get(8 * (1 + usize::from(eights))..)?
            }
            _ => return None,
        };
        Some(Icmpv6In {
            ifindex,
            source: icmp6::address(header, 8)?,
            destination: icmp6::address(header, 24)?,
            hop_limit: header[7],
            source_mac: Some(self.source),
            message,
        })
    }
}

/// The VLAN of a tagged frame, of the outer tag where there are two: another link than that of the frames without.
#[must_use]
pub fn vlan(frame: &[u8]) -> Option<u16> {
    let rest = frame.get(12..)?;
    let tagged = rest.strip_prefix(&TAG).or_else(|| rest.strip_prefix(&PROVIDER_TAG))?;
    Some(vlan_id(*tagged.first_chunk()?)).filter(|id| *id != 0)
}

fn vlan_id(tag: [u8; 2]) -> u16 {
    u16::from_be_bytes(tag) & 0x0fff
}

/// The header of a frame of IPv6.
#[must_use]
pub const fn header(destination: Mac, source: Mac) -> [u8; HEADER] {
    let [a, b, c, d, e, f] = destination;
    let [g, h, i, j, k, l] = source;
    let [m, n] = IPV6;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

/// The link-layer address of a multicast group (RFC 2464 section 7).
#[must_use]
pub const fn group(address: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = address.octets();
    [0x33, 0x33, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Icmpv6Out;
    use std::vec;
    use std::vec::Vec;

    const TO: Mac = [2, 0, 0, 0, 0, 1];
    const FROM: Mac = [2, 0, 0, 0, 0, 2];

    fn packet(payload: u8) -> Vec<u8> {
        let mut packet = vec![0; 40 + usize::from(payload)];
        (packet[0], packet[5]) = (0x60, payload);
        packet
    }

    #[test]
    fn what_is_sent_is_read_again() {
        let packet = packet(3);
        let frame = [&header(TO, FROM)[..], &packet].concat();
        assert_eq!(parse(&frame), Some(Frame { destination: TO, source: FROM, packet: &packet }));
    }

    #[test]
    fn padding_of_short_frames_is_no_part_of_the_packet() {
        let packet = packet(3);
        let frame = [&header(TO, FROM)[..], &packet, &[0xff; 9]].concat();
        assert_eq!(parse(&frame), Some(Frame { destination: TO, source: FROM, packet: &packet }));
    }

    #[test]
    fn a_priority_tag_is_passed_over_and_a_vlan_is_not_ours() {
        let packet = packet(8);
        let tagged = |tag: [u8; 2]| [&TO[..], &FROM, &TAG, &tag, &IPV6, &packet].concat();
        assert_eq!(parse(&tagged([0xe0, 0])).unwrap().packet, packet);
        assert_eq!(parse(&tagged([0xe0, 5])), None);
        assert_eq!((vlan(&tagged([0xe0, 0])), vlan(&tagged([0xe1, 5]))), (None, Some(0x105)));
        assert_eq!((vlan(&header(TO, FROM)), vlan(&[])), (None, None));
    }

    #[test]
    fn a_providers_tag_and_two_tags_are_never_ours() {
        let packet = packet(8);
        let with = |tags: &[u8]| [&TO[..], &FROM, tags, &IPV6, &packet].concat();
        for tags in [
            &[0x88, 0xa8, 0, 0][..],
            &[0x88, 0xa8, 0, 9],
            &[0x88, 0xa8, 0, 4, 0x81, 0, 0, 9],
            &[0x81, 0, 0, 0, 0x81, 0, 0, 9],
            &[0x81, 0, 0, 0, 0x81, 0, 0, 0],
        ] {
            assert_eq!(parse(&with(tags)), None, "{tags:02x?}");
        }
        assert_eq!(vlan(&with(&[0x88, 0xa8, 0x60, 9])), Some(9));
    }

    #[test]
    fn frames_cut_anywhere_and_other_protocols_are_refused() {
        let mut frame = [&header(TO, FROM)[..], &packet(8)].concat();
        for len in 0..frame.len() {
            assert_eq!(parse(&frame[..len]), None, "{len} bytes");
        }
        frame[13] = 0xde;
        assert_eq!(parse(&frame), None);
    }

    #[test]
    fn rfc2464_section_7_groups() {
        assert_eq!(group("ff02::1:ff28:9c5a".parse().unwrap()), [0x33, 0x33, 0xff, 0x28, 0x9c, 0x5a]);
    }

    #[test]
    fn rfc2711_messages_are_read_with_and_without_a_router_alert() {
        let mut out = Icmpv6Out {
            ifindex: 1,
            source: "fe80::1".parse().unwrap(),
            destination: "ff02::1:ff28:9c5a".parse().unwrap(),
            mac: None,
            hop_limit: 1,
            router_alert: false,
            message: [130, 0, 1, 2, 0, 0, 0, 0].into_iter().collect(),
        };
        for alert in [false, true] {
            out.router_alert = alert;
            let frame = [&header(out.link_layer().unwrap(), FROM)[..], &out.packet()].concat();
            assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x28, 0x9c, 0x5a]);
            let heard = parse(&frame).unwrap().icmpv6(7).unwrap();
            assert_eq!((heard.source, heard.destination), (out.source, out.destination));
            assert_eq!((heard.ifindex, heard.hop_limit, heard.source_mac), (7, 1, Some(FROM)));
            assert_eq!(heard.message, &out.message[..]);
        }
        out.destination = "fe80::2".parse().unwrap();
        assert_eq!(out.link_layer(), None, "nobody knows where it is");
    }
}
