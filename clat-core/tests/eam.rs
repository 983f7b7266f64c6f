//! The address table against a naive model and a prefix trie (RFC 7757 section 3.3).

use clat_core::{EamRow, EamTable};
use clat_model::{Config, Row};
use prefix_trie::PrefixMap;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const ROWS: usize = 16;

/// Rows under few high bits, so that they often nest.
fn row() -> impl Strategy<Value = Row> {
    (0u8..=32, 0u32..4, 0u8..=32, any::<u32>(), any::<u128>()).prop_map(|(v4_len, top, shorter, v4, v6)| {
        let v6_len = 96 + v4_len - shorter.min(96 + v4_len);
        let v4 = (top << 30 | v4 & 0x00f0_0000) & u32::MAX.checked_shl(32 - u32::from(v4_len)).unwrap_or(0);
        let v6 = (u128::from(top) << 126 | v6 & 0xff << 40)
            & u128::MAX.checked_shl(128 - u32::from(v6_len)).unwrap_or(0);
        Row { v4: Ipv4Addr::from(v4), v4_len, v6: Ipv6Addr::from(v6), v6_len }
    })
}

/// An address near the rows: one of theirs with other low bits.
fn near(rows: &[Row], pick: usize, noise: u128) -> (Ipv4Addr, Ipv6Addr) {
    let Some(row) = rows.get(pick % rows.len().max(1)) else {
        return (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
    };
    let v4 = row.v4.to_bits() ^ (noise as u32).checked_shr(u32::from(row.v4_len)).unwrap_or(0);
    let v6 = row.v6.to_bits() ^ noise.checked_shr(u32::from(row.v6_len)).unwrap_or(0);
    (Ipv4Addr::from(v4), Ipv6Addr::from(v6))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn table_equals_model_and_trie(rows in vec(row(), 0..ROWS), probes in vec((any::<usize>(), any::<u128>()), 1..20)) {
        let mut table = EamTable::<ROWS>::new();
        let mut model = Config::host((Ipv6Addr::UNSPECIFIED, 96), Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
        model.rows.clear();
        let (mut by_v4, mut by_v6) = (PrefixMap::new(), PrefixMap::new());
        for r in rows {
            let row = EamRow::new(r.v4, r.v4_len, r.v6, r.v6_len).expect("a legal row");
            if table.insert(row).is_ok() {
                model.rows.push(r);
                by_v4.insert((r.v4.to_bits(), r.v4_len), r);
                by_v6.insert((r.v6.to_bits(), r.v6_len), r);
            }
        }
        for (pick, noise) in probes {
            let (v4, v6) = near(&model.rows, pick, noise);
            prop_assert_eq!(table.to_v6(v4), model.row_to_v6(v4), "{}", v4);
            prop_assert_eq!(table.to_v4(v6), model.row_to_v4(v6), "{}", v6);
            let longest = by_v4.get_lpm(&(v4.to_bits(), 32)).map(|(_, r)| r.v6);
            let found = table.to_v6(v4).map(|a| a.to_bits());
            let masked = by_v4.get_lpm(&(v4.to_bits(), 32)).map(|(_, r)| mask(found.unwrap_or(0), r.v6_len));
            prop_assert_eq!(masked, longest.map(|a| a.to_bits()), "the trie's row, {}", v4);
            let covered = by_v6.get_lpm(&(v6.to_bits(), 128)).is_some();
            prop_assert_eq!(table.to_v4(v6).is_some(), covered, "{}", v6);
        }
    }

    /// RFC 7757 section 3.3: what one direction maps, the other maps back, unless a longer row hides it.
    #[test]
    fn a_single_row_maps_there_and_back(row in row(), noise in any::<u128>()) {
        let mut table = EamTable::<1>::new();
        table.insert(EamRow::new(row.v4, row.v4_len, row.v6, row.v6_len).expect("a legal row")).expect("room");
        let (v4, _) = near(&[row], 0, noise);
        let v6 = table.to_v6(v4);
        prop_assert_eq!(v6.and_then(|v6| table.to_v4(v6)), Some(v4));
    }
}

fn mask(addr: u128, len: u8) -> u128 {
    addr & u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
}
