//! The host as the steps change it, and what must hold of it at every moment.

use clat_engine::{AddressRole, IfIndex, Iface, State, Step, StepId};
use std::net::{IpAddr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq)]
enum InHand {
    Apply(StepId, Step),
    Undo(StepId),
}

/// The steps in force on the host and the state as it was told.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) in_force: Vec<(StepId, Step)>,
    in_hand: Option<InHand>,
    translating: bool,
    /// Steps that could not be undone.
    pub(crate) left: Vec<Step>,
    state: State,
    pub(crate) activations: usize,
}

/// The address and link of a claim.
pub(crate) fn claim(step: &Step) -> Option<(IfIndex, Ipv6Addr)> {
    if let Step::AddAddress { iface: Iface::Index(i), addr: IpAddr::V6(addr), role, .. } = *step {
        return (role == AddressRole::Claim).then_some((i, addr));
    }
    None
}

impl Host {
    pub(crate) fn has_default_route(&self) -> bool {
        self.in_force.iter().any(|(_, step)| step.is_default_route())
    }

    pub(crate) fn has_claim(&self, addr: Ipv6Addr) -> bool {
        self.in_force.iter().any(|(_, step)| claim(step).is_some_and(|c| c.1 == addr))
    }

    pub(crate) fn begin_apply(&mut self, id: StepId, step: Step) {
        assert_eq!(self.in_hand, None, "one step at a time");
        assert!(!self.in_force.iter().any(|(_, s)| *s == step), "done twice: {step}");
        assert!(self.in_force.iter().all(|(old, _)| *old < id), "a number used twice");
        if step == Step::OpenDevice {
            assert!(self.in_force.is_empty(), "the device is opened first: never two CLATs");
        } else if step.iface() == Iface::Device {
            assert!(self.in_force.iter().any(|(_, s)| *s == Step::OpenDevice), "no device for {step}");
        }
        if step.is_default_route() {
            assert!(self.translating, "the route comes after the translator");
        }
        self.in_hand = Some(InHand::Apply(id, step));
    }

    pub(crate) fn begin_undo(&mut self, id: StepId, step: Step) {
        assert_eq!(self.in_hand, None, "one step at a time");
        assert_eq!(self.in_force.last(), Some(&(id, step)), "undone in reverse");
        self.in_hand = Some(InHand::Undo(id));
    }

    pub(crate) fn complete(&mut self, id: StepId) {
        match self.in_hand.take() {
            Some(InHand::Apply(pending, step)) if pending == id => self.in_force.push((id, step)),
            Some(InHand::Undo(pending)) if pending == id => drop(self.in_force.pop()),
            other => panic!("{id:?} is not in hand: {other:?}"),
        }
    }

    /// The step in hand failed: an undo that fails for good is the journal's from then on.
    pub(crate) fn refuse(&mut self, _id: StepId) {
        self.in_hand = None;
    }

    /// The engine leaves the last step to the journal.
    pub(crate) fn leave_last(&mut self, step: Step) {
        assert_eq!(self.in_force.pop().map(|(_, step)| step), Some(step));
        self.left.push(step);
    }

    pub(crate) fn activate(&mut self) {
        self.translating = true;
        self.activations += 1;
    }

    pub(crate) fn deactivate(&mut self) {
        assert!(self.translating, "stopped twice");
        assert!(!self.has_default_route(), "the route outlives the translator");
        self.translating = false;
    }

    pub(crate) fn transition(&mut self, from: State, to: State) {
        assert_eq!(self.state, from, "transitions join");
        let route_in_hand = matches!(self.in_hand, Some(InHand::Apply(_, step)) if step.is_default_route());
        if to != State::Active {
            assert!(!self.has_default_route() && !route_in_hand, "{from} -> {to} with the route in force");
        } else {
            assert!(self.translating, "active without translator");
        }
        self.state = to;
    }

    pub(crate) fn finish(&self) {
        assert_eq!(self.in_hand, None);
        assert!(self.in_force.is_empty(), "left behind: {:?}", self.in_force);
        assert!(!self.translating);
        assert_eq!(self.state, State::Idle);
    }
}
