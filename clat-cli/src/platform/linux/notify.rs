//! Word to systemd: ready, how it goes, alive.

use crate::platform::Notice;
use sd_notify::NotifyState;
use std::time::{Duration, Instant};
use tracing::debug;

/// The line to the service manager. Without one, everything here does nothing.
#[derive(Debug)]
pub(super) struct Notifier {
    /// How often a sign of life is due; half of what systemd waits for.
    interval: Option<Duration>,
    last: Instant,
}

impl Notifier {
    /// As the environment says.
    pub(super) fn from_environment() -> Self {
        Self { interval: sd_notify::watchdog_enabled().map(|limit| limit / 2), last: Instant::now() }
    }

    /// The control loop comes around at least this often.
    pub(super) const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// The control loop came around.
    pub(super) fn alive(&mut self) {
        if self.interval.is_some_and(|interval| self.last.elapsed() * 2 >= interval) {
            self.last = Instant::now();
            send(&[NotifyState::Watchdog]);
        }
    }

    /// Passes a notice on.
    pub(super) fn notify(&self, notice: Notice<'_>) {
        match notice {
            Notice::Ready => send(&[NotifyState::Ready]),
            Notice::Status(text) => send(&[NotifyState::Status(text)]),
            Notice::Reloading => match NotifyState::monotonic_usec_now() {
                Ok(now) => send(&[NotifyState::Reloading, now]),
                Err(_) => send(&[NotifyState::Reloading]),
            },
            Notice::Stopping => send(&[NotifyState::Stopping]),
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        debug!("service manager: {e}");
    }
}
