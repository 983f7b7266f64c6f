//! Time a packet: a group a packet, in it a line for each way of output, the floor, and the crate interproto.
//!
//! In place means: the front of the packet is put back before each translation, which costs about 2 ns.

#[path = "../peer.rs"]
mod peer;

use clat_benches::{Case, HEADROOM, cases, floor, tables, translator};
use clat_core::{AddressMap, InPlace, Parts, QueueState, Translator, Verdict};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use peer::interproto;
use std::hint::black_box;
use std::time::Duration;

/// Bytes that a translation in place may change, from the start of the headroom.
const CHANGED: usize = HEADROOM + 96;

/// Every case is forwarded; a test of the library says so.
fn forwarded(verdict: Verdict<'_>) -> Parts<'_> {
    let Verdict::Forward(parts) = verdict else { unreachable!("{verdict:?}") };
    parts
}

fn translate(c: &mut Criterion) {
    let host = translator();
    for case in cases() {
        let mut group = c.benchmark_group(case.name);
        ours(&mut group, &host, &case);
        if case.has_floor() {
            floors(&mut group, &case);
        }
        if interproto(&case).is_some() {
            group.bench_function("interproto", |b| b.iter(|| interproto(black_box(&case))));
        }
    }
    for (translator, cases) in tables() {
        for case in cases {
            ours(&mut c.benchmark_group(case.name), &translator, &case);
        }
    }
}

fn ours<M: AddressMap>(group: &mut BenchmarkGroup<'_, WallTime>, translator: &Translator<M>, case: &Case) {
    let mut state = QueueState::new(1);
    group.throughput(Throughput::Bytes(case.packet.len() as u64));
    group.bench_function("gather", |b| {
        b.iter(|| {
            let packet = black_box(&case.packet);
            let parts = forwarded(translator.translate_offloaded(packet, case.offload, &mut state));
            black_box((parts.head(), parts.tail(), parts.offload()));
        });
    });
    let mut out = vec![0; 1 << 16];
    group.bench_function("copy", |b| {
        b.iter(|| {
            let packet = black_box(&case.packet);
            forwarded(translator.translate_offloaded(packet, case.offload, &mut state)).copy_to(&mut out)
        });
    });
    let mut buffer = Buffer::new(case);
    group.bench_function("in_place", |b| {
        b.iter(|| {
            let buf = buffer.restored();
            let range = HEADROOM..HEADROOM + case.packet.len();
            matches!(translator.in_place(buf, range, case.offload, &mut state), InPlace::Forward(..))
        });
    });
}

fn floors(group: &mut BenchmarkGroup<'_, WallTime>, case: &Case) {
    let (mut floor, mut buffer) = (floor(), Buffer::new(case));
    group.bench_function("floor_in_place", |b| {
        b.iter(|| case.floor(&mut floor, buffer.restored()));
    });
    let mut out = vec![0; HEADROOM + case.packet.len()];
    group.bench_function("floor_copy", |b| {
        b.iter(|| {
            out[HEADROOM..].copy_from_slice(black_box(&case.packet));
            case.floor(&mut floor, &mut out);
        });
    });
}

/// A packet behind its headroom that can be had again and again.
struct Buffer {
    bytes: Vec<u8>,
    front: [u8; CHANGED],
}

impl Buffer {
    fn new(case: &Case) -> Self {
        // Long enough behind a short packet for one copy of fixed size.
        let bytes = [&[0; HEADROOM][..], &case.packet, &[0; CHANGED]].concat();
        let front = *bytes.first_chunk().expect("a packet");
        Self { bytes, front }
    }

    fn restored(&mut self) -> &mut [u8] {
        if let Some(front) = self.bytes.first_chunk_mut() {
            *front = self.front;
        }
        black_box(&mut self.bytes)
    }
}

criterion_group! {
    name = benches;
    // About 150 lines in less than five minutes.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(50)
        .nresamples(10_000);
    targets = translate
}
criterion_main!(benches);
