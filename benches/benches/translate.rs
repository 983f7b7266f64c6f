//! Time a packet, by class and by way of output.

use clat_benches::{cases, translator};
use clat_core::{InPlace, Parts, QueueState, Verdict};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Room for what comes in before the packet.
const HEADROOM: usize = 64;

/// Every case is forwarded; a test of the library says so.
fn forwarded(verdict: Verdict<'_>) -> Parts<'_> {
    let Verdict::Forward(parts) = verdict else { unreachable!("{verdict:?}") };
    parts
}

fn gather(c: &mut Criterion) {
    let mut group = c.benchmark_group("gather");
    let (translator, mut state) = (translator(), QueueState::new(1));
    for case in cases() {
        group.throughput(Throughput::Bytes(case.packet.len() as u64));
        group.bench_function(case.name, |b| {
            b.iter(|| {
                let packet = black_box(&case.packet);
                forwarded(translator.translate_offloaded(packet, case.offload, &mut state)).len()
            });
        });
    }
}

fn copy(c: &mut Criterion) {
    let mut group = c.benchmark_group("copy");
    let (translator, mut state) = (translator(), QueueState::new(1));
    let mut out = vec![0; 65536];
    for case in cases() {
        group.throughput(Throughput::Bytes(case.packet.len() as u64));
        group.bench_function(case.name, |b| {
            b.iter(|| {
                let packet = black_box(&case.packet);
                forwarded(translator.translate_offloaded(packet, case.offload, &mut state)).copy_to(&mut out)
            });
        });
    }
}

fn in_place(c: &mut Criterion) {
    let mut group = c.benchmark_group("in_place");
    let (translator, mut state) = (translator(), QueueState::new(1));
    for case in cases() {
        group.throughput(Throughput::Bytes(case.packet.len() as u64));
        let buf = [&[0; HEADROOM][..], &case.packet].concat();
        group.bench_function(case.name, |b| {
            b.iter_batched_ref(
                || buf.clone(),
                |buf| {
                    let range = HEADROOM..buf.len();
                    matches!(translator.in_place(buf, range, case.offload, &mut state), InPlace::Forward(..))
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, gather, copy, in_place);
criterion_main!(benches);
