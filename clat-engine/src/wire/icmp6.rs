//! ICMPv6 messages: checksum (RFC 4443 section 2.3) and the rules that all of Neighbour Discovery shares
//! (RFC 4861 sections 6.1 and 7.1).

use crate::Icmpv6In;
use core::net::Ipv6Addr;

/// Message types.
pub(crate) mod kind {
    pub(crate) const ECHO_REQUEST: u8 = 128;
    pub(crate) const ECHO_REPLY: u8 = 129;
    pub(crate) const MLD_QUERY: u8 = 130;
    pub(crate) const ROUTER_SOLICITATION: u8 = 133;
    pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
    pub(crate) const NEIGHBOUR_SOLICITATION: u8 = 135;
    pub(crate) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    pub(crate) const MLD2_REPORT: u8 = 143;
}

/// Option types (RFC 4861 section 4.6, RFC 8106 section 5.1).
pub(crate) mod option {
    pub(crate) const SOURCE_LINK_LAYER: u8 = 1;
    pub(crate) const TARGET_LINK_LAYER: u8 = 2;
    pub(crate) const PREFIX_INFORMATION: u8 = 3;
    pub(crate) const MTU: u8 = 5;
    pub(crate) const RDNSS: u8 = 25;
}

/// Protocol numbers (IANA).
pub(crate) const NEXT_HEADER: u8 = 58;
pub(crate) const HOP_BY_HOP: u8 = 0;

/// The sum of the pseudo-header and the message, folded, not complemented.
fn sum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u32 {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let last = rest.first().map_or(0, |b| u32::from(*b) << 8);
        pairs.iter().fold(last, |sum, pair| sum + u32::from(u16::from_be_bytes(*pair)))
    };
    // A message is at most 65535 bytes: the sum of its words stays below 2^32.
    let len = u32::try_from(message.len().min(0xffff)).unwrap_or(0);
    let mut sum = words(&source.octets()) + words(&destination.octets()) + u32::from(NEXT_HEADER) + len;
    sum += words(message.get(..message.len().min(0xffff)).unwrap_or_default());
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).unwrap_or(0)
}

/// Whether the checksum is right.
pub(crate) fn checksum_is_valid(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> bool {
    sum(source, destination, message) == 0xffff
}

/// Writes the checksum into octets 2 and 3.
pub(crate) fn seal(source: Ipv6Addr, destination: Ipv6Addr, message: &mut [u8]) {
    if let Some(field) = message.get_mut(2..4) {
        field.fill(0);
    }
    let checksum = !sum(source, destination, message);
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}

/// What RFC 4861 demands of every Neighbour Discovery message: hop limit 255, a valid checksum, code 0,
/// `fixed` octets before the options, and no option of length zero. Returns the options.
pub(crate) fn neighbour_discovery<'a>(received: &Icmpv6In<'a>, fixed: usize) -> Option<&'a [u8]> {
    let options = received.message.get(fixed..)?;
    let sound = received.hop_limit == 255
        && received.message.get(1) == Some(&0)
        && checksum_is_valid(received.source, received.destination, received.message)
        && options_are_sound(options);
    sound.then_some(options)
}

/// Whether the options fill the rest of the message exactly.
fn options_are_sound(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        match split_option(rest) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

fn split_option(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = usize::from(*bytes.get(1)?) * 8;
    if len == 0 { None } else { bytes.split_at_checked(len) }
}

/// The options, each whole with type and length; ends at the first malformed one.
pub(crate) fn options(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (option, after) = split_option(rest)?;
        rest = after;
        Some(option)
    })
}

/// The link-layer address of the first option of this type that has one of six octets.
pub(crate) fn link_layer(bytes: &[u8], wanted: u8) -> Option<crate::Mac> {
    options(bytes).find_map(|option| match option {
        [kind, 1, mac @ ..] if *kind == wanted => mac.first_chunk::<6>().copied(),
        _ => None,
    })
}

/// The sixteen octets at `at` as an address.
pub(crate) fn address(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    bytes.get(at..)?.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets))
}

/// The solicited-node multicast address (RFC 4291 section 2.7.1).
pub(crate) fn solicited_node(addr: Ipv6Addr) -> Ipv6Addr {
    let low = addr.to_bits() & 0x00ff_ffff;
    Ipv6Addr::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(s: &str) -> Ipv6Addr {
        s.parse().unwrap()
    }

    #[test]
    fn rfc4443_section_2_3_checksum_round_trip() {
        for len in 8..40 {
            let mut message: std::vec::Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(7)).collect();
            seal(a("fe80::1"), a("ff02::1"), &mut message);
            assert!(checksum_is_valid(a("fe80::1"), a("ff02::1"), &message), "{len}");
            message[4] ^= 1;
            assert!(!checksum_is_valid(a("fe80::1"), a("ff02::1"), &message), "{len}");
        }
    }

    #[test]
    fn rfc4861_section_4_6_an_option_of_length_zero_spoils_the_message() {
        assert!(options_are_sound(&[]));
        assert!(options_are_sound(&[1, 1, 0, 0, 0, 0, 0, 0]));
        assert!(!options_are_sound(&[1, 0, 0, 0, 0, 0, 0, 0]));
        assert!(!options_are_sound(&[1, 2, 0, 0, 0, 0, 0, 0]));
        assert!(!options_are_sound(&[1]));
        assert_eq!(options(&[1, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn rfc4291_section_2_7_1_solicited_node() {
        assert_eq!(solicited_node(a("2001:db8::1:aabb:ccdd")), a("ff02::1:ffbb:ccdd"));
    }
}
