//! Arbitrary bytes as IPv4: nothing panics, lengths agree. Lean, for many executions.
#![no_main]

use clat_core::Offload;
use clat_fuzz::{CONTROL, drain, prepared, state};
use clat_model::mend::{Leave, mend_v4};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((control, packet)) = data.split_first_chunk::<CONTROL>() else { return };
    let (translator, ends) = prepared(control[0], control[1]);
    drain(translator.v4_to_v6(packet, Offload::NONE, &mut state()));
    let mut mended = [0; 2048];
    let len = packet.len().min(mended.len());
    let mended = &mut mended[..len];
    mended.copy_from_slice(&packet[..len]);
    mend_v4(mended, Leave(control[2]), *ends);
    drain(translator.v4_to_v6(mended, Offload::NONE, &mut state()));
});
