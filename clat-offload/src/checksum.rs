//! The Internet checksum (RFC 1071), for packets whose device does not vouch for them and for software
//! segmentation.
//!
//! Words are added as native integers and swapped once at the end: one's complement sums do not care
//! about byte order (RFC 1071 section 2 (B)).

/// A one's complement sum under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    native: u64,
    odd: bool,
}

impl Sum {
    /// Adds bytes. Only the last run may have an odd length unless [`with`](Self::with) is told the rest.
    #[inline]
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        let sum = fold(sum_native(bytes));
        let sum = if self.odd { sum.swap_bytes() } else { sum };
        self.native += u64::from(sum);
        self.odd ^= bytes.len() % 2 == 1;
        self
    }

    /// Adds a 16-bit number.
    #[inline]
    #[must_use]
    pub fn with_u16(mut self, number: u16) -> Self {
        self.native += u64::from(number.to_be());
        self
    }

    /// The sum in big-endian meaning, not complemented.
    #[inline]
    #[must_use]
    pub fn folded(self) -> u16 {
        u16::from_be(fold(self.native))
    }
}

/// Wrapping, so that the loop stays free of overflow checks: 2^32 words would be needed.
#[inline]
fn sum_native(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum = words.iter().fold(0_u64, |sum, w| sum.wrapping_add(u64::from(u32::from_ne_bytes(*w))));
    let (halves, last) = rest.as_chunks::<2>();
    sum = halves.iter().fold(sum, |sum, h| sum.wrapping_add(u64::from(u16::from_ne_bytes(*h))));
    if let [byte] = last {
        sum = sum.wrapping_add(u64::from(u16::from_ne_bytes([*byte, 0])));
    }
    sum
}

#[inline]
#[allow(clippy::cast_possible_truncation)]
const fn fold(mut sum: u64) -> u16 {
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn rfc1071_section_3_numerical_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().with(&bytes).folded(), 0xddf2);
    }

    #[test]
    fn the_sum_does_not_depend_on_how_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..251u16).map(|i| (i * 37 % 256) as u8).collect();
        let whole = Sum::default().with(&bytes).folded();
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(Sum::default().with(a).with(b).folded(), whole, "cut at {cut}");
        }
        assert_eq!(Sum::default().with_u16(0x1234).folded(), Sum::default().with(&[0x12, 0x34]).folded());
    }

    #[test]
    fn the_largest_packet_does_not_overflow() {
        assert_eq!(Sum::default().with(&[0xff; 65_536]).folded(), 0xffff);
    }
}
