//! What happened so far, as far as it is shown.

use crate::status::model::Transition;
use clat_engine::{Reason, State};
use std::collections::VecDeque;

/// So many changes of state are kept.
const TRANSITIONS: usize = 32;

/// So many warnings are kept.
const WARNINGS: usize = 16;

/// Changes of state and warnings, the oldest forgotten.
#[derive(Debug, Default)]
pub(crate) struct History {
    transitions: VecDeque<Transition>,
    warnings: VecDeque<String>,
}

impl History {
    /// Records a change of state at this moment.
    pub(crate) fn transition(&mut self, from: State, to: State, reason: Reason) {
        let transition = Transition {
            at: now_text(),
            from: from.as_str().to_owned(),
            to: to.as_str().to_owned(),
            reason: reason.as_str().to_owned(),
        };
        push(&mut self.transitions, TRANSITIONS, transition);
    }

    /// Records a warning. Returns whether it is a new one.
    pub(crate) fn warning(&mut self, text: &str) -> bool {
        let new = !self.warnings.iter().any(|w| w == text);
        if new {
            push(&mut self.warnings, WARNINGS, text.to_owned());
        }
        new
    }

    /// The changes of state, newest at the end.
    pub(crate) fn transitions(&self) -> Vec<Transition> {
        self.transitions.iter().cloned().collect()
    }

    /// The warnings, newest at the end.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.iter().cloned().collect()
    }
}

fn push<T>(ring: &mut VecDeque<T>, most: usize, item: T) {
    while ring.len() >= most {
        ring.pop_front();
    }
    ring.push_back(item);
}

/// This moment in RFC 3339, UTC, to the millisecond.
pub(crate) fn now_text() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_change_is_forgotten_and_no_warning_is_kept_twice() {
        let mut history = History::default();
        for _ in 0..TRANSITIONS {
            history.transition(State::Idle, State::Idle, Reason::Started);
        }
        history.transition(State::Claiming, State::Active, Reason::Ready);
        let kept = history.transitions();
        assert_eq!(kept.len(), TRANSITIONS);
        assert_eq!(kept[TRANSITIONS - 1].to, "active");
        assert!(history.warning("a") && !history.warning("a") && history.warning("b"));
        assert_eq!(history.warnings(), ["a", "b"]);
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let text = now_text();
        assert_eq!((text.len(), text.ends_with('Z')), (24, true), "{text}");
    }
}
