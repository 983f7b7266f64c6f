//! The PREF64 option of a Router Advertisement (RFC 8781 section 4).
//!
//! ```text
//! |     Type (38) |  Length (2)   |  Scaled Lifetime (13) | PLC (3) |
//! |              Highest 96 bits of the Prefix                      |
//! ```

use crate::Pref64;
use core::net::Ipv6Addr;

/// A PREF64 option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaPref64 {
    /// The prefix.
    pub prefix: Pref64,
    /// How long it may be used, in seconds: a multiple of 8, at most 65528. Zero withdraws it.
    pub lifetime_s: u16,
}

impl RaPref64 {
    /// The option's type.
    pub const TYPE: u8 = 38;
    /// The option's size in bytes.
    pub const LEN: usize = 16;

    /// Reads a whole option, type and length octets included.
    ///
    /// `None` for another type, another length, a reserved prefix length code (6 and 7: the receiver
    /// ignores the option) or a prefix that cannot be a PREF64. Bits beyond the prefix length are ignored.
    #[must_use]
    pub fn parse(option: &[u8]) -> Option<Self> {
        let [Self::TYPE, 2, hi, lo, prefix @ ..] = option else { return None };
        let prefix: &[u8; 12] = prefix.first_chunk::<12>().filter(|_| option.len() == Self::LEN)?;
        let word = u16::from_be_bytes([*hi, *lo]);
        let len = *[96u8, 64, 56, 48, 40, 32].get(usize::from(word & 7))?;
        let mut octets = [0; 16];
        octets.first_chunk_mut::<12>().map(|o| *o = *prefix)?;
        let bits = u128::from_be_bytes(octets) & !(u128::MAX >> len);
        let prefix = Pref64::new(Ipv6Addr::from_bits(bits), len).ok()?;
        Some(Self { prefix, lifetime_s: word & !7 })
    }

    /// Writes a whole option. The lifetime is rounded up to a multiple of 8 (RFC 8781 section 4.1).
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let plc = match self.prefix.len() {
            96 => 0,
            64 => 1,
            56 => 2,
            48 => 3,
            40 => 4,
            _ => 5,
        };
        let word = (self.lifetime_s.saturating_add(7) & !7) | plc;
        let [hi, lo] = word.to_be_bytes();
        let [p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, ..] = self.prefix.prefix().octets();
        [Self::TYPE, 2, hi, lo, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8781_section_4_every_length_code() {
        for (len, plc) in [(96, 0), (64, 1), (56, 2), (48, 3), (40, 4), (32, 5)] {
            let prefix = Pref64::new("2001:db8::".parse().unwrap(), len).unwrap();
            let option = RaPref64 { prefix, lifetime_s: 1800 };
            let bytes = option.emit();
            assert_eq!(bytes[..4], [38, 2, 0x07, 0x08 | plc]);
            assert_eq!(RaPref64::parse(&bytes), Some(option));
        }
    }

    #[test]
    fn rfc8781_section_4_1_lifetime_is_rounded_up_and_capped() {
        let at = |lifetime_s| RaPref64::parse(&RaPref64 { prefix: Pref64::WELL_KNOWN, lifetime_s }.emit());
        assert_eq!(at(1).map(|o| o.lifetime_s), Some(8));
        assert_eq!(at(0).map(|o| o.lifetime_s), Some(0));
        assert_eq!(at(u16::MAX).map(|o| o.lifetime_s), Some(65528));
    }

    #[test]
    fn rfc8781_section_4_what_is_ignored() {
        let good = RaPref64 { prefix: Pref64::WELL_KNOWN, lifetime_s: 600 }.emit();
        for plc in [6, 7] {
            let mut o = good;
            o[3] = (o[3] & !7) | plc;
            assert_eq!(RaPref64::parse(&o), None, "PLC {plc}");
        }
        for len in [0, 1, 3] {
            let mut o = good;
            o[1] = len;
            assert_eq!(RaPref64::parse(&o), None, "length {len}");
        }
        for cut in 0..good.len() {
            assert_eq!(RaPref64::parse(&good[..cut]), None, "cut at {cut}");
        }
        let mut wide = good;
        wide[3] |= 5;
        wide[15] = 0xff;
        assert_eq!(RaPref64::parse(&wide).unwrap().prefix.to_string(), "64:ff9b::/32");
    }

    extern crate std;
    use std::string::ToString;
}
