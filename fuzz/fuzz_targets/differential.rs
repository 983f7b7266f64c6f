//! The model and the core agree.
#![no_main]

use clat_fuzz::{Case, judge_output};
use clat_model::{Model, judge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for case in [Case::raw(data), Case::mended(data)].into_iter().flatten() {
        let did = case.did();
        judge_output(&case, &did);
        let expected = Model::new(case.config.clone()).translate(&case.packet);
        if let Err(difference) = judge::agree(&case.packet, &expected, &did) {
            panic!("{:?}\n{difference}", case.config);
        }
    }
});
