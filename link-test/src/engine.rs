//! The control plane: everything but its words for people.

use clat_engine::{Action, Config, Engine, Input, Instant, ethernet};
use core::hint::black_box;

/// One round of the shell's loop.
#[unsafe(no_mangle)]
pub extern "C" fn clat_engine_everything(engine: &mut Engine, now_ms: u64, input: &Input<'_>) {
    engine.handle_input(Instant::from_millis(now_ms), *input);
    while let Some(action) = engine.poll_action() {
        black_box(&action);
    }
    black_box((engine.poll_timeout(), engine.state(), engine.status()));
    engine.prefixes().for_each(|prefix| {
        black_box(prefix);
    });
    engine.plan().for_each(|step| {
        black_box(step);
    });
}

/// A new engine.
#[unsafe(no_mangle)]
pub extern "C" fn clat_engine_new(config: &Config, engine: &mut Engine) {
    *engine = Engine::new(*config);
}

/// What shells that speak frames do with messages.
#[unsafe(no_mangle)]
pub extern "C" fn clat_engine_frames(frame: &&[u8], action: &Action) {
    if let Some(frame) = ethernet::parse(frame) {
        let heard = frame.icmpv6(7);
        black_box((heard, heard.is_some_and(|heard| heard.is_router_advertisement())));
    }
    black_box(ethernet::vlan(frame));
    if let Action::SendIcmpv6(out) = action {
        let to = out.link_layer().unwrap_or_default();
        black_box((ethernet::group(out.destination), ethernet::header(to, to), out.packet()));
    }
}
