//! The transitions, one function each; the table is in the documentation of [`super`].

use super::goal::{Goal, Wish};
use super::{Engine, Held, Hold, Phase, Stage};
use crate::address::{CANDIDATES, Recipe};
use crate::choose::Source;
use crate::nd::constants::RETRANS_TIMER;
use crate::{Action, AddressState, ClatV6, DadOutcome, Reason, ReturnPath, Step, TranslatorParams, Warning};
use core::net::Ipv6Addr;
use core::time::Duration;

/// How long a lost basis is waited for before the host is put back.
pub(super) const GRACE: Duration = Duration::from_secs(30);
/// How long duplicate address detection by the operating system may take.
const DAD_PATIENCE: Duration = Duration::from_secs(5);
/// How long the routers have to ask for the address while the operating system answers.
const GREETING: Duration = Duration::from_millis(600);
/// The pause after a failure; doubled up to the last.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The most transitions that one input can bring about.
const ROUNDS: usize = 8;

impl Engine {
    /// Brings state and host towards what there should be.
    pub(super) fn evaluate(&mut self) {
        for _ in 0..ROUNDS {
            self.goal = self.goal();
            if !self.advance() {
                break;
            }
        }
        self.drive_plan();
        if self.stopping && self.phase == Phase::Idle && self.plan.is_empty() && !self.finished {
            self.finished = true;
            self.outbox.push(Action::Finished);
        }
    }

    /// One transition, if one is due.
    fn advance(&mut self) -> bool {
        match self.phase {
            Phase::Idle | Phase::Discovering => self.at_rest(),
            Phase::Claiming(stage) => self.while_claiming(stage),
            Phase::Active => self.while_active(),
            Phase::Stale(until) => self.while_stale(until),
        }
    }

    fn at_rest(&mut self) -> bool {
        match self.goal {
            Goal::Off(reason) => {
                (self.phase, self.reason) != (Phase::Idle, reason) && self.stand_down(reason)
            }
            Goal::Wait(reason) => {
                (self.phase, self.reason) != (Phase::Discovering, reason) && self.discover(reason)
            }
            Goal::On(wish) => self.claim(wish, why_claimed(self.reason)),
        }
    }

    fn while_claiming(&mut self, stage: Stage) -> bool {
        let agreed = self.held.is_some_and(|h| self.goal_agrees(&h));
        // The route may be in force or in hand: it goes first, as in Active.
        if self.plan.has_default_route() && !agreed {
            return false;
        }
        let (Goal::On(wish), Some(held)) = (self.goal, self.held) else {
            return match self.goal {
                Goal::Wait(reason) => self.abandon(reason),
                Goal::Off(reason) => self.stand_down(reason),
                Goal::On(wish) => self.claim(wish, Reason::Pref64Found),
            };
        };
        if !same_place(&held, &wish) {
            let reason = if wish.uplink == held.uplink { Reason::Renumbered } else { Reason::UplinkChanged };
            return self.claim(wish, reason);
        }
        self.follow(wish);
        let settled = self.plan.is_settled(&self.wanted());
        match stage {
            Stage::Place => settled && self.detect(),
            Stage::Detect(until) => self.detecting(until),
            Stage::Greet(until) => self.now >= until && self.set_up(self.reason),
            Stage::SetUp if !held.proven => self.claim(wish, Reason::Resumed),
            Stage::SetUp => settled && self.activate(),
        }
    }

    fn while_active(&mut self) -> bool {
        let Some(held) = self.held else { return self.stand_down(Reason::StepFailed) };
        if self.goal_agrees(&held) {
            let Goal::On(wish) = self.goal else { return false };
            return self.adjust(wish);
        }
        // The route goes first; what follows waits for the answer.
        if self.plan.has_default_route() {
            return false;
        }
        match self.goal {
            Goal::Off(reason) if self.goal.is_strict() => self.stand_down(reason),
            Goal::Off(Reason::Suspended) => self.interrupt(Reason::Suspended),
            Goal::Off(_) => self.interrupt(Reason::UplinkLost),
            Goal::Wait(Reason::NoPref64) if self.uplinks.current == Some(held.uplink) => {
                self.interrupt(self.pref64_loss)
            }
            Goal::Wait(_) if self.uplinks.current != Some(held.uplink) => {
                self.interrupt(Reason::UplinkChanged)
            }
            Goal::Wait(_) => self.interrupt(Reason::AddressLost),
            Goal::On(wish) => self.claim(wish, why_claimed_again(&held, &wish, self.reason)),
        }
    }

    fn while_stale(&mut self, until: Option<crate::Instant>) -> bool {
        let Some(held) = self.held else { return self.stand_down(Reason::GraceOver) };
        match self.goal {
            Goal::Off(reason) if self.goal.is_strict() => self.stand_down(reason),
            Goal::On(wish) if self.goal_agrees(&held) => {
                self.follow(wish);
                let lost_pref64 =
                    matches!(self.reason, Reason::Pref64Withdrawn | Reason::Pref64Expired | Reason::NoPref64);
                self.set_up(if lost_pref64 { Reason::Pref64Found } else { Reason::UplinkBack })
            }
            Goal::On(wish) => self.claim(wish, why_claimed_again(&held, &wish, self.reason)),
            Goal::Off(_) | Goal::Wait(_) => until.is_some_and(|at| at <= self.now) && self.give_up(),
        }
    }

    /// Idle -> Discovering.
    fn discover(&mut self, reason: Reason) -> bool {
        self.let_go();
        self.enter(Phase::Discovering, reason)
    }

    /// Any -> Claiming: an address for this uplink, prefix and PREF64.
    fn claim(&mut self, wish: Wish, reason: Reason) -> bool {
        let attempt = self.settled_on.filter(|s| s.0 == wish.source.prefix).map_or(0, |s| s.1);
        let clat_v4 = self.held.map_or_else(|| self.pick_v4(), |h| self.config.clat_v4.unwrap_or(h.clat_v4));
        let (v6_mtu, v4_mtu) = self.mtus(wish.uplink, &wish.pref64);
        let clat_v6 = self.clat_v6(&wish, clat_v4, attempt);
        let Wish { uplink, pref64, source } = wish;
        if self.held.is_some_and(|held| (held.uplink, held.clat_v6) != (uplink, clat_v6)) {
            self.leave_group();
        }
        self.held =
            Some(Held { uplink, pref64, source, attempt, clat_v6, clat_v4, v6_mtu, v4_mtu, proven: false });
        if source.doubtful {
            self.outbox.warn(Warning::NoOnLinkPrefix);
        }
        self.dad = None;
        self.enter(Phase::Claiming(Stage::Place), reason)
    }

    /// The address for an attempt; one that is in use already stays, for its flows.
    fn clat_v6(&self, wish: &Wish, clat_v4: core::net::Ipv4Addr, attempt: u8) -> Ipv6Addr {
        let Source { prefix, len, .. } = wish.source;
        let same = |h: &&Held| {
            (h.uplink, h.source.prefix, h.source.len, h.attempt) == (wish.uplink, prefix, len, attempt)
        };
        if let Some(held) = self.held.as_ref().filter(same) {
            return held.clat_v6;
        }
        if len == 128 {
            return prefix;
        }
        let link = self.facts.link(wish.uplink);
        let [a, b, c, d] = wish.uplink.to_be_bytes();
        Recipe {
            secret: self.config.secret,
            prefix,
            prefix_len: len,
            interface: link.and_then(|l| l.mac).unwrap_or([0, 0, a, b, c, d]),
            network: link.map_or(0, |l| l.network),
            clat_v4,
            pref64: wish.pref64.prefix,
        }
        .candidate(attempt)
    }

    /// Claiming: everything is in place for the detection.
    fn detect(&mut self) -> bool {
        let Some(held) = self.held else { return false };
        if !self.must_be_found(&held) {
            return self.set_up(self.reason);
        }
        let patience = if self.config.return_path == ReturnPath::Frames {
            self.ask_whether_taken(&held);
            RETRANS_TIMER
        } else {
            DAD_PATIENCE
        };
        self.phase = Phase::Claiming(Stage::Detect(self.now + patience));
        true
    }

    fn detecting(&mut self, until: crate::Instant) -> bool {
        let Some(held) = self.held else { return false };
        let told = match self.facts.address_state(held.uplink, held.clat_v6) {
            Some(AddressState::Duplicate) => Some(DadOutcome::Duplicate),
            Some(AddressState::Preferred | AddressState::Deprecated) => Some(DadOutcome::Unique),
            Some(AddressState::Tentative) | None => None,
        };
        let alone = self.config.return_path == ReturnPath::Frames && self.now >= until;
        match self.dad.or(told).or(alone.then_some(DadOutcome::Unique)) {
            Some(DadOutcome::Unique) => self.unique(),
            Some(DadOutcome::Duplicate) => self.next_candidate(),
            None => self.now >= until && self.exhaust(Reason::DadTimeout),
        }
    }

    /// Claiming: nobody else has the address.
    fn unique(&mut self) -> bool {
        if self.config.return_path == ReturnPath::Announce {
            self.greet_routers();
            self.phase = Phase::Claiming(Stage::Greet(self.now + GREETING));
            return true;
        }
        self.set_up(self.reason)
    }

    /// Claiming -> Claiming: somebody else has the address.
    pub(super) fn next_candidate(&mut self) -> bool {
        let Some(held) = self.held else { return false };
        let fixed = matches!(self.config.clat_v6, ClatV6::Fixed(_));
        let attempt = held.attempt + 1;
        if fixed || attempt >= CANDIDATES {
            return self.exhaust(Reason::DadExhausted);
        }
        self.settled_on = Some((held.source.prefix, attempt));
        let Held { uplink, pref64, source, .. } = held;
        self.claim(Wish { uplink, pref64, source }, Reason::DadClash)
    }

    /// Claiming -> Discovering: no address can be had for the time being.
    fn exhaust(&mut self, reason: Reason) -> bool {
        self.settled_on = None;
        self.pause(reason);
        self.let_go();
        self.enter(Phase::Discovering, reason)
    }

    /// Claiming, Stale -> Claiming: the address is ours, the rest of the host is set up.
    fn set_up(&mut self, reason: Reason) -> bool {
        if let Some(held) = &mut self.held {
            held.proven = true;
            let settled_on = (held.source.prefix, held.attempt);
            self.settled_on = Some(settled_on);
        }
        self.translate();
        let (from, to) = (self.state(), Phase::Claiming(Stage::SetUp));
        if from == crate::State::Claiming {
            self.phase = to;
            return true;
        }
        self.enter(to, reason)
    }

    /// Claiming -> Active.
    fn activate(&mut self) -> bool {
        self.failures = 0;
        self.translate();
        self.outbox.forget_warnings();
        self.enter(Phase::Active, Reason::Ready);
        self.start_announcing();
        if self.config.self_test {
            self.tester.start(self.now);
        }
        true
    }

    /// Active -> Active: another PREF64 or MTU.
    fn adjust(&mut self, wish: Wish) -> bool {
        let before = self.held;
        self.follow(wish);
        let Some((before, after)) = before.zip(self.held) else { return false };
        let reason = if before.pref64.prefix != after.pref64.prefix {
            Reason::Pref64Changed
        } else if (before.v6_mtu, before.v4_mtu) != (after.v6_mtu, after.v4_mtu) {
            Reason::MtuChanged
        } else {
            return false;
        };
        self.translate();
        if self.config.self_test {
            self.tester.start(self.now);
        }
        self.enter(Phase::Active, reason)
    }

    /// Active -> Stale: the basis is lost, and may come back.
    fn interrupt(&mut self, reason: Reason) -> bool {
        let until = (reason != Reason::Suspended).then(|| self.now + GRACE);
        self.enter(Phase::Stale(until), reason)
    }

    /// Stale -> Idle.
    fn give_up(&mut self) -> bool {
        self.stand_down(Reason::GraceOver)
    }

    /// Claiming -> Discovering: what it rested on is gone.
    fn abandon(&mut self, reason: Reason) -> bool {
        self.let_go();
        self.enter(Phase::Discovering, reason)
    }

    /// Any -> Idle.
    pub(super) fn stand_down(&mut self, reason: Reason) -> bool {
        self.let_go();
        self.enter(Phase::Idle, reason)
    }

    /// The address is ours no more.
    fn let_go(&mut self) {
        self.leave_group();
        self.held = None;
    }

    /// A step failed for good: what was done is undone, and tried again after a pause.
    pub(super) fn fail(&mut self, step: Step, error: crate::StepError) {
        self.outbox.warn(Warning::StepFailed(step, error));
        self.pause(Reason::StepFailed);
    }

    /// Nothing is tried for a while, each time longer.
    pub(super) fn pause(&mut self, reason: Reason) {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.hold = Some(Hold { until: self.now + pause, reason });
    }

    /// Takes PREF64 and MTU of the wish where the address stays.
    fn follow(&mut self, wish: Wish) {
        let (v6_mtu, v4_mtu) = self.mtus(wish.uplink, &wish.pref64);
        if let Some(held) = &mut self.held {
            (held.pref64, held.source) = (wish.pref64, wish.source);
            (held.v6_mtu, held.v4_mtu) = (v6_mtu, v4_mtu);
        }
    }

    /// Tells the translator what is held, where that is news.
    fn translate(&mut self) {
        let params = self.held.map(|h| TranslatorParams {
            pref64: h.pref64.prefix,
            clat_v4: h.clat_v4,
            clat_v6: h.clat_v6,
            v6_mtu: h.v6_mtu,
            v4_mtu: h.v4_mtu,
        });
        if self.active != params {
            self.active = params;
            self.outbox.push(params.map_or(Action::Deactivate, Action::Activate));
        }
    }

    /// The one place where the state changes.
    fn enter(&mut self, phase: Phase, reason: Reason) -> bool {
        let from = self.state();
        self.phase = phase;
        let to = self.state();
        if from != to || self.reason != reason {
            self.since = self.now;
        }
        if !matches!(phase, Phase::Active | Phase::Claiming(Stage::SetUp)) {
            if self.active.take().is_some() {
                self.outbox.push(Action::Deactivate);
            }
            self.tester.stop();
            self.announcer.stop();
        }
        self.reason = reason;
        self.outbox.push(Action::Transition { from, to, reason });
        true
    }

    /// Sends the next step to the shell.
    fn drive_plan(&mut self) {
        let wanted = self.wanted();
        let Some(action) = self.plan.poll(self.now, &wanted) else { return };
        if let Action::Apply(_, Step::AddAddress { iface: crate::Iface::Index(ifindex), addr, .. }) = action
            && let core::net::IpAddr::V6(addr) = addr
        {
            // What was known of the address before is of an earlier claim.
            self.facts.remove_address6(ifindex, addr);
        }
        self.outbox.push(action);
    }
}

/// Whether the wish is where we are, whatever its PREF64.
pub(super) fn same_place(held: &Held, wish: &Wish) -> bool {
    let place = |uplink, s: &Source| (uplink, s.prefix, s.len, s.on_link);
    place(wish.uplink, &wish.source) == place(held.uplink, &held.source)
}

/// Why a first claim is made, after what kept it from being made.
const fn why_claimed(before: Reason) -> Reason {
    if matches!(before, Reason::NativeIpv4) {
        Reason::NativeIpv4Gone
    } else if matches!(before, Reason::OtherClat(_)) {
        Reason::OtherClatGone
    } else {
        Reason::Pref64Found
    }
}

fn why_claimed_again(held: &Held, wish: &Wish, before: Reason) -> Reason {
    if wish.uplink != held.uplink {
        Reason::UplinkChanged
    } else if !same_place(held, wish) {
        Reason::Renumbered
    } else if held.proven {
        Reason::Reconfigured
    } else if matches!(before, Reason::Suspended | Reason::Resumed) {
        Reason::Resumed
    } else {
        Reason::UplinkBack
    }
}
