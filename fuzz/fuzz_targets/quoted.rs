//! The packet quoted in an ICMP error: the outer headers are always right, the quotation is not.
#![no_main]

use clat_fuzz::{Case, judge_output};
use clat_model::build::{REMOTE_V4, V4, V6};
use clat_model::mend::{mend_quoted_v4, mend_quoted_v6};
use clat_model::{Model, judge};
use libfuzzer_sys::fuzz_target;

const V4_KINDS: [(u8, u8); 8] = [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (11, 0), (12, 0), (3, 13)];
const V6_KINDS: [(u8, u8); 8] = [(1, 0), (1, 1), (1, 4), (2, 0), (3, 0), (4, 0), (4, 1), (3, 1)];

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, w0, w1, w2, w3], data)) = data.split_first_chunk::<5>() else { return };
    let v6 = kind & 8 != 0;
    let mend = if v6 { mend_quoted_v6 } else { mend_quoted_v4 };
    let Some(mut case) = Case::mended_by(data, mend) else { return };
    let (kinds, index) = (if v6 { V6_KINDS } else { V4_KINDS }, usize::from(kind & 7));
    let (icmp_type, code) = kinds[index];
    let code = if kind & 0x10 == 0 { code } else { kind >> 5 };
    let word = [w0, w1, w2, w3];
    case.packet = if v6 {
        let c = &case.config;
        V6::back().src(c.embed(REMOTE_V4)).dst(c.rows[0].v6).icmp(icmp_type, code, word, &case.packet)
    } else {
        V4::out().icmp(icmp_type, code, word, &case.packet)
    };
    let did = case.did();
    judge_output(&case, &did);
    let expected = Model::new(case.config.clone()).translate(&case.packet);
    if let Err(difference) = judge::agree(&case.packet, &expected, &did) {
        panic!("{:?}\n{difference}", case.config);
    }
});
