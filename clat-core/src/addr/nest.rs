//! Prefixes in the order of their first address, each with the one around it: longest match by binary search.
//!
//! Two prefixes are nested or apart, never anything between. So the last one that starts at or before an
//! address either covers it, or what covers it is nested around that one.

use super::{EamError, EamRow};
use core::marker::PhantomData;
use heapless::Vec;

/// By which of its two prefixes a row is found.
pub(super) trait Family {
    /// An address.
    type Bits: Copy + Ord;

    /// First address and length.
    fn prefix(row: &EamRow) -> (Self::Bits, u8);

    /// Whether an address is under the row's prefix.
    fn covers(row: &EamRow, addr: Self::Bits) -> bool;
}

/// Rows of which no two have the same prefix.
#[derive(Clone)]
pub(super) struct Nest<F, const N: usize> {
    /// By prefix: an outer one stands before those that it is nested around.
    rows: Vec<EamRow, N>,
    /// Where the narrowest row around each stands, or [`NOWHERE`].
    around: Vec<u32, N>,
    family: PhantomData<F>,
}

/// Beyond every table.
const NOWHERE: u32 = u32::MAX;

impl<F, const N: usize> Nest<F, N> {
    pub(super) const fn new() -> Self {
        Self { rows: Vec::new(), around: Vec::new(), family: PhantomData }
    }

    pub(super) fn rows(&self) -> &[EamRow] {
        &self.rows
    }
}

impl<F: Family, const N: usize> Nest<F, N> {
    /// The row with the longest prefix that covers an address.
    #[inline]
    pub(super) fn longest(&self, addr: F::Bits) -> Option<&EamRow> {
        let behind = self.rows.partition_point(|row| F::prefix(row).0 <= addr);
        self.rows.get(self.covering(behind, addr) as usize)
    }

    /// The place of the longest prefix that covers an address no row from `behind` on covers.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // a table has less than 2^32 rows
    fn covering(&self, behind: usize, addr: F::Bits) -> u32 {
        let mut at = behind.checked_sub(1).map_or(NOWHERE, |at| at as u32);
        // Each step leads to an earlier place.
        while let Some(row) = self.rows.get(at as usize) {
            if F::covers(row, addr) {
                return at;
            }
            at = self.around.get(at as usize).copied().unwrap_or(NOWHERE);
        }
        NOWHERE
    }

    /// Where a row belongs; `None` when its prefix is there already.
    pub(super) fn place_for(&self, row: &EamRow) -> Option<usize> {
        self.rows.binary_search_by_key(&F::prefix(row), F::prefix).err()
    }

    /// Puts a row where [`place_for`](Self::place_for) says.
    #[allow(clippy::cast_possible_truncation)] // a table has less than 2^32 rows
    pub(super) fn insert(&mut self, place: usize, row: EamRow) -> Result<(), EamError> {
        let around = self.covering(place, F::prefix(&row).0);
        insert_at(&mut self.rows, place, row)?;
        for at in &mut self.around {
            *at += u32::from(*at != NOWHERE && *at as usize >= place);
        }
        insert_at(&mut self.around, place, around)?;
        let behind = self.rows.iter().zip(&mut self.around).skip(place + 1);
        for (_, at) in behind.take_while(|(inner, _)| F::covers(&row, F::prefix(inner).0)) {
            // What was right inside the same one is inside the new one.
            if *at == around {
                *at = place as u32;
            }
        }
        Ok(())
    }
}

/// As `Vec::insert`, without a panic where `place` is out of range.
fn insert_at<T, const N: usize>(items: &mut Vec<T, N>, place: usize, mut item: T) -> Result<(), EamError> {
    if items.is_full() {
        return Err(EamError::Full);
    }
    for slot in items.iter_mut().skip(place) {
        core::mem::swap(slot, &mut item);
    }
    items.push(item).map_err(|_| EamError::Full)
}

#[cfg(test)]
mod tests {
    use super::super::EamTable;
    use super::*;
    use core::net::Ipv6Addr;

    /// Rows as the nodes of a whole binary tree, each under an IPv6 prefix of its own.
    #[test]
    fn nested_prefixes_are_found_in_any_order_of_insertion() {
        let row = |n: u32| {
            let depth = n.ilog2();
            let v4 = (n - (1 << depth)).checked_shl(32 - depth).unwrap_or(0);
            let v6 = Ipv6Addr::from_bits(u128::from(n) << 96);
            EamRow::new(v4.into(), u8::try_from(depth).unwrap(), v6, 32).unwrap()
        };
        let mut table = EamTable::<127>::new();
        for i in 0..127u32 {
            table.insert(row((i * 50 + 63) % 127 + 1)).unwrap();
        }
        assert_eq!(table.insert(row(128)), Err(EamError::Full));
        assert_eq!(table.insert(row(77)), Err(EamError::Duplicate));
        for n in 64..128u32 {
            let addr = (n - 64) << 26 | 0x155;
            let v6 = table.to_v6(addr.into()).unwrap();
            assert_eq!(v6.to_bits() >> 96, n.into(), "the deepest of seven");
            assert_eq!(table.to_v4(v6), Some(addr.into()));
        }
    }

    #[test]
    fn an_address_between_rows_belongs_to_the_row_around_them() {
        let mut table = EamTable::<4>::new();
        for (v4, len, v6) in [
            ("10.1.2.0", 24, "2001:db8:3::"),
            ("10.0.0.0", 8, "2001:db8:1::"),
            ("10.1.0.0", 16, "2001:db8:2::"),
            ("10.1.9.0", 24, "2001:db8:4::"),
        ] {
            table.insert(EamRow::new(v4.parse().unwrap(), len, v6.parse().unwrap(), 48).unwrap()).unwrap();
        }
        let row = |addr: &str| table.to_v6(addr.parse().unwrap()).map(|v6| v6.segments()[2]);
        assert_eq!(row("10.1.2.3"), Some(3));
        assert_eq!(row("10.1.3.3"), Some(2), "between two, in the one around both");
        assert_eq!(row("10.1.10.0"), Some(2), "behind both");
        assert_eq!(row("10.200.0.0"), Some(1));
        assert_eq!(row("9.255.255.255"), None);
        assert_eq!(row("11.0.0.0"), None);
    }
}
