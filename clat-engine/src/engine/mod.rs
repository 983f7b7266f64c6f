//! The state machine.
//!
//! The facts tell what the host looks like; `goal` makes of them what there should be: nothing, waiting,
//! or a CLAT with this uplink, prefix and address. Where that differs from what there is, one of these
//! functions of `states` runs; each is one transition, and nothing else changes the state.
//!
//! | function | from | when | to |
//! |---|---|---|---|
//! | `discover` | Idle | there is an uplink, but no PREF64 or no prefix for an address | Discovering |
//! | `claim` | any but Active with its route | uplink, PREF64 and prefix are known | Claiming |
//! | `next_candidate` | Claiming | somebody else has the address | Claiming |
//! | `exhaust` | Claiming | somebody else has every candidate, or detection does not end | Discovering, and again later |
//! | `set_up` | Claiming, Stale | the address is ours | Claiming (host being set up) |
//! | `activate` | Claiming | every step is in force | Active |
//! | `adjust` | Active | another PREF64 or MTU, the same address | Active |
//! | `interrupt` | Active | uplink, PREF64, prefix lost or host asleep; the IPv4 route is withdrawn | Stale |
//! | `give_up` | Stale | nothing came back in time | Idle |
//! | `abandon` | Claiming | what it rested on is gone | Discovering |
//! | `stand_down` | any | native IPv4, another CLAT, stopped, no uplink, a step failed | Idle |
//!
//! Active is left in two moves: first the IPv4 default route is withdrawn and the answer awaited, then the
//! state changes. So no state but Active and the last moment of Claiming has the route in force.
//!
//! Flows live on where the CLAT address stays: a claim of the same prefix on the same network takes the
//! same candidate again, and the translator goes on with new parameters.

mod discover;
mod goal;
mod inputs;
mod neighbours;
mod states;

use crate::choose::Source;
use crate::discovery::{Asker, Solicitor};
use crate::facts::Facts;
use crate::mtu::PathMtus;
use crate::nd::announcer::Announcer;
use crate::nd::router::NextHop;
use crate::outbox::Outbox;
use crate::plan::{Plan, Steps};
use crate::prefixes::{Entry, Pref64Table};
use crate::selftest::SelfTester;
use crate::uplink::{self, UplinkChooser};
use crate::{
    Action, Config, DadOutcome, IfIndex, Input, Instant, Mac, Pref64Status, Reason, SelfTest, SelfTestLeg,
    State, Status, Step, StepId, TranslatorParams,
};
use core::hash::Hasher;
use core::net::{Ipv4Addr, Ipv6Addr};
use goal::Goal;
use heapless::Vec;
use siphasher::sip::SipHasher13;

/// Where the state machine is, with what only that state needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Discovering,
    Claiming(Stage),
    Active,
    /// Until then; `None` while the host sleeps.
    Stale(Option<Instant>),
}

/// How far a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The device is opened, and the address put where it is detected.
    Place,
    /// Duplicate address detection runs, until then at the latest.
    Detect(Instant),
    /// The routers are greeted from the address, until then at the latest.
    Greet(Instant),
    /// It is ours; the rest of the host is set up.
    SetUp,
}

/// What is claimed or in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    uplink: IfIndex,
    pref64: Entry,
    source: Source,
    attempt: u8,
    clat_v6: Ipv6Addr,
    clat_v4: Ipv4Addr,
    v6_mtu: u32,
    v4_mtu: u32,
    /// Whether the address was proved unique since the link came up.
    proven: bool,
}

/// Why nothing is tried before a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hold {
    until: Instant,
    reason: Reason,
}

/// The control plane of one CLAT.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    now: Instant,
    since: Instant,
    phase: Phase,
    reason: Reason,
    goal: Goal,
    facts: Facts,
    uplinks: UplinkChooser,
    prefixes: Pref64Table,
    /// Why the last PREF64 went away.
    pref64_loss: Reason,
    solicitor: Solicitor,
    asker: Asker,
    paths: PathMtus,
    held: Option<Held>,
    /// The candidate that was unique in this prefix.
    settled_on: Option<(Ipv6Addr, u8)>,
    dad: Option<DadOutcome>,
    /// The known link that came up last, and when: it may be in another network.
    came_up: Option<(IfIndex, Instant)>,
    hold: Option<Hold>,
    failures: u8,
    /// IPv4 addresses of 192.0.0.0/29 that turned out to be taken.
    taken_v4: u8,
    /// Until when native IPv4 counts although its route is gone.
    native_v4_until: Option<Instant>,
    had_native_v4: bool,
    plan: Plan,
    active: Option<TranslatorParams>,
    announcer: Announcer,
    /// When a step was last lost, and how often in a row.
    lost_step: Option<(Instant, u8)>,
    /// When the address was last contested.
    contested: Option<Instant>,
    next_hop: Option<NextHop>,
    next_hop_mac: Option<Mac>,
    /// A router that did not answer, and until when it is passed over.
    lost_router: Option<(Ipv6Addr, Instant)>,
    tester: SelfTester,
    outbox: Outbox,
    draws: u64,
    stopping: bool,
    asleep: bool,
    finished: bool,
}

impl Engine {
    /// An engine that knows nothing yet.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            now: Instant::from_millis(0),
            since: Instant::from_millis(0),
            phase: Phase::Idle,
            reason: Reason::Started,
            goal: Goal::Off(Reason::Started),
            facts: Facts::new(),
            uplinks: UplinkChooser::new(),
            prefixes: Pref64Table::new(),
            pref64_loss: Reason::NoPref64,
            solicitor: Solicitor::new(),
            asker: Asker::new(),
            paths: PathMtus::new(),
            held: None,
            settled_on: None,
            dad: None,
            came_up: None,
            hold: None,
            failures: 0,
            taken_v4: 0,
            native_v4_until: None,
            had_native_v4: false,
            plan: Plan::new(),
            active: None,
            announcer: Announcer::new(),
            lost_step: None,
            contested: None,
            next_hop: None,
            next_hop_mac: None,
            lost_router: None,
            tester: SelfTester::new(),
            outbox: Outbox::new(),
            draws: 0,
            stopping: false,
            asleep: false,
            finished: false,
        }
    }

    /// Takes what the shell sees at `now`. Call [`poll_action`](Self::poll_action) until it is empty afterwards.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        if self.finished {
            return;
        }
        self.expire();
        self.take(input);
        self.evaluate();
        self.serve_timers();
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.outbox.pop()
    }

    /// When to call [`handle_input`](Self::handle_input) with [`Input::Timer`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished {
            return None;
        }
        let phase = match self.phase {
            Phase::Claiming(Stage::Detect(until) | Stage::Greet(until)) => Some(until),
            Phase::Stale(until) => until,
            Phase::Idle
            | Phase::Discovering
            | Phase::Claiming(Stage::Place | Stage::SetUp)
            | Phase::Active => None,
        };
        let timers = [
            phase,
            self.hold.map(|h| h.until),
            self.native_v4_until,
            self.plan.next_timer(),
            self.prefixes.next_expiry(),
            self.paths.next_expiry(),
            self.uplinks.next_timer().filter(|_| self.follows_uplink()),
            self.discovery_timer(),
            self.announcer.next_timer(),
            self.next_hop.and_then(|hop| hop.next_timer()),
            self.lost_router.map(|(_, until)| until),
            self.tester.next_timer(),
        ];
        timers.into_iter().flatten().min()
    }

    /// Where the engine is.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Idle => State::Idle,
            Phase::Discovering => State::Discovering,
            Phase::Claiming(_) => State::Claiming,
            Phase::Active => State::Active,
            Phase::Stale(_) => State::Stale,
        }
    }

    /// What is shown of the engine.
    #[must_use]
    pub fn status(&self) -> Status {
        let uplink = self.uplinks.current;
        let held = self.held;
        Status {
            state: self.state(),
            reason: self.reason,
            since: self.since,
            uplink: uplink.map(|u| uplink::show(&self.facts, u)),
            pref64: self.prefixes().find(|p| p.chosen),
            clat_v6: held.map(|h| h.clat_v6),
            clat_v4: held.map(|h| h.clat_v4).or(self.config.clat_v4),
            v6_mtu: held.map_or(0, |h| h.v6_mtu),
            v4_mtu: held.map_or(0, |h| h.v4_mtu),
            self_test: self.tester.last.or_else(|| self.leg_before_activation()),
            native_v4: uplink.is_some_and(|u| self.facts.native_v4(u)),
            other_clat: uplink.and_then(|u| self.facts.other_clat(u)),
            v6_only_wait_s: uplink.and_then(|u| self.facts.v6_only_wait_s(u)),
        }
    }

    /// The leg that fails before anything can be tested.
    fn leg_before_activation(&self) -> Option<SelfTest> {
        let leg = match (self.phase, self.reason) {
            (Phase::Discovering, Reason::NoPref64) => SelfTestLeg::NoPref64,
            (Phase::Discovering, Reason::DadExhausted) => SelfTestLeg::DadClash,
            (Phase::Idle, Reason::NoUplink) => SelfTestLeg::NoRoute,
            _ => return None,
        };
        Some(SelfTest { at: self.since, failed: Some(leg) })
    }

    /// Every PREF64 that is known, best first.
    pub fn prefixes(&self) -> impl Iterator<Item = Pref64Status> + '_ {
        let chosen = self.held.map(|h| h.pref64).or_else(|| self.choice().map(|c| c.entry));
        let mut all: Vec<Entry, 17> = Vec::new();
        all.extend(chosen);
        let manual = self.config.pref64.zip(self.uplinks.current);
        all.extend(manual.map(|(p, u)| crate::choose::manual(p, u)).filter(|m| Some(*m) != chosen));
        let same = |a: &Entry, b: &Entry| (a.prefix, a.ifindex, a.source) == (b.prefix, b.ifindex, b.source);
        for entry in self.prefixes.iter().filter(|e| chosen.is_none_or(|c| !same(&c, e))) {
            all.push(*entry).ok();
        }
        let first = chosen.is_some();
        all.into_iter().enumerate().map(move |(i, e)| Pref64Status {
            prefix: e.prefix,
            ifindex: e.ifindex,
            source: e.source,
            learnt: e.learnt,
            expires: e.expires,
            chosen: first && i == 0,
        })
    }

    /// The steps in force, in the order in which they were done.
    pub fn plan(&self) -> impl Iterator<Item = (StepId, Step)> + '_ {
        self.plan.iter()
    }

    /// The steps that the host should have in the present state.
    fn wanted(&self) -> Steps {
        let Some(held) = &self.held else { return Steps::new() };
        let blueprint = self.blueprint(held);
        match self.phase {
            Phase::Idle | Phase::Discovering => Steps::new(),
            Phase::Claiming(Stage::SetUp) | Phase::Active if self.goal_agrees(held) => blueprint.full(),
            Phase::Claiming(Stage::SetUp) | Phase::Active => blueprint.without_route(),
            Phase::Stale(_) => {
                // What fell with the uplink is done again when there is one.
                let mut steps = blueprint.without_route();
                steps.truncate(self.plan.intact());
                steps
            }
            Phase::Claiming(_) => blueprint.claim(),
        }
    }

    /// A number that nobody else can guess.
    fn draw(&mut self) -> u64 {
        self.draws = self.draws.wrapping_add(1);
        let mut hasher = SipHasher13::new_with_key(&self.config.secret);
        hasher.write_u64(self.config.seed);
        hasher.write_u64(self.draws);
        hasher.finish()
    }

    fn draw16(&mut self) -> u16 {
        let [a, b, ..] = self.draw().to_be_bytes();
        u16::from_be_bytes([a, b])
    }
}
