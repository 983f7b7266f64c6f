//! Does one thing N times, for a tool that counts instructions: `count CASE WAY N`.
//!
//! WAY is `restore` (only what the other ways need between two packets), `in_place` or `gather`.

use clat_benches::{Case, cases, translator};
use clat_core::{InPlace, QueueState, Verdict};
use std::hint::black_box;
use std::process::ExitCode;

/// Room before the packet, and bytes that a translation in place may change behind its start.
const HEADROOM: usize = 64;
const CHANGED: usize = 96;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, way, n] = args.as_slice() else { return usage() };
    let (Some(case), Ok(n)) = (cases().into_iter().find(|c| c.name == name), n.parse()) else {
        return usage();
    };
    match way.as_str() {
        "restore" => in_place(&case, n, false),
        "in_place" => in_place(&case, n, true),
        "gather" => gather(&case, n),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("count CASE restore|in_place|gather N");
    ExitCode::from(2)
}

fn in_place(case: &Case, n: usize, translate: bool) {
    let (translator, mut state) = (translator(), QueueState::new(1));
    // Long enough behind a short packet for one copy of fixed size.
    let end = HEADROOM + case.packet.len();
    let original = [&[0; HEADROOM][..], &case.packet, &[0; CHANGED]].concat();
    let mut buf = original.clone();
    let Some(saved) = original.first_chunk::<{ HEADROOM + CHANGED }>() else { return };
    for _ in 0..n {
        if let Some(front) = buf.first_chunk_mut::<{ HEADROOM + CHANGED }>() {
            *front = *saved;
        }
        black_box(&mut buf);
        if translate {
            match translator.in_place(&mut buf, HEADROOM..end, case.offload, &mut state) {
                InPlace::Forward(range, offload) => black_box((range, offload)),
                InPlace::Other(verdict) => unreachable!("{verdict:?}"),
            };
        }
    }
}

fn gather(case: &Case, n: usize) {
    let (translator, mut state) = (translator(), QueueState::new(1));
    for _ in 0..n {
        let verdict = translator.translate_offloaded(black_box(&case.packet), case.offload, &mut state);
        let Verdict::Forward(parts) = verdict else { unreachable!("{verdict:?}") };
        black_box((parts.head().len(), parts.tail().len(), parts.offload()));
    }
}
