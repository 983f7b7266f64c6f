//! Does one thing N times, for a tool that counts instructions: `count CASE WAY N`.
//!
//! WAY is `in_place`, `gather`, `floor` (in place), `interproto`, `wintun` (the whole loop of the Windows program,
//! without the driver), or `restore`: only what the ways in place need between two packets. Without arguments it prints the cases and their ways.

#[path = "../peer.rs"]
mod peer;
#[path = "../wintun.rs"]
mod wintun;

use clat_benches::{Case, HEADROOM, cases, floor, tables, translator};
use clat_core::{AddressMap, InPlace, Offload, QueueState, Translator, Verdict};
use peer::interproto;
use std::hint::black_box;
use std::process::ExitCode;

/// Bytes behind the start of a packet that a translation in place may change.
const CHANGED: usize = 96;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, way, n] = args.as_slice() else { return list() };
    let Ok(n) = n.parse() else { return usage() };
    if let Some(case) = cases().iter().find(|case| case.name == name) {
        return count(&translator(), case, way, n);
    }
    for (translator, cases) in tables() {
        if let Some(case) = cases.iter().find(|case| case.name == name) {
            return count(&*translator, case, way, n);
        }
    }
    usage()
}

fn list() -> ExitCode {
    for case in cases().iter().chain(tables().flat_map(|(_, cases)| cases).collect::<Vec<_>>().iter()) {
        let floor = if case.has_floor() { " floor" } else { "" };
        let peer = if interproto(case).is_some() { " interproto" } else { "" };
        let wintun = if case.has_floor() && case.offload == Offload::NONE { " wintun" } else { "" };
        println!("{} in_place gather{wintun}{floor}{peer}", case.name);
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("count CASE restore|in_place|gather|wintun|floor|interproto N");
    ExitCode::from(2)
}

fn count<M: AddressMap>(translator: &Translator<M>, case: &Case, way: &str, n: u64) -> ExitCode {
    match way {
        "restore" => restoring(case, n, |buf| {
            black_box(buf);
        }),
        "in_place" => in_place(translator, case, n),
        "gather" => gather(translator, case, n),
        "floor" => {
            let mut floor = floor();
            restoring(case, n, |buf| case.floor(&mut floor, buf));
        }
        "interproto" => (0..n).for_each(|_| {
            black_box(interproto(black_box(case)));
        }),
        "wintun" => wintun::run(case, n),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn in_place<M: AddressMap>(translator: &Translator<M>, case: &Case, n: u64) {
    let mut state = QueueState::new(1);
    let range = HEADROOM..HEADROOM + case.packet.len();
    restoring(case, n, |buf| {
        match translator.in_place(buf, range.clone(), case.offload, &mut state) {
            InPlace::Forward(range, offload) => black_box((range, offload)),
            InPlace::Other(verdict) => unreachable!("{verdict:?}"),
        };
    });
}

/// Calls `f` with the packet behind its headroom, as it was each time.
fn restoring(case: &Case, n: u64, mut f: impl FnMut(&mut [u8])) {
    // Long enough behind a short packet for one copy of fixed size.
    let original = [&[0; HEADROOM][..], &case.packet, &[0; CHANGED]].concat();
    let mut buf = original.clone();
    let Some(saved) = original.first_chunk::<{ HEADROOM + CHANGED }>() else { return };
    for _ in 0..n {
        if let Some(front) = buf.first_chunk_mut::<{ HEADROOM + CHANGED }>() {
            *front = *saved;
        }
        f(black_box(&mut buf));
    }
}

fn gather<M: AddressMap>(translator: &Translator<M>, case: &Case, n: u64) {
    let mut state = QueueState::new(1);
    for _ in 0..n {
        let verdict = translator.translate_offloaded(black_box(&case.packet), case.offload, &mut state);
        let Verdict::Forward(parts) = &verdict else { unreachable!("{verdict:?}") };
        black_box((parts.head(), parts.tail(), parts.offload()));
    }
}
