//! What goes out and comes back is the packet that went out, two hops older.
#![no_main]

use clat_fuzz::Case;
use clat_model::mend::mend_v4;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(case) = Case::mended_by(data, mend_v4) else { return };
    let did = case.did();
    // Options and Fragment Headers are left out on the way; errors are cut to size.
    let [out] = did.forwarded.as_slice() else { return };
    if case.packet[0] != 0x45
        || case.packet[6] & 0x3f != 0
        || case.packet[7] != 0
        || case.config.tos.is_some()
    {
        return;
    }
    let is_error = case.packet[9] == 1 && !matches!(case.packet.get(20), Some(0 | 8));
    if is_error || out[7] < 2 || out[6] == 44 {
        return;
    }
    let mut turned = out.clone();
    let (front, back) = turned.split_at_mut(24);
    front[8..24].swap_with_slice(&mut back[..16]);
    let original = case.packet.clone();
    let returned = Case { packet: turned, ..case }.did();
    let [returned] = returned.forwarded.as_slice() else { return };
    let len = usize::from(u16::from_be_bytes([returned[2], returned[3]]));
    assert_eq!(returned.len(), len);
    assert_eq!((returned[1], returned[8]), (original[1], original[8] - 2));
    assert_eq!(returned[12..16], original[16..20]);
    assert_eq!(returned[16..20], original[12..16]);
    // A UDP checksum that was absent is computed, a code of an echo becomes zero.
    let changed = match returned[9] {
        17 if original.get(26..28) == Some(&[0, 0]) => 26..28,
        1 => 21..24,
        6 => 36..38,
        17 | 136 => 26..28,
        33 => 26..28,
        _ => 0..0,
    };
    for i in (20..len).filter(|i| !changed.contains(i)) {
        assert_eq!(returned[i], original[i], "byte {i}");
    }
    if let (Some(a), Some(b)) = (returned.get(changed.clone()), original.get(changed)) {
        let same = |a: &[u8], b: &[u8]| clat_model::residue(a) == clat_model::residue(b);
        assert!(same(a, b) || b == [0, 0] || returned[9] == 1, "checksum {b:02x?} became {a:02x?}");
    }
});
