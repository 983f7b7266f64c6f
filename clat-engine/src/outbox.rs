//! The actions that wait for the shell, and the warnings that were said.

use crate::{Action, Warning};
use heapless::{Deque, Vec};

/// Room for the actions of one input.
const ROOM: usize = 64;
/// Room that only changes of state and steps may use.
const RESERVE: usize = 24;

/// The actions that wait for the shell.
#[derive(Debug)]
pub(crate) struct Outbox {
    actions: Deque<Action, ROOM>,
    said: Vec<Warning, 16>,
}

impl Outbox {
    pub(crate) const fn new() -> Self {
        Self { actions: Deque::new(), said: Vec::new() }
    }

    pub(crate) fn pop(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A change of state or a step: few an input, there is room.
    pub(crate) fn push(&mut self, action: Action) {
        let fitted = self.actions.push_back(action).is_ok();
        debug_assert!(fitted, "the shell does not poll the actions");
    }

    /// A message: dropped where the shell is behind, like one lost on the way.
    pub(crate) fn send(&mut self, action: Action) {
        if self.actions.len() < ROOM - RESERVE {
            self.push(action);
        }
    }

    /// A warning, once.
    pub(crate) fn warn(&mut self, warning: Warning) {
        if !self.said.contains(&warning) {
            self.said.push(warning).ok();
            self.send(Action::Warn(warning));
        }
    }

    /// What was warned of is over.
    pub(crate) fn forget_warnings(&mut self) {
        self.said.clear();
    }
}
