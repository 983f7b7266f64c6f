//! One's complement sums as residues modulo 65535, where zero stands for both zeros.

use std::net::{Ipv4Addr, Ipv6Addr};

const MODULUS: u64 = 65535;

/// The sum of the big-endian 16-bit words of `bytes`, a last odd byte padded with zero, modulo 65535.
#[must_use]
pub fn residue(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|w| u64::from(w[0]) << 8 | w.get(1).map_or(0, |b| u64::from(*b)));
    words.sum::<u64>() % MODULUS
}

/// The pseudo-header of RFC 793 and RFC 768.
pub(crate) fn pseudo_v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: usize) -> u64 {
    (residue(&src.octets()) + residue(&dst.octets()) + u64::from(protocol) + len as u64) % MODULUS
}

/// The pseudo-header of RFC 8200 section 8.1; the 32-bit length is summed as two words.
pub(crate) fn pseudo_v6(src: Ipv6Addr, dst: Ipv6Addr, next: u8, len: usize) -> u64 {
    let words = (len >> 16) as u64 + (len & 0xffff) as u64;
    (residue(&src.octets()) + residue(&dst.octets()) + u64::from(next) + words) % MODULUS
}

/// The checksum that brings a sum of `rest` (without the checksum) to `wanted`, as 0..=0xfffe.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn field_for(wanted: u64, rest: u64) -> u16 {
    ((wanted + MODULUS - rest % MODULUS) % MODULUS) as u16
}

/// The checksum of an IPv4 header whose checksum field counts as zero.
#[must_use]
pub fn header_checksum(header: &[u8]) -> u16 {
    let mut copy = header.to_vec();
    copy[10..12].fill(0);
    field_for(0, residue(&copy))
}

/// Whether an ICMPv6 message is right, pseudo-header included.
#[must_use]
pub fn icmp6_is_valid(src: Ipv6Addr, dst: Ipv6Addr, message: &[u8]) -> bool {
    (pseudo_v6(src, dst, 58, message.len()) + residue(message)).is_multiple_of(MODULUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1071_section_3_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(residue(&bytes), 0xddf2);
        assert_eq!(field_for(0, residue(&bytes)), !0xddf2);
        assert_eq!(residue(&bytes[..7]), residue(&[&bytes[..7], &[0]].concat()));
    }
}
