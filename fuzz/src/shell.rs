//! A shell around the engine that answers what it is told to do, for the targets of the control plane.

use clat_engine::{
    Action, Address6, AddressState, Config, DadOutcome, DefaultRoute4, DefaultRoute6, Engine, IfIndex, Input,
    Instant, Link, LinkKind, Step, StepError, StepErrorKind, StepId,
};
use std::net::Ipv6Addr;

/// The link that the targets have.
pub const LINK: IfIndex = 2;
/// Its router.
pub const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// The host's own address there.
pub const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 5);

/// More actions than any input may cause.
const MOST_ACTIONS: usize = 5000;

#[derive(Debug)]
pub struct Shell {
    pub engine: Engine,
    pub now: u64,
    pub finished: bool,
    /// Every how many steps one fails; 0 for none.
    pub fail_every: u8,
    steps: u64,
    in_force: Vec<StepId>,
}

impl Shell {
    pub fn new(config: Config, fail_every: u8) -> Self {
        let engine = Engine::new(config);
        Self { engine, now: 1000, finished: false, fail_every, steps: 0, in_force: Vec::new() }
    }

    /// A host with one link, one router and one address.
    pub fn ready(config: Config) -> Self {
        let mut shell = Self::new(config, 0);
        for input in [
            Input::Link(link(true, 1500)),
            Input::Address6(address(HOST, AddressState::Preferred)),
            Input::Default6(DefaultRoute6 { ifindex: LINK, router: Some(ROUTER), metric: 100 }),
            Input::Synced,
        ] {
            shell.tell(input);
        }
        shell
    }

    /// Tells the engine something, and does what it wants.
    pub fn tell(&mut self, input: Input<'_>) {
        self.engine.handle_input(Instant::from_millis(self.now), input);
        for _ in 0..MOST_ACTIONS {
            let Some(action) = self.engine.poll_action() else {
                let _ = (self.engine.poll_timeout(), self.engine.status(), self.engine.plan().count());
                return;
            };
            self.act(action);
        }
        panic!("the engine never stops acting");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Apply(id, step) => {
                assert!(!self.in_force.contains(&id), "{id:?} twice");
                self.answer(id, step, true);
            }
            Action::Undo(id, step) => self.answer(id, step, false),
            Action::Finished => {
                assert!(self.fail_every != 0 || self.in_force.is_empty(), "left behind: {:?}", self.in_force);
                self.finished = true;
            }
            Action::Activate(params) => {
                assert!(params.v6_mtu >= 1280 && params.v4_mtu >= 68, "{params:?}");
            }
            Action::SendIcmpv6(out) => assert!(out.message.len() >= 8, "{out:?}"),
            Action::Deactivate
            | Action::QueryDns(_)
            | Action::Probe(_)
            | Action::Uplink(_)
            | Action::NextHop(_)
            | Action::Transition { .. }
            | Action::SelfTest(_)
            | Action::Warn(_) => {}
        }
    }

    fn answer(&mut self, id: StepId, step: Step, apply: bool) {
        self.steps += 1;
        let text = step.to_string();
        assert_eq!(text.parse::<Step>().as_ref(), Ok(&step), "{text}");
        let now = Instant::from_millis(self.now);
        if self.fail_every != 0 && self.steps.is_multiple_of(u64::from(self.fail_every)) {
            let error = StepError { kind: StepErrorKind::Transient, code: 11 };
            self.engine.handle_input(now, Input::StepFailed(id, error));
            return;
        }
        self.in_force.retain(|i| *i != id);
        if apply {
            self.in_force.push(id);
        }
        self.engine.handle_input(now, Input::StepDone(id));
    }

    /// Nothing on the host is ours any more: the device went, and all that was set.
    pub fn lose_device(&mut self) {
        self.in_force.clear();
        self.fail_every = self.fail_every.max(1);
        self.tell(Input::DeviceLost);
    }

    /// Stops, waits as long as it takes, and checks that the end comes.
    pub fn stop(mut self) {
        self.tell(Input::Stop);
        for _ in 0..2000 {
            if self.finished {
                return;
            }
            self.now += 1000;
            self.tell(Input::Timer);
        }
        assert!(self.fail_every != 0, "never finished: {:?}", self.engine.status());
    }
}

pub fn link(up: bool, mtu: u32) -> Link {
    Link { ifindex: LINK, up, mtu, kind: LinkKind::Broadcast, mac: Some([2, 0, 0, 0, 0, 1]), network: 7 }
}

pub fn address(addr: Ipv6Addr, state: AddressState) -> Address6 {
    Address6 { ifindex: LINK, addr, prefix_len: 64, state, temporary: false }
}

pub fn native(metric: u32) -> DefaultRoute4 {
    DefaultRoute4 { ifindex: LINK, metric }
}

/// The answer of duplicate address detection for what is claimed.
pub fn unique(addr: Ipv6Addr, unique: bool) -> Input<'static> {
    let outcome = if unique { DadOutcome::Unique } else { DadOutcome::Duplicate };
    Input::Dad { ifindex: LINK, addr, outcome }
}
