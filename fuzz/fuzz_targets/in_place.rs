//! In place and gathered are the same packet, whatever the room around it.
#![no_main]

use clat_core::{InPlace, Offload};
use clat_fuzz::{Case, did, state};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((room, data)) = data.split_first_chunk::<2>() else { return };
    let Some(case) = Case::mended(data) else { return };
    let gathered = did(case.translator().translate(&case.packet, &mut state()));
    let (before, behind) = (usize::from(room[0] & 127), usize::from(room[1] & 63));
    let mut buf = vec![0x5a; before];
    buf.extend(&case.packet);
    buf.extend(vec![0x5a; behind]);
    let original = buf.clone();
    let range = before..before + case.packet.len();
    match case.translator().in_place(&mut buf, range.clone(), Offload::NONE, &mut state()) {
        InPlace::Forward(at, _) => {
            assert_eq!(gathered.forwarded, [&buf[at.clone()]]);
            let outside = |i: &usize| !at.contains(i) && !range.contains(i);
            assert!((0..buf.len()).filter(outside).all(|i| buf[i] == 0x5a), "wrote outside");
        }
        InPlace::Other(verdict) => {
            assert_eq!(did(verdict), gathered);
            assert_eq!(buf, original);
        }
    }
});
