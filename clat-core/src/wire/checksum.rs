//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! A checksum field holds the complement of a one's complement sum of 16-bit words. In that arithmetic
//! a carry out of the top comes back in at the bottom, so words may be added in any order and any
//! width and folded to 16 bits at the very end. Subtracting a word is adding its complement. When some
//! words of a packet are replaced, the new checksum follows from the old one and the difference of
//! those words alone: `HC' = ~(~HC + ~m + m')` (RFC 1624 equation 3). A checksum that was wrong stays
//! wrong by the same amount.
//!
//! Words are summed as big-endian integers, whatever the CPU.

use core::net::{Ipv4Addr, Ipv6Addr};

/// A one's complement sum that is not yet folded. Room for 2^32 additions of 32-bit words.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    pub(crate) const ZERO: Self = Self(0);

    /// Adds a 16-bit or 32-bit word.
    #[inline]
    pub(crate) const fn word(self, word: u32) -> Self {
        Self(self.0.wrapping_add(word as u64))
    }

    /// Adds an IPv4 address.
    #[inline]
    pub(crate) const fn v4(self, addr: Ipv4Addr) -> Self {
        self.word(addr.to_bits())
    }

    /// Adds an IPv6 address.
    #[inline]
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) const fn v6(self, addr: Ipv6Addr) -> Self {
        let bits = addr.to_bits();
        self.word((bits >> 96) as u32).word((bits >> 64) as u32).word((bits >> 32) as u32).word(bits as u32)
    }

    /// Subtracts another sum.
    #[inline]
    pub(crate) const fn sub(self, other: Self) -> Self {
        self.word(!other.fold() as u32)
    }

    /// Adds bytes as 16-bit words; an odd last byte counts as if a zero followed.
    #[inline]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let mut sum = self.0;
        for word in words {
            sum = sum.wrapping_add(u64::from(u32::from_be_bytes(*word)));
        }
        let last = match *rest {
            [a] => u32::from_be_bytes([a, 0, 0, 0]),
            [a, b] => u32::from_be_bytes([a, b, 0, 0]),
            [a, b, c] => u32::from_be_bytes([a, b, c, 0]),
            _ => 0,
        };
        Self(sum).word(last)
    }

    /// The sum as a 16-bit word, carries brought back in.
    ///
    /// A word is added to itself with its halves swapped: what the lower half carries is what the upper half
    /// lacks, and the upper half is the sum of both.
    #[inline]
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) const fn fold(self) -> u16 {
        let sum = (self.0.wrapping_add(self.0.rotate_left(32)) >> 32) as u32;
        (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
    }

    /// The value of a checksum field over these words.
    #[inline]
    pub(crate) const fn checksum(self) -> u16 {
        !self.fold()
    }
}

/// Adds two folded sums.
#[inline]
pub(crate) const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry as u16)
}

/// Whether words that contain their own checksum are in order. Byte order does not matter for that.
#[inline]
pub(crate) fn is_in_order(words: &[u8]) -> bool {
    let (words, rest) = words.as_chunks::<4>();
    let sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from(u32::from_ne_bytes(*word))));
    // A multiple of 0xffff that is not zero folds to 0xffff.
    rest.is_empty() && sum != 0 && sum % 0xffff == 0
}

/// A checksum field after the words it covers have changed by `delta` (RFC 1624 equation 3).
#[inline]
pub(crate) const fn update(field: u16, delta: Sum) -> u16 {
    delta.word(!field as u32).checksum()
}

/// As [`update`], for a field in which zero means "no checksum" (RFC 768: zero is sent as 0xffff).
#[inline]
pub(crate) const fn update_nonzero(field: u16, delta: Sum) -> u16 {
    match update(field, delta) {
        0 => 0xffff,
        sum => sum,
    }
}

/// A field that holds a plain sum, as a device with checksum offload expects it.
#[inline]
pub(crate) const fn update_partial(field: u16, delta: Sum) -> u16 {
    delta.word(field as u32).fold()
}

/// The pseudo-header of IPv6 (RFC 8200 section 8.1).
#[inline]
pub(crate) const fn pseudo_v6(src: Ipv6Addr, dst: Ipv6Addr, length: u32, next_header: u8) -> Sum {
    Sum::ZERO.v6(src).v6(dst).word(length).word(next_header as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1071_section_3_example() {
        let sum = Sum::ZERO.bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.fold(), 0xddf2);
    }

    #[test]
    fn rfc1624_section_4_example() {
        // 0xdd2f covers a word that changes from 0x5555 to 0x3285.
        let delta = Sum::ZERO.word(0x3285).sub(Sum::ZERO.word(0x5555));
        assert_eq!(update(0xdd2f, delta), 0x0000);
        assert_eq!(update_nonzero(0xdd2f, delta), 0xffff);
    }

    #[test]
    fn width_and_order_of_words_do_not_matter() {
        let bytes: [u8; 71] = core::array::from_fn(|i| u8::try_from(i * 3 + 11).unwrap());
        let by_word = bytes
            .chunks(2)
            .fold(Sum::ZERO, |s, c| s.word((u32::from(c[0]) << 8) | u32::from(*c.get(1).unwrap_or(&0))));
        assert_eq!(Sum::ZERO.bytes(&bytes).fold(), by_word.fold());
        let (a, b) = bytes.split_at(24);
        assert_eq!(Sum::ZERO.bytes(b).bytes(a).fold(), by_word.fold());
        assert_eq!(by_word.sub(by_word).fold(), 0xffff, "minus itself is (negative) zero");
    }

    #[test]
    fn the_largest_sum_folds() {
        assert_eq!(Sum(u64::MAX).fold(), 0xffff);
        assert_eq!(Sum(0xffff_ffff_0000_0001).fold(), 1);
        assert_eq!(Sum(0x1_0000_fffe).fold(), 0xffff, "never zero but for zero");
        assert_eq!(Sum(0).fold(), 0);
        assert_eq!(Sum(0x1_ffff_ffff).fold(), 1);
        assert_eq!(Sum(0x1_0000_0000).fold(), 1);
    }
}
