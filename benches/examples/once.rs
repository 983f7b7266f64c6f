//! Translates one case N times in place, to count instructions: `once CASE N`.
use clat_benches::{cases, translator};
use clat_core::QueueState;
use std::hint::black_box;

fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let n: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (translator, mut state) = (translator(), QueueState::new(1));
    let Some(case) = cases().into_iter().find(|c| c.name == name) else { return };
    let mut buf = [&[0; 64][..], &case.packet].concat();
    let head = buf.clone();
    let n0 = buf.len().min(160);
    for _ in 0..n {
        buf[..n0].copy_from_slice(&head[..n0]);
        let range = 64..buf.len();
        let _ = black_box(translator.in_place(black_box(&mut buf), range, case.offload, &mut state));
    }
}
