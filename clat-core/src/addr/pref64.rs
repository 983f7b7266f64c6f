//! The NAT64 prefix of a network and the six ways to embed an IPv4 address in it (RFC 6052).
//!
//! ```text
//! +--+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+
//! |PL| 0-------------32--40--48--56--64--72--80--88--96--104---------|
//! +--+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+
//! |32|     prefix    |v4(32)         | u | suffix                    |
//! |40|     prefix        |v4(24)     | u |(8)| suffix                |
//! |48|     prefix            |v4(16) | u | (16)  | suffix            |
//! |56|     prefix                |(8)| u |  v4(24)   | suffix        |
//! |64|     prefix                    | u |   v4(32)      | suffix    |
//! |96|     prefix                                    |    v4(32)     |
//! +--+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+
//! ```
//! (RFC 6052 section 2.2, Figure 1.) Octet 8 (`u`) is always zero.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// A NAT64 prefix (PREF64): one of the six legal lengths, with octet 8 zero.
///
/// ```
/// use clat_core::Pref64;
/// let pref64 = Pref64::new("2001:db8:122::".parse()?, 48)?;
/// assert_eq!(pref64.embed([192, 0, 2, 33].into()).to_string(), "2001:db8:122:c000:2:2100::");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pref64 {
    prefix: [u8; 16],
    len: u8,
}

/// Why an address and a length are no PREF64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pref64Error {
    /// Only 32, 40, 48, 56, 64 and 96 exist (RFC 6052 section 2.2).
    Length(u8),
    /// Bits beyond the prefix length are set.
    HostBits,
    /// Bits 64 to 71 of the prefix are not zero (RFC 6052 section 2.2).
    ReservedOctet,
}

impl Pref64 {
    /// `64:ff9b::/96` (RFC 6052 section 2.1).
    pub const WELL_KNOWN: Self =
        Self { prefix: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], len: 96 };

    /// The legal prefix lengths in bits, longest first.
    pub const LENGTHS: [u8; 6] = [96, 64, 56, 48, 40, 32];

    /// A prefix of `len` bits.
    ///
    /// # Errors
    /// When the length is not one of the six, when bits beyond it are set, or when octet 8 is not zero.
    pub const fn new(prefix: Ipv6Addr, len: u8) -> Result<Self, Pref64Error> {
        if !matches!(len, 32 | 40 | 48 | 56 | 64 | 96) {
            return Err(Pref64Error::Length(len));
        }
        let bits = prefix.to_bits();
        if bits & (u128::MAX >> len) != 0 {
            return Err(Pref64Error::HostBits);
        }
        let prefix = prefix.octets();
        if prefix[8] != 0 {
            return Err(Pref64Error::ReservedOctet);
        }
        Ok(Self { prefix, len })
    }

    /// The prefix as an address whose other bits are zero.
    #[must_use]
    pub const fn prefix(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.prefix)
    }

    /// The prefix length in bits.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether this is `64:ff9b::/96`.
    #[must_use]
    pub const fn is_well_known(&self) -> bool {
        self.len == 96 && self.prefix().to_bits() == Self::WELL_KNOWN.prefix().to_bits()
    }

    /// Whether the bits of the prefix agree with those of the address.
    #[must_use]
    #[inline]
    pub const fn contains(&self, addr: Ipv6Addr) -> bool {
        (addr.to_bits() ^ self.prefix().to_bits()) >> (128 - self.len as u32) == 0
    }

    /// The IPv4-embedded IPv6 address; suffix bits are zero.
    #[must_use]
    #[inline]
    pub const fn embed(&self, v4: Ipv4Addr) -> Ipv6Addr {
        let [a, b, c, d] = v4.octets();
        let mut o = self.prefix;
        match self.len {
            32 => [o[4], o[5], o[6], o[7]] = [a, b, c, d],
            40 => [o[5], o[6], o[7], o[9]] = [a, b, c, d],
            48 => [o[6], o[7], o[9], o[10]] = [a, b, c, d],
            56 => [o[7], o[9], o[10], o[11]] = [a, b, c, d],
            64 => [o[9], o[10], o[11], o[12]] = [a, b, c, d],
            _ => [o[12], o[13], o[14], o[15]] = [a, b, c, d],
        }
        Ipv6Addr::from_octets(o)
    }

    /// The IPv4 address inside, or `None` when the address is not under this prefix.
    ///
    /// Octet 8 and the suffix are ignored (RFC 6052 section 2.2: the suffix SHOULD be ignored on receipt).
    #[must_use]
    #[inline]
    pub const fn extract(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        if !self.contains(v6) {
            return None;
        }
        let o = v6.octets();
        let [a, b, c, d] = match self.len {
            32 => [o[4], o[5], o[6], o[7]],
            40 => [o[5], o[6], o[7], o[9]],
            48 => [o[6], o[7], o[9], o[10]],
            56 => [o[7], o[9], o[10], o[11]],
            64 => [o[9], o[10], o[11], o[12]],
            _ => [o[12], o[13], o[14], o[15]],
        };
        Some(Ipv4Addr::new(a, b, c, d))
    }
}

impl fmt::Display for Pref64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix(), self.len)
    }
}

impl fmt::Debug for Pref64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pref64({self})")
    }
}

impl core::str::FromStr for Pref64 {
    type Err = ParsePref64Error;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (addr, len) = s.split_once('/').ok_or(ParsePref64Error::Syntax)?;
        let addr = addr.parse().map_err(|_| ParsePref64Error::Syntax)?;
        let len = len.parse().map_err(|_| ParsePref64Error::Syntax)?;
        Self::new(addr, len).map_err(ParsePref64Error::Prefix)
    }
}

/// Why a text is no PREF64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParsePref64Error {
    /// Not of the form `address/length`.
    Syntax,
    /// An address and a length that are no PREF64.
    Prefix(Pref64Error),
}

impl fmt::Display for ParsePref64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("expected an IPv6 prefix like 64:ff9b::/96"),
            Self::Prefix(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for ParsePref64Error {}

impl fmt::Display for Pref64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => write!(
                f,
                "/{len} is no NAT64 prefix length: use 32, 40, 48, 56, 64 or 96 (RFC 6052 section 2.2)"
            ),
            Self::HostBits => f.write_str("the address has bits set beyond the prefix length"),
            Self::ReservedOctet => {
                f.write_str("bits 64 to 71 of a NAT64 prefix must be zero (RFC 6052 section 2.2)")
            }
        }
    }
}

impl core::error::Error for Pref64Error {}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC6052_2_4: [(&str, &str); 6] = [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::c000:221"),
    ];

    #[test]
    fn rfc6052_section_2_4_vectors() {
        let v4 = Ipv4Addr::new(192, 0, 2, 33);
        for (prefix, expected) in RFC6052_2_4 {
            let prefix: Pref64 = prefix.parse().unwrap();
            let expected: Ipv6Addr = expected.parse().unwrap();
            assert_eq!(prefix.embed(v4), expected, "{prefix}");
            assert_eq!(prefix.extract(expected), Some(v4), "{prefix}");
        }
    }

    #[test]
    fn rfc6052_section_2_2_suffix_ignored_on_receipt() {
        let v4 = Ipv4Addr::new(192, 0, 2, 33);
        for (prefix, plain) in RFC6052_2_4.iter().take(5) {
            let prefix: Pref64 = prefix.parse().unwrap();
            let mut o = plain.parse::<Ipv6Addr>().unwrap().octets();
            o[8] = 0xff;
            o[13..].fill(0xaa);
            assert_eq!(prefix.extract(o.into()), Some(v4), "{prefix}");
        }
    }

    #[test]
    fn rfc6052_section_2_2_other_lengths_and_reserved_octet_rejected() {
        let addr: Ipv6Addr = "2001:db8::".parse().unwrap();
        for len in 0..=255u8 {
            assert_eq!(Pref64::new(addr, len).is_ok(), Pref64::LENGTHS.contains(&len), "/{len}");
        }
        let u: Ipv6Addr = "2001:db8:0:0:100::".parse().unwrap();
        assert_eq!(Pref64::new(u, 96), Err(Pref64Error::ReservedOctet));
        assert_eq!(Pref64::new(u, 64), Err(Pref64Error::HostBits));
    }
}
