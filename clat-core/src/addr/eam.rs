//! Explicit address mappings (RFC 7757): rows of an IPv4 and an IPv6 prefix, longest match in both families.

use super::nest::{Family, Nest};
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// One row: addresses under `v4/v4_len` correspond to those under `v6/v6_len`, host bits copied.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EamRow {
    v4: u32,
    v4_mask: u32,
    v6: u128,
    v6_mask: u128,
    v4_len: u8,
    v6_len: u8,
}

/// Why a row was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EamError {
    /// The IPv4 length is above 32, or the IPv6 length above 128.
    Length,
    /// Bits beyond a prefix length are set.
    HostBits,
    /// The IPv6 suffix is shorter than the IPv4 suffix (RFC 7757 section 3.2).
    SuffixTooShort,
    /// The same IPv4 or IPv6 prefix has a row already.
    Duplicate,
    /// The table has no room for another row.
    Full,
}

const fn mask_v4(len: u8) -> u32 {
    if len == 0 { 0 } else { u32::MAX << (32 - len as u32) }
}

const fn mask_v6(len: u8) -> u128 {
    if len == 0 { 0 } else { u128::MAX << (128 - len as u32) }
}

impl EamRow {
    /// A row from two prefixes, lengths in bits.
    ///
    /// # Errors
    /// [`EamError::Length`], [`EamError::HostBits`] or [`EamError::SuffixTooShort`].
    pub const fn new(v4: Ipv4Addr, v4_len: u8, v6: Ipv6Addr, v6_len: u8) -> Result<Self, EamError> {
        if v4_len > 32 || v6_len > 128 {
            return Err(EamError::Length);
        }
        if 128 - v6_len < 32 - v4_len {
            return Err(EamError::SuffixTooShort);
        }
        let (v4, v6) = (v4.to_bits(), v6.to_bits());
        let (v4_mask, v6_mask) = (mask_v4(v4_len), mask_v6(v6_len));
        if v4 & !v4_mask != 0 || v6 & !v6_mask != 0 {
            return Err(EamError::HostBits);
        }
        Ok(Self { v4, v4_mask, v6, v6_mask, v4_len, v6_len })
    }

    /// The row of a host that owns one address in each family.
    #[must_use]
    pub const fn host(v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        Self {
            v4: v4.to_bits(),
            v4_mask: u32::MAX,
            v6: v6.to_bits(),
            v6_mask: u128::MAX,
            v4_len: 32,
            v6_len: 128,
        }
    }

    /// The IPv4 prefix and its length in bits.
    #[must_use]
    pub const fn v4(&self) -> (Ipv4Addr, u8) {
        (Ipv4Addr::from_bits(self.v4), self.v4_len)
    }

    /// The IPv6 prefix and its length in bits.
    #[must_use]
    pub const fn v6(&self) -> (Ipv6Addr, u8) {
        (Ipv6Addr::from_bits(self.v6), self.v6_len)
    }

    /// RFC 7757 section 3.3.1: the IPv4 suffix follows the IPv6 prefix, then zeros.
    const fn to_v6(self, addr: u32) -> u128 {
        let suffix = (addr & !self.v4_mask) as u128;
        let shift = (128 - self.v6_len as u32) - (32 - self.v4_len as u32);
        self.v6 | (suffix << shift)
    }

    /// RFC 7757 section 3.3.2: IPv6 suffix bits beyond the IPv4 suffix are ignored.
    #[allow(clippy::cast_possible_truncation)]
    const fn to_v4(self, addr: u128) -> u32 {
        let shift = (128 - self.v6_len as u32) - (32 - self.v4_len as u32);
        let suffix = (addr & !self.v6_mask) >> shift;
        self.v4 | suffix as u32
    }
}

/// Rows by their IPv4 prefixes.
#[derive(Clone, Copy, Debug)]
enum V4 {}

impl Family for V4 {
    type Bits = u32;

    #[inline]
    fn prefix(row: &EamRow) -> (u32, u8) {
        (row.v4, row.v4_len)
    }

    #[inline]
    fn covers(row: &EamRow, addr: u32) -> bool {
        addr & row.v4_mask == row.v4
    }
}

/// Rows by their IPv6 prefixes.
#[derive(Clone, Copy, Debug)]
enum V6 {}

impl Family for V6 {
    type Bits = u128;

    #[inline]
    fn prefix(row: &EamRow) -> (u128, u8) {
        (row.v6, row.v6_len)
    }

    #[inline]
    fn covers(row: &EamRow, addr: u128) -> bool {
        addr & row.v6_mask == row.v6
    }
}

/// A table of at most `N` rows, searched by longest prefix in either family.
///
/// A lookup is a binary search, then one step outwards for each row that is nested around the place it
/// ends at: `O(log N)`, and at most 32 or 128 steps more. An insertion is `O(N)`.
#[derive(Clone)]
pub struct EamTable<const N: usize> {
    by_v4: Nest<V4, N>,
    by_v6: Nest<V6, N>,
}

impl<const N: usize> EamTable<N> {
    /// A table without rows.
    #[must_use]
    pub const fn new() -> Self {
        Self { by_v4: Nest::new(), by_v6: Nest::new() }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`EamError::Duplicate`] or [`EamError::Full`]; the table is unchanged then.
    pub fn insert(&mut self, row: EamRow) -> Result<(), EamError> {
        let (Some(v4), Some(v6)) = (self.by_v4.place_for(&row), self.by_v6.place_for(&row)) else {
            return Err(EamError::Duplicate);
        };
        self.by_v4.insert(v4, row)?;
        self.by_v6.insert(v6, row)
    }

    /// The rows, in the order of their IPv4 prefixes.
    #[must_use]
    pub fn rows(&self) -> &[EamRow] {
        self.by_v4.rows()
    }

    /// The IPv6 address of an IPv4 address that a row covers.
    #[must_use]
    #[inline]
    pub fn to_v6(&self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        let addr = v4.to_bits();
        Some(Ipv6Addr::from_bits(self.by_v4.longest(addr)?.to_v6(addr)))
    }

    /// The IPv4 address of an IPv6 address that a row covers.
    #[must_use]
    #[inline]
    pub fn to_v4(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let addr = v6.to_bits();
        Some(Ipv4Addr::from_bits(self.by_v6.longest(addr)?.to_v4(addr)))
    }
}

impl<const N: usize> Default for EamTable<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EamRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}={}/{}", self.v4().0, self.v4_len, self.v6().0, self.v6_len)
    }
}

impl<const N: usize> fmt::Debug for EamTable<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rows()).finish()
    }
}

impl fmt::Display for EamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a prefix length is above 32 (IPv4) or 128 (IPv6)",
            Self::HostBits => "a prefix has bits set beyond its length",
            Self::SuffixTooShort => "the IPv6 suffix is shorter than the IPv4 suffix (RFC 7757 section 3.2)",
            Self::Duplicate => "this prefix has a mapping already",
            Self::Full => "the table is full",
        })
    }
}

impl core::error::Error for EamError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(v4: &str, v4_len: u8, v6: &str, v6_len: u8) -> Result<EamRow, EamError> {
        EamRow::new(v4.parse().unwrap(), v4_len, v6.parse().unwrap(), v6_len)
    }

    /// RFC 7757 section 3.2, Figure 1, and the conversions of Appendix B.
    #[test]
    fn rfc7757_appendix_b_examples() {
        let mut t = EamTable::<8>::new();
        for (v4, v4_len, v6, v6_len) in [
            ("192.0.2.1", 32, "2001:db8:aaaa::", 128),
            ("192.0.2.2", 32, "2001:db8:bbbb::b", 128),
            ("192.0.2.16", 28, "2001:db8:cccc::", 124),
            ("192.0.2.128", 26, "2001:db8:dddd::", 64),
            ("192.0.2.192", 29, "2001:db8:eeee:8::", 62),
            ("192.0.2.224", 31, "64:ff9b::", 127),
        ] {
            t.insert(row(v4, v4_len, v6, v6_len).unwrap()).unwrap();
        }
        for (v4, v6) in [
            ("192.0.2.1", "2001:db8:aaaa::"),
            ("192.0.2.2", "2001:db8:bbbb::b"),
            ("192.0.2.16", "2001:db8:cccc::"),
            ("192.0.2.24", "2001:db8:cccc::8"),
            ("192.0.2.31", "2001:db8:cccc::f"),
            ("192.0.2.128", "2001:db8:dddd::"),
            ("192.0.2.152", "2001:db8:dddd:0:6000::"),
            ("192.0.2.183", "2001:db8:dddd:0:dc00::"),
            ("192.0.2.191", "2001:db8:dddd:0:fc00::"),
            ("192.0.2.193", "2001:db8:eeee:8:8000::"),
            ("192.0.2.199", "2001:db8:eeee:b:8000::"),
            ("192.0.2.224", "64:ff9b::"),
            ("192.0.2.225", "64:ff9b::1"),
        ] {
            let (v4, v6) = (v4.parse().unwrap(), v6.parse().unwrap());
            assert_eq!(t.to_v6(v4), Some(v6), "{v4}");
            assert_eq!(t.to_v4(v6), Some(v4), "{v6}");
        }
        assert_eq!(t.to_v6(Ipv4Addr::new(192, 0, 2, 3)), None);
    }

    #[test]
    fn rfc7757_section_3_2_rows_that_cannot_be() {
        assert_eq!(row("10.0.0.0", 8, "2001:db8::", 120), Err(EamError::SuffixTooShort));
        assert_eq!(row("10.0.0.1", 8, "2001:db8::", 64), Err(EamError::HostBits));
        assert_eq!(row("10.0.0.0", 33, "2001:db8::", 64), Err(EamError::Length));
        let mut t = EamTable::<2>::new();
        let a = row("10.0.0.0", 8, "2001:db8::", 64).unwrap();
        t.insert(a).unwrap();
        assert_eq!(t.insert(a), Err(EamError::Duplicate));
        t.insert(row("10.1.0.0", 16, "2001:db8:1::", 64).unwrap()).unwrap();
        assert_eq!(t.insert(row("11.0.0.0", 8, "2001:db8:2::", 64).unwrap()), Err(EamError::Full));
        assert_eq!(t.rows().len(), 2);
    }

    #[test]
    fn whole_families_fit_in_a_row() {
        let all = row("0.0.0.0", 0, "64:ff9b::", 96).unwrap();
        let mut t = EamTable::<1>::new();
        t.insert(all).unwrap();
        let v6 = t.to_v6(Ipv4Addr::BROADCAST).unwrap();
        assert_eq!(Ok(v6), "64:ff9b::ffff:ffff".parse());
        assert_eq!(t.to_v4(v6), Some(Ipv4Addr::BROADCAST));
    }
}
