//! The plan: which steps the host should have, which it has, and the next one between the two.
//!
//! The wanted steps are a list in order. Where it differs from the steps in force, what lies behind the
//! common beginning is undone, last first, and the rest of the wanted list is done. So the order of the
//! list decides what a change costs: the device and its IPv4 address come first and stay, the IPv4 default
//! route comes last and is withdrawn before anything else is touched.

use crate::{
    Action, AddressRole, IfIndex, Iface, Instant, ReturnPath, Step, StepError, StepErrorKind, StepId, Warning,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use heapless::Vec;

/// More than the longest plan.
const STEPS: usize = 16;
/// How often a step is tried that may work later.
const TRIES: u8 = 5;
/// The pause before the second try; doubled.
const PAUSE: Duration = Duration::from_millis(250);

/// A list of wanted steps.
pub(crate) type Steps = Vec<Step, STEPS>;

/// What the plan is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blueprint {
    pub(crate) return_path: ReturnPath,
    pub(crate) uplink: IfIndex,
    /// Whether neighbours on the link have to find the CLAT address.
    pub(crate) on_link: bool,
    pub(crate) clat_v4: Ipv4Addr,
    pub(crate) clat_v6: Ipv6Addr,
    pub(crate) v4_mtu: u32,
    pub(crate) v6_mtu: u32,
    pub(crate) v4_metric: u32,
    pub(crate) mss: u32,
}

impl Blueprint {
    /// What does not depend on the CLAT's IPv6 address.
    fn base(&self) -> Steps {
        let uplink = Iface::Index(self.uplink);
        let mut steps = Steps::new();
        let addr = IpAddr::V4(self.clat_v4);
        let host = Step::AddAddress { iface: Iface::Device, addr, prefix_len: 32, role: AddressRole::Host };
        add(&mut steps, &[Step::OpenDevice, Step::SetLinkUp { iface: Iface::Device }, host]);
        if self.return_path != ReturnPath::Frames {
            add(
                &mut steps,
                &[Step::SetForwarding { iface: Iface::Device }, Step::SetForwarding { iface: uplink }],
            );
        }
        if self.return_path == ReturnPath::Announce && self.on_link {
            add(&mut steps, &[Step::AllowNeighbourDiscovery { iface: uplink }]);
        }
        steps
    }

    /// Duplicate address detection by the operating system: the address is put on the uplink.
    pub(crate) fn claim(&self) -> Steps {
        let mut steps = self.base();
        if self.claims_by_system() {
            let addr = IpAddr::V6(self.clat_v6);
            let iface = Iface::Index(self.uplink);
            add(&mut steps, &[Step::AddAddress { iface, addr, prefix_len: 128, role: AddressRole::Claim }]);
        }
        steps
    }

    /// Whether the operating system does the duplicate address detection.
    pub(crate) fn claims_by_system(&self) -> bool {
        self.on_link && self.return_path != ReturnPath::Frames
    }

    /// Everything but the IPv4 default route: what is kept while translation is interrupted.
    pub(crate) fn without_route(&self) -> Steps {
        let mut steps = self.base();
        let uplink = Iface::Index(self.uplink);
        if self.return_path != ReturnPath::Frames {
            add(&mut steps, &[self.route(IpAddr::V6(self.clat_v6), 128, 0, 0, 0)]);
        }
        if self.on_link {
            let group = crate::wire::icmp6::solicited_node(self.clat_v6);
            match self.return_path {
                ReturnPath::Proxy => {
                    add(&mut steps, &[Step::ProxyNeighbour { iface: uplink, addr: self.clat_v6 }]);
                }
                ReturnPath::Announce => add(&mut steps, &[Step::JoinGroup { iface: uplink, group }]),
                ReturnPath::Frames => {}
            }
        }
        add(&mut steps, &[Step::SetMtu { iface: Iface::Device, v4: self.v4_mtu, v6: self.v6_mtu }]);
        steps
    }

    /// Everything.
    pub(crate) fn full(&self) -> Steps {
        let mut steps = self.without_route();
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        add(&mut steps, &[self.route(any, 0, self.v4_metric, self.v4_mtu, self.mss)]);
        steps
    }

    fn route(&self, dest: IpAddr, prefix_len: u8, metric: u32, mtu: u32, mss: u32) -> Step {
        Step::AddRoute { iface: Iface::Device, dest, prefix_len, metric, mtu, mss }
    }
}

fn add(steps: &mut Steps, more: &[Step]) {
    let fitted = steps.extend_from_slice(more).is_ok();
    debug_assert!(fitted, "a plan is longer than {STEPS} steps");
}

/// A step that was done, or that is done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    id: StepId,
    step: Step,
    skipped: bool,
    /// The host does not have it any more.
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Apply(StepId, Step),
    Undo(StepId, Step),
}

/// What a failure means for the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing: it is tried again, or it was no step of ours.
    None,
    /// The plan goes on without the step.
    Skipped(Warning),
    /// The plan cannot be carried out.
    Fatal(Step, StepError),
    /// A step could not be undone and is left to the shell's journal.
    Left(Warning),
}

/// The steps in force and the one in hand.
#[derive(Debug)]
pub(crate) struct Plan {
    done: Vec<Done, STEPS>,
    pending: Option<Pending>,
    tries: u8,
    not_before: Option<Instant>,
    next_id: u32,
}

impl Plan {
    pub(crate) const fn new() -> Self {
        Self { done: Vec::new(), pending: None, tries: 0, not_before: None, next_id: 1 }
    }

    /// The steps in force.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (StepId, Step)> {
        self.done.iter().filter(|d| !d.skipped).map(|d| (d.id, d.step))
    }

    /// The address that duplicate address detection is run for, on the uplink for as long.
    pub(crate) fn claimed(&self) -> Option<Ipv6Addr> {
        self.iter().find_map(|(_, step)| {
            let Step::AddAddress { addr: IpAddr::V6(addr), role: AddressRole::Claim, .. } = step else {
                return None;
            };
            Some(addr)
        })
    }

    /// Whether nothing is in force or in hand.
    pub(crate) fn is_empty(&self) -> bool {
        self.done.is_empty() && self.pending.is_none()
    }

    /// Whether the host has exactly these steps.
    pub(crate) fn is_settled(&self, wanted: &[Step]) -> bool {
        self.pending.is_none() && self.done.len() == wanted.len() && self.common(wanted) == wanted.len()
    }

    /// Whether the IPv4 default route is, may be, or is about to be in force.
    pub(crate) fn has_default_route(&self) -> bool {
        let applying = matches!(self.pending, Some(Pending::Apply(_, step)) if step.is_default_route());
        applying || self.done.iter().any(|d| d.step.is_default_route() && !d.skipped)
    }

    fn common(&self, wanted: &[Step]) -> usize {
        self.done.iter().zip(wanted).take_while(|(done, wanted)| !done.lost && done.step == **wanted).count()
    }

    /// Takes note that the host lost a step, and says which. It is done again, and so is what was done after it.
    pub(crate) fn lose(&mut self, id: StepId) -> Option<Step> {
        let found = self.done.iter_mut().find(|done| done.id == id && !done.skipped && !done.lost)?;
        found.lost = true;
        Some(found.step)
    }

    /// How many steps there are before the first that was lost.
    pub(crate) fn intact(&self) -> usize {
        self.done.iter().take_while(|done| !done.lost).count()
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.not_before
    }

    /// The next step towards the wanted ones; one at a time.
    pub(crate) fn poll(&mut self, now: Instant, wanted: &[Step]) -> Option<Action> {
        if self.pending.is_some() {
            return None;
        }
        let common = self.common(wanted);
        // A skipped step was never done: nothing to undo.
        while self.done.len() > common && self.done.last().is_some_and(|d| d.skipped) {
            self.done.pop();
        }
        let undo = self.done.last().filter(|_| self.done.len() > common).copied();
        let next = undo.map(|d| Pending::Undo(d.id, d.step)).or_else(|| {
            let step = *wanted.get(common)?;
            Some(Pending::Apply(StepId(self.next_id), step))
        });
        let Some(next) = next else {
            self.not_before = None;
            return None;
        };
        if self.not_before.is_some_and(|at| at > now) {
            return None;
        }
        self.not_before = None;
        self.pending = Some(next);
        Some(match next {
            Pending::Apply(id, step) => {
                self.next_id = self.next_id.wrapping_add(1);
                Action::Apply(id, step)
            }
            Pending::Undo(id, step) => Action::Undo(id, step),
        })
    }

    /// The shell did it.
    pub(crate) fn done(&mut self, id: StepId) {
        match self.pending {
            Some(Pending::Apply(pending, step)) if pending == id => {
                self.done.push(Done { id, step, skipped: false, lost: false }).ok();
            }
            Some(Pending::Undo(pending, _)) if pending == id => {
                self.done.pop();
            }
            _ => return,
        }
        (self.pending, self.tries) = (None, 0);
    }

    /// The shell could not do it.
    pub(crate) fn failed(&mut self, now: Instant, id: StepId, error: StepError) -> Failure {
        match self.pending {
            Some(Pending::Apply(pending, step)) if pending == id => {
                self.pending = None;
                self.apply_failed(now, id, step, error)
            }
            Some(Pending::Undo(pending, step)) if pending == id => {
                self.pending = None;
                self.undo_failed(now, step, error)
            }
            _ => Failure::None,
        }
    }

    fn apply_failed(&mut self, now: Instant, id: StepId, step: Step, error: StepError) -> Failure {
        if error.kind == StepErrorKind::Transient && self.again(now) {
            return Failure::None;
        }
        self.tries = 0;
        if is_optional(&step, error.kind) {
            self.done.push(Done { id, step, skipped: true, lost: false }).ok();
            return Failure::Skipped(Warning::StepFailed(step, error));
        }
        Failure::Fatal(step, error)
    }

    fn undo_failed(&mut self, now: Instant, step: Step, error: StepError) -> Failure {
        if error.kind == StepErrorKind::Transient && self.again(now) {
            return Failure::None;
        }
        self.tries = 0;
        self.done.pop();
        Failure::Left(Warning::UndoFailed(step, error))
    }

    /// Whether it is tried again, after a pause.
    fn again(&mut self, now: Instant) -> bool {
        self.tries += 1;
        self.not_before =
            (self.tries < TRIES).then(|| now + PAUSE.saturating_mul(1 << (self.tries - 1).min(8)));
        self.not_before.is_some()
    }
}

/// Whether the plan can go on without the step.
const fn is_optional(step: &Step, kind: StepErrorKind) -> bool {
    // Answering and hearing better is an improvement, not a condition.
    let improves =
        matches!(step, Step::AllowNeighbourDiscovery { .. } | Step::JoinGroup { .. } | Step::SetMtu { .. });
    // A conflict is a proxy entry or a setting that is there already.
    let may_be_there = matches!(step, Step::ProxyNeighbour { .. } | Step::SetForwarding { .. })
        && matches!(kind, StepErrorKind::Unsupported | StepErrorKind::Conflict);
    improves || may_be_there
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    pub(crate) fn blueprint(return_path: ReturnPath) -> Blueprint {
        Blueprint {
            return_path,
            uplink: 2,
            on_link: true,
            clat_v4: Ipv4Addr::new(192, 0, 0, 1),
            clat_v6: "2001:db8::9".parse().unwrap(),
            v4_mtu: 1472,
            v6_mtu: 1500,
            v4_metric: 1_000_000,
            mss: 0,
        }
    }

    /// Drives the plan to the wanted steps with a shell that always succeeds; one line an action.
    fn settle(plan: &mut Plan, wanted: &[Step]) -> std::vec::Vec<String> {
        let mut lines = std::vec::Vec::new();
        while let Some(action) = plan.poll(Instant::default(), wanted) {
            let (sign, id, step) = if let Action::Apply(id, step) = action {
                ('+', id, step)
            } else if let Action::Undo(id, step) = action {
                ('-', id, step)
            } else {
                panic!("{action:?}");
            };
            lines.push(std::format!("{sign} {step}"));
            plan.done(id);
        }
        assert!(plan.is_settled(wanted));
        lines
    }

    #[test]
    fn routed_plan_with_proxy() {
        let mut plan = Plan::new();
        assert_eq!(
            settle(&mut plan, &blueprint(ReturnPath::Proxy).full()),
            [
                "+ open-device",
                "+ set-link-up dev device",
                "+ add-address dev device addr 192.0.0.1/32 role host",
                "+ set-forwarding dev device",
                "+ set-forwarding dev 2",
                "+ add-route dev device dest 2001:db8::9/128 metric 0 mtu 0 mss 0",
                "+ proxy-neighbour dev 2 addr 2001:db8::9",
                "+ set-mtu dev device v4 1472 v6 1500",
                "+ add-route dev device dest 0.0.0.0/0 metric 1000000 mtu 1472 mss 0",
            ]
        );
        let undone = settle(&mut plan, &[]);
        assert_eq!(undone.first().map(|l| l.contains("0.0.0.0/0")), Some(true), "the route goes first");
        assert_eq!(undone.last().map(String::as_str), Some("- open-device"));
        assert_eq!(undone.len(), 9);
        assert!(plan.is_empty());
    }

    #[test]
    fn raw_frames_touch_nothing_but_our_device() {
        let steps = blueprint(ReturnPath::Frames).full();
        assert!(steps.iter().all(|s| s.iface() == Iface::Device));
        assert!(!steps.iter().any(|s| matches!(s, Step::SetForwarding { .. })));
    }

    #[test]
    fn claim_and_set_up_share_their_beginning() {
        for return_path in [ReturnPath::Proxy, ReturnPath::Announce] {
            let mut plan = Plan::new();
            settle(&mut plan, &blueprint(return_path).claim());
            let lines = settle(&mut plan, &blueprint(return_path).full());
            assert_eq!(lines[0], "- add-address dev 2 addr 2001:db8::9/128 role claim");
            assert!(lines[1..].iter().all(|l| l.starts_with('+')), "{lines:?}");
        }
    }

    #[test]
    fn another_mtu_costs_two_steps() {
        let mut plan = Plan::new();
        let before = blueprint(ReturnPath::Proxy);
        settle(&mut plan, &before.full());
        let after = Blueprint { v4_mtu: 1372, v6_mtu: 1400, ..before };
        let lines = settle(&mut plan, &after.full());
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2], "+ set-mtu dev device v4 1372 v6 1400");
    }

    #[test]
    fn transient_failures_are_tried_again_with_growing_pauses() {
        let mut plan = Plan::new();
        let error = StepError { kind: StepErrorKind::Transient, code: 16 };
        let wanted = [Step::OpenDevice];
        let mut at = std::vec::Vec::new();
        for ms in 0..20_000 {
            let now = Instant::from_millis(ms);
            if let Some(Action::Apply(id, _)) = plan.poll(now, &wanted) {
                at.push(ms);
                if plan.failed(now, id, error) != Failure::None {
                    break;
                }
            }
        }
        assert_eq!(at, [0, 250, 750, 1750, 3750]);
        assert!(plan.is_empty());
    }

    #[test]
    fn what_can_be_done_without_is_skipped_and_never_undone() {
        let mut plan = Plan::new();
        let wanted = blueprint(ReturnPath::Announce).claim();
        let mut warned = 0;
        while let Some(action) = plan.poll(Instant::default(), &wanted) {
            let Action::Apply(id, step) = action else { panic!("{action:?}") };
            if let Step::AllowNeighbourDiscovery { .. } = step {
                let error = StepError { kind: StepErrorKind::Denied, code: 5 };
                warned +=
                    usize::from(matches!(plan.failed(Instant::default(), id, error), Failure::Skipped(_)));
            } else {
                plan.done(id);
            }
        }
        assert_eq!((warned, plan.is_settled(&wanted)), (1, true));
        assert_eq!(plan.iter().count(), wanted.len() - 1);
        let undone = settle(&mut plan, &[]);
        assert!(!undone.iter().any(|l| l.contains("allow-neighbour")), "{undone:?}");
    }

    #[test]
    fn a_step_that_cannot_be_undone_is_left_to_the_journal() {
        let mut plan = Plan::new();
        settle(&mut plan, &[Step::OpenDevice]);
        let error = StepError { kind: StepErrorKind::Denied, code: 1 };
        let Some(Action::Undo(id, _)) = plan.poll(Instant::default(), &[]) else { panic!() };
        assert!(matches!(plan.failed(Instant::default(), id, error), Failure::Left(_)));
        assert!(plan.is_empty());
        assert_eq!(plan.failed(Instant::default(), id, error), Failure::None, "an answer that comes twice");
        assert_eq!(Step::OpenDevice.to_string(), "open-device");
    }
}
