//! Ethernet II frames of IPv6 (RFC 2464), a priority tag (802.1Q, VLAN 0) accepted.

use clat_engine::Icmpv6Out;
use std::net::Ipv6Addr;

/// Bytes before the packet in the frames that are sent.
pub const HEADER: usize = 14;

const IPV6: [u8; 2] = [0x86, 0xdd];
const TAG: [u8; 2] = [0x81, 0x00];

/// Protocol numbers (IANA).
const HOP_BY_HOP: u8 = 0;
const ICMPV6: u8 = 58;

/// A received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'f> {
    /// To whom.
    pub destination: [u8; 6],
    /// From whom.
    pub source: [u8; 6],
    /// The IPv6 packet, without the link's padding.
    pub packet: &'f [u8],
}

/// The IPv6 packet of a frame. `None` for other protocols, for a VLAN's and for a packet that is cut short.
#[must_use]
pub fn parse(frame: &[u8]) -> Option<Frame<'_>> {
    let (destination, rest) = frame.split_first_chunk()?;
    let (source, rest) = rest.split_first_chunk()?;
    let (mut kind, mut rest) = rest.split_first_chunk()?;
    if *kind == TAG {
        let (tag, inner) = rest.split_first_chunk::<2>()?;
        if u16::from_be_bytes(*tag) & 0x0fff != 0 {
            return None;
        }
        (kind, rest) = inner.split_first_chunk()?;
    }
    let &[first, _, _, _, high, low, ..] = rest else { return None };
    let length = 40 + usize::from(u16::from_be_bytes([high, low]));
    let packet = rest.get(..length).filter(|_| *kind == IPV6 && first >> 4 == 6)?;
    Some(Frame { destination: *destination, source: *source, packet })
}

/// The header of a frame of IPv6.
#[must_use]
pub fn header(destination: [u8; 6], source: [u8; 6]) -> [u8; HEADER] {
    let [a, b, c, d, e, f] = destination;
    let [g, h, i, j, k, l] = source;
    let [m, n] = IPV6;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

/// The link-layer address of a multicast group (RFC 2464 section 7).
#[must_use]
pub fn group(address: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = address.octets();
    [0x33, 0x33, a, b, c, d]
}

/// The frame of an ICMPv6 message; `None` where nobody knows the neighbour's link-layer address.
#[must_use]
pub fn of_message(out: &Icmpv6Out, mac: [u8; 6]) -> Option<Vec<u8>> {
    /// The router alert of RFC 2711 in its hop-by-hop header.
    const ALERT: [u8; 8] = [ICMPV6, 0, 5, 2, 0, 0, 1, 0];
    let to = out.mac.or_else(|| out.destination.is_multicast().then(|| group(out.destination)))?;
    let alert: &[u8] = if out.router_alert { &ALERT } else { &[] };
    let next = if out.router_alert { HOP_BY_HOP } else { ICMPV6 };
    let [high, low] = u16::try_from(alert.len() + out.message.len()).ok()?.to_be_bytes();
    let fixed = [0x60, 0, 0, 0, high, low, next, out.hop_limit];
    let (source, destination) = (out.source.octets(), out.destination.octets());
    let parts: [&[u8]; 6] = [&header(to, mac), &fixed, &source, &destination, alert, &out.message];
    Some(parts.concat())
}

/// An ICMPv6 message in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'f> {
    /// The IPv6 source.
    pub source: Ipv6Addr,
    /// The IPv6 destination.
    pub destination: Ipv6Addr,
    /// The hop limit.
    pub hop_limit: u8,
    /// The sender's link-layer address.
    pub mac: [u8; 6],
    /// From the type octet on.
    pub message: &'f [u8],
}

/// The ICMPv6 message of a frame, behind a hop-by-hop header or without one.
#[must_use]
pub fn message(frame: &[u8]) -> Option<Message<'_>> {
    let frame = parse(frame)?;
    let (header, rest) = frame.packet.split_first_chunk::<40>()?;
    let address = |at: usize| header.get(at..)?.first_chunk::<16>().map(|b| Ipv6Addr::from(*b));
    let message = match (header[6], rest) {
        (ICMPV6, message) => message,
        (HOP_BY_HOP, &[ICMPV6, eights, ..]) => rest.get(8 * (1 + usize::from(eights))..)?,
        _ => return None,
    };
    let (source, destination) = (address(8)?, address(24)?);
    Some(Message { source, destination, hop_limit: header[7], mac: frame.source, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const FROM: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn packet(payload: u8) -> Vec<u8> {
        let mut packet = vec![0; 40 + usize::from(payload)];
        (packet[0], packet[5]) = (0x60, payload);
        packet
    }

    #[test]
    fn what_is_sent_is_read_again_without_the_links_padding() {
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
            let frame = of_message(&out, FROM).unwrap();
            assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x28, 0x9c, 0x5a]);
            let heard = message(&frame).unwrap();
            assert_eq!((heard.source, heard.destination), (out.source, out.destination));
            assert_eq!((heard.hop_limit, heard.mac, heard.message), (1, FROM, &out.message[..]));
        }
        out.destination = "fe80::2".parse().unwrap();
        assert_eq!(of_message(&out, FROM), None, "nobody knows where it is");
    }
}
