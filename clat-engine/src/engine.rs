//! The state machine.

use crate::{Action, Config, Input, Instant, Pref64Status, Status, Step, StepId};
use heapless::Deque;

/// The control plane of one CLAT.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    now: Instant,
    actions: Deque<Action, 64>,
}

impl Engine {
    /// An engine that knows nothing yet.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config, now: Instant::from_millis(0), actions: Deque::new() }
    }

    /// Takes what the shell sees at `now`. Call [`poll_action`](Self::poll_action) until it is empty afterwards.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        if let Input::Reconfigure(config) = input {
            self.config = *config;
        }
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_input`](Self::handle_input) with [`Input::Timer`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// What is shown of the engine.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            state: crate::State::Idle,
            reason: crate::Reason::Started,
            since: self.now,
            uplink: None,
            pref64: None,
            clat_v6: None,
            clat_v4: self.config.clat_v4,
            v6_mtu: 0,
            v4_mtu: 0,
            self_test: None,
            native_v4: false,
            other_clat: None,
            v6_only_wait_s: None,
        }
    }

    /// Every PREF64 that is known, best first.
    pub fn prefixes(&self) -> impl Iterator<Item = Pref64Status> + '_ {
        core::iter::empty()
    }

    /// The steps in force, in the order in which they were done.
    pub fn plan(&self) -> impl Iterator<Item = (StepId, Step)> + '_ {
        core::iter::empty()
    }
}
