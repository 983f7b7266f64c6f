//! Ethernet II frames of IPv6 (RFC 2464), a priority tag (802.1Q, VLAN 0) accepted.

use std::net::Ipv6Addr;

/// Bytes before the packet in the frames that are sent.
pub(crate) const HEADER: usize = 14;

const IPV6: [u8; 2] = [0x86, 0xdd];
const TAG: [u8; 2] = [0x81, 0x00];

/// A received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'f> {
    pub(crate) destination: [u8; 6],
    pub(crate) source: [u8; 6],
    /// The IPv6 packet, without the link's padding.
    pub(crate) packet: &'f [u8],
}

/// The IPv6 packet of a frame. `None` for other protocols, for a VLAN's (it has an interface of its own) and
/// for a packet that is cut short.
pub(crate) fn parse(frame: &[u8]) -> Option<Frame<'_>> {
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
    let length = rest.get(4..6).map(|b| 40 + usize::from(b[0]) * 256 + usize::from(b[1]))?;
    let is_v6 = *kind == IPV6 && rest.first().is_some_and(|b| b >> 4 == 6);
    let packet = rest.get(..length).filter(|_| is_v6)?;
    Some(Frame { destination: *destination, source: *source, packet })
}

/// The VLAN of a tagged frame: another link than that of the frames without.
pub(crate) fn vlan(frame: &[u8]) -> Option<u16> {
    let ([_, _, tag @ ..], TAG) =
        (*frame.get(12..16)?.first_chunk::<4>()?, *frame.get(12..14)?.first_chunk()?)
    else {
        return None;
    };
    Some(u16::from_be_bytes(tag) & 0x0fff).filter(|id| *id != 0)
}

/// The header of a frame of IPv6.
pub(crate) fn header(destination: [u8; 6], source: [u8; 6]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..6].copy_from_slice(&destination);
    header[6..12].copy_from_slice(&source);
    header[12..].copy_from_slice(&IPV6);
    header
}

/// The link-layer address of a multicast group (RFC 2464 section 7).
pub(crate) fn group(address: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = address.octets();
    [0x33, 0x33, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const FROM: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn packet(payload: usize) -> Vec<u8> {
        let mut packet = vec![0; 40 + payload];
        (packet[0], packet[5]) = (0x60, payload as u8);
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
        assert_eq!(parse(&frame).unwrap().packet, packet);
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
}
