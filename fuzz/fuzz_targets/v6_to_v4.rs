//! Arbitrary bytes as IPv6: nothing panics, nothing malformed leaves.
#![no_main]

use clat_core::Offload;
use clat_fuzz::{Case, did, judge_output, state};
use clat_model::mend::mend_v6;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(case) = Case::raw(data) else { return };
    let _ = did(case.translator().v6_to_v4(&case.packet, Offload::NONE, &mut state()));
    let Some(case) = Case::mended_by(data, mend_v6) else { return };
    let verdict = did(case.translator().v6_to_v4(&case.packet, Offload::NONE, &mut state()));
    judge_output(&case, &verdict);
});
