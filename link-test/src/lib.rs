//! Calls every public function of the no_std crates with values that the compiler cannot know.
//!
//! Left out: text. `FromStr` and `Display` go through the address parser and the formatter of the core
//! library, which contain panics that the linker sees; packets never come near them.

#![no_std]

mod engine;

use clat_core::{
    AddressMap, ClatMap, DropReason, EamRow, EamTable, InPlace, NativeSource, Offload, Parts, Policy, Pref64,
    QueueState, RaPref64, RateLimit, Role, Translator, Verdict,
};
use core::hint::black_box;
use core::net::{Ipv4Addr, Ipv6Addr};

/// A panic in what is tested leaves a call of this handler, and with it this symbol, in the library.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn clat_link_test_panic_is_reachable() -> !;
    }
    // SAFETY: never linked: the symbol exists only to be looked for.
    unsafe { clat_link_test_panic_is_reachable() }
}

fn any<T>(value: T) -> T {
    black_box(value)
}

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

/// # Safety
/// `data` points to `len` bytes, `out` to `out_len` others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clat_core_everything(data: *mut u8, len: usize, out: *mut u8, out_len: usize) {
    // SAFETY: as the caller promises.
    let (data, out) = unsafe {
        (core::slice::from_raw_parts_mut(data, len), core::slice::from_raw_parts_mut(out, out_len))
    };
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
