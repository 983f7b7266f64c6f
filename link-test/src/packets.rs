//! `clat-core`.

use crate::any;
use clat_core::{
    AddressMap, ClatMap, DropReason, EamRow, EamTable, InPlace, NativeSource, Offload, Parts, Policy, Pref64,
    QueueState, RaPref64, RateLimit, Role, Translator, Verdict,
};
use core::hint::black_box;
use core::net::{Ipv4Addr, Ipv6Addr};

fn parts(parts: &Parts<'_>, out: &mut [u8]) {
    black_box((parts.head(), parts.tail(), parts.slices(), parts.len(), parts.offload()));
    black_box(parts.copy_to(out));
}

fn verdict(verdict: Verdict<'_>, out: &mut [u8]) {
    match verdict {
        Verdict::Forward(p) | Verdict::Reply(p, _) => parts(&p, out),
        Verdict::Fragment(pieces) => pieces.for_each(|p| parts(&p, out)),
        Verdict::Drop(reason) => {
            black_box((reason.as_str(), reason.section(), reason.describe()));
        }
        Verdict::Segment => {}
    }
}

pub(crate) fn everything(data: &mut [u8], out: &mut [u8]) {
    let pref64 = Pref64::new(any(Ipv6Addr::LOCALHOST), any(96)).unwrap_or(Pref64::WELL_KNOWN);
    black_box((pref64.contains(any(Ipv6Addr::LOCALHOST)), pref64.is_well_known()));
    black_box((pref64.embed(any(Ipv4Addr::LOCALHOST)), pref64.extract(any(Ipv6Addr::LOCALHOST))));
    black_box(RaPref64::parse(data).map(|o| o.emit()));

    let mut table = EamTable::<4>::new();
    for _ in 0..any(3) {
        if let Ok(row) = EamRow::new(any(Ipv4Addr::LOCALHOST), any(8), any(Ipv6Addr::LOCALHOST), any(64)) {
            let _ = black_box(table.insert(row));
        }
    }
    let mut map = ClatMap::from_parts(pref64, table);
    let _ = map.insert(EamRow::host(any(Ipv4Addr::LOCALHOST), any(Ipv6Addr::LOCALHOST)));
    black_box(map.to_v6(any(Ipv4Addr::LOCALHOST), any(Role::Plat)));
    black_box(map.to_v4(any(Ipv6Addr::LOCALHOST), any(Role::Local)));

    let mut policy = Policy::new();
    policy.v6_mtu = any(1500);
    policy.v4_mtu = any(1500);
    policy.native_source = any(NativeSource::Drop);
    let limit = RateLimit { per_second: any(1), burst: any(1) };
    let mut state = QueueState::with_limit(any(1), Some(limit));
    state.tick(any(1));
    black_box((state.errors_suppressed(), DropReason::ALL.len()));

    let translator = Translator::new(map, policy);
    verdict(translator.translate(data, &mut state), out);
    verdict(translator.translate_offloaded(data, any(Offload::NONE), &mut state), out);
    verdict(translator.v4_to_v6(data, any(Offload::NONE), &mut state), out);
    verdict(translator.v6_to_v4(data, any(Offload::NONE), &mut state), out);
    match translator.in_place(data, any(40..100), any(Offload::NONE), &mut state) {
        InPlace::Forward(range, offload) => {
            black_box((range, offload));
        }
        InPlace::Other(other) => verdict(other, out),
    }
}
