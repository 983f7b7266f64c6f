//! A simulated host and network around the engine, with virtual time.
//!
//! [`World`] is the shell: it carries out the engine's actions on a [`Host`] model that checks what must
//! hold at every moment, and lets routers, resolvers and neighbours of the [`net`] answer. Nothing runs by
//! itself: [`World::run`] moves the clock from event to event.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "literals and bounds that the tests themselves set")]

pub(crate) mod host;
pub(crate) mod net;
pub(crate) mod scene;

use clat_engine::{
    Action, Address6, AddressState, Config, DefaultRoute4, DefaultRoute6, Engine, Icmpv6In, Icmpv6Out,
    IfIndex, Input, Instant, Link, ProbeAnswer, State, StepError, StepErrorKind, StepId, Warning,
};
use host::Host;
use net::{Router, SimLink};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    Icmpv6 {
        ifindex: IfIndex,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        mac: Option<[u8; 6]>,
        message: Vec<u8>,
    },
    PeriodicRa {
        ifindex: IfIndex,
        router: Ipv6Addr,
    },
    Dns {
        server: IpAddr,
        message: Vec<u8>,
    },
    Detected {
        ifindex: IfIndex,
        addr: Ipv6Addr,
        state: AddressState,
    },
    Answer(StepId, Result<(), StepError>),
    Probe(ProbeAnswer),
}

/// The engine, its host and its network.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    now: u64,
    sequence: u64,
    events: BTreeMap<(u64, u64), Event>,
    pub(crate) links: BTreeMap<IfIndex, SimLink>,
    pub(crate) host: Host,
    pub(crate) trace: Vec<String>,
    /// Every ICMPv6 message that was sent, with its time.
    pub(crate) sent: Vec<(u64, Icmpv6Out)>,
    pub(crate) queries: Vec<u64>,
    pub(crate) finished: bool,
    /// The link that raw frames are spoken on.
    pub(crate) uplink: Option<IfIndex>,
    /// How long the shell takes for a step, in milliseconds.
    pub(crate) step_time: u64,
    /// What becomes of the next steps: an error, or done.
    pub(crate) faults: Vec<Option<StepErrorKind>>,
}

/// A configuration with everything by itself and fixed secrets.
pub(crate) fn config() -> Config {
    Config::new(*b"0123456789abcdef", 7)
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            engine: Engine::new(config),
            config,
            now: 0,
            sequence: 0,
            events: BTreeMap::new(),
            links: BTreeMap::new(),
            host: Host::default(),
            trace: Vec::new(),
            sent: Vec::new(),
            queries: Vec::new(),
            finished: false,
            uplink: None,
            step_time: 0,
            faults: Vec::new(),
        }
    }

    /// The usual start: an empty host that is told completely.
    pub(crate) fn started(config: Config) -> Self {
        let mut world = Self::new(config);
        world.tell(Input::Resync);
        world.tell(Input::Synced);
        world
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    pub(crate) fn state(&self) -> State {
        self.engine.state()
    }

    /// Hands an input to the engine and does what it says.
    pub(crate) fn tell(&mut self, input: Input<'_>) {
        let now = self.now();
        self.engine.handle_input(now, input);
        while let Some(action) = self.engine.poll_action() {
            self.act(action);
        }
        if let Some(at) = self.engine.poll_timeout() {
            assert!(at > now || self.engine_progresses(), "a timer in the past that nothing serves: {at:?}");
        }
    }

    /// A timer that is due already must be gone after it was served once more.
    fn engine_progresses(&mut self) -> bool {
        for _ in 0..8 {
            let now = self.now();
            self.engine.handle_input(now, Input::Timer);
            while let Some(action) = self.engine.poll_action() {
                self.act(action);
            }
            if self.engine.poll_timeout().is_none_or(|at| at > now) {
                return true;
            }
        }
        false
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + ms, self.sequence), event);
    }

    /// Lets `ms` milliseconds pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            let event = self.events.first_key_value().map(|(key, _)| *key);
            let timer = self.engine.poll_timeout().map(|at| at.as_millis().max(self.now));
            let next = event.map(|(at, _)| at).into_iter().chain(timer).min().unwrap_or(u64::MAX);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            match event.filter(|(at, _)| *at == next) {
                Some(key) => {
                    let event = self.events.remove(&key).expect("just seen");
                    self.happen(event);
                }
                None => self.tell(Input::Timer),
            }
        }
    }

    /// Runs until the state is reached; panics after `ms`.
    #[track_caller]
    pub(crate) fn run_until(&mut self, state: State, ms: u64) -> u64 {
        let start = self.now;
        while self.state() != state {
            assert!(self.now < start + ms, "{state} not reached in {ms} ms:\n{}", self.trace.join("\n"));
            self.run(10);
        }
        self.now - start
    }

    /// The clock jumps while nothing happens, as over a sleep that nobody announced.
    pub(crate) fn jump(&mut self, ms: u64) {
        self.now += ms;
        let late: Vec<_> = self.events.range(..(self.now, 0)).map(|(k, e)| (*k, e.clone())).collect();
        for (key, event) in late {
            self.events.remove(&key);
            self.after(0, event);
        }
        self.tell(Input::Timer);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Icmpv6 { ifindex, source, destination, mac, message } => {
                if self.links.get(&ifindex).is_some_and(|l| l.up) {
                    self.icmpv6(ifindex, source, destination, mac, &message);
                }
            }
            Event::PeriodicRa { ifindex, router } => self.periodic_ra(ifindex, router),
            Event::Dns { server, message } => self.tell(Input::DnsReply { server, message: &message }),
            Event::Detected { ifindex, addr, state } => self.detected(ifindex, addr, state),
            Event::Answer(id, Ok(())) => {
                self.host.complete(id);
                self.tell(Input::StepDone(id));
            }
            Event::Answer(id, Err(error)) => {
                self.host.refuse(id);
                self.tell(Input::StepFailed(id, error));
            }
            Event::Probe(answer) => self.tell(Input::ProbeAnswer(answer)),
        }
    }

    pub(crate) fn icmpv6(
        &mut self,
        ifindex: IfIndex,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        source_mac: Option<[u8; 6]>,
        message: &[u8],
    ) {
        let hop_limit = 255;
        if !self.hears(ifindex) {
            return;
        }
        self.tell(Input::Icmpv6(Icmpv6In { ifindex, source, destination, hop_limit, source_mac, message }));
    }

    fn detected(&mut self, ifindex: IfIndex, addr: Ipv6Addr, state: AddressState) {
        if self.host.has_claim(addr) {
            self.tell(Input::Address6(Address6 { ifindex, addr, prefix_len: 128, state, temporary: false }));
        }
    }

    fn note(&mut self, line: &str) {
        let mut text = String::new();
        write!(text, "{:>9.3} {line}", self.now as f64 / 1000.0).expect("a string takes all");
        self.trace.push(text);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Apply(id, step) => {
                self.note(&format!("apply {step}"));
                self.host.begin_apply(id, step);
                self.answer_step(id);
                if let Some((ifindex, addr)) = host::claim(&step) {
                    self.detect(ifindex, addr);
                }
            }
            Action::Undo(id, step) => {
                self.note(&format!("undo {step}"));
                self.host.begin_undo(id, step);
                self.answer_step(id);
            }
            Action::Activate(p) => {
                self.note(&format!(
                    "activate {} {} {} {}/{}",
                    p.pref64, p.clat_v4, p.clat_v6, p.v6_mtu, p.v4_mtu
                ));
                self.host.activate();
            }
            Action::Deactivate => {
                self.note("deactivate");
                self.host.deactivate();
            }
            Action::SendIcmpv6(out) => self.carry(out),
            Action::QueryDns(query) => {
                self.note(&format!("query {}", query.server));
                self.queries.push(self.now);
                let reply =
                    self.links.get(&query.ifindex).and_then(|l| l.resolve(query.server, &query.message));
                if let Some(message) = reply {
                    self.after(20, Event::Dns { server: query.server, message });
                }
            }
            Action::Probe(probe) => self.probe(probe),
            Action::Uplink(uplink) => {
                self.note(&format!("uplink {uplink:?}"));
                self.uplink = uplink;
            }
            Action::NextHop(mac) => self.note(&format!("next-hop {mac:02x?}")),
            Action::Transition { from, to, reason } => {
                self.note(&format!("{from} -> {to}: {}", reason.as_str()));
                self.host.transition(from, to);
            }
            Action::SelfTest(result) => {
                self.note(&format!("self-test {}", result.failed.map_or("ok", |leg| leg.as_str())));
            }
            Action::Warn(warning) => {
                self.note(&format!("warn {}", warning.as_str()));
                if let Warning::UndoFailed(step, _) = warning {
                    self.host.leave_last(step);
                }
            }
            Action::Finished => {
                self.note("finished");
                self.host.finish();
                self.finished = true;
            }
        }
    }

    fn answer_step(&mut self, id: StepId) {
        let fault = if self.faults.is_empty() { None } else { self.faults.remove(0) };
        let result = fault.map_or(Ok(()), |kind| Err(StepError { kind, code: 16 }));
        self.after(self.step_time, Event::Answer(id, result));
    }

    /// The operating system detects duplicates: a second, then the answer.
    fn detect(&mut self, ifindex: IfIndex, addr: Ipv6Addr) {
        let taken = self.links.get(&ifindex).is_some_and(|l| l.taken.contains(&addr));
        let state = if taken { AddressState::Duplicate } else { AddressState::Deprecated };
        self.after(10, Event::Detected { ifindex, addr, state: AddressState::Tentative });
        self.after(1000, Event::Detected { ifindex, addr, state });
    }

    /// Whether the shell has its ears on the link.
    fn hears(&self, ifindex: IfIndex) -> bool {
        self.config.return_path != clat_engine::ReturnPath::Frames || self.uplink == Some(ifindex)
    }

    /// What neighbours make of a message.
    fn carry(&mut self, out: Icmpv6Out) {
        self.sent.push((self.now, out.clone()));
        let kind = out.message[0];
        self.note(&format!("send {kind} {} > {}", out.source, out.destination));
        let open = self.hears(out.ifindex);
        let Some(link) = self.links.get(&out.ifindex).filter(|l| l.up && open) else { return };
        for (source, destination, mac, message) in link.answers(&out) {
            let event = Event::Icmpv6 { ifindex: out.ifindex, source, destination, mac: Some(mac), message };
            self.after(50, event);
        }
    }

    fn probe(&mut self, probe: clat_engine::Probe) {
        self.note(&format!("probe {} ttl {} size {}", probe.target, probe.ttl, probe.size));
        let Some(link) = self.links.values().find(|l| l.up && !l.routers.is_empty()) else { return };
        let own_hops = if self.config.return_path == clat_engine::ReturnPath::Frames { 1 } else { 2 };
        if let Some((from, echo_reply)) = link.answer_probe(&probe, own_hops) {
            self.after(20, Event::Probe(ProbeAnswer { sequence: probe.sequence, from, echo_reply }));
        }
    }

    fn periodic_ra(&mut self, ifindex: IfIndex, router: Ipv6Addr) {
        let Some(found) = self.links.get(&ifindex).and_then(|l| l.router(router)).cloned() else { return };
        self.advertise(ifindex, &found);
        self.after(found.interval_s * 1000, Event::PeriodicRa { ifindex, router });
    }

    /// A router advertises at this moment.
    pub(crate) fn advertise(&mut self, ifindex: IfIndex, router: &Router) {
        if self.links.get(&ifindex).is_some_and(|l| l.up) {
            let all_nodes = "ff02::1".parse().unwrap();
            self.icmpv6(ifindex, router.addr, all_nodes, Some(router.mac), &router.advert());
        }
    }

    /// A link with its addresses, routes, routers and resolvers comes up.
    pub(crate) fn plug(&mut self, ifindex: IfIndex, link: SimLink) {
        self.links.insert(ifindex, link);
        self.announce_link(ifindex);
        self.announce_rest(ifindex);
        let routers: Vec<_> = self.links[&ifindex].routers.iter().map(|r| (r.addr, r.interval_s)).collect();
        for (router, interval_s) in routers {
            self.after(interval_s * 1000, Event::PeriodicRa { ifindex, router });
        }
    }

    /// The host's view of the link itself.
    pub(crate) fn announce_link(&mut self, ifindex: IfIndex) {
        let link = &self.links[&ifindex];
        let (up, mtu, kind, mac) = (link.up, link.mtu, link.kind, Some(link.mac));
        self.tell(Input::Link(Link { ifindex, up, mtu, kind, mac, network: 0 }));
    }

    /// Addresses, routes and resolvers of a link.
    pub(crate) fn announce_rest(&mut self, ifindex: IfIndex) {
        let link = self.links[&ifindex].clone();
        for (addr, state) in &link.addresses {
            let (addr, state) = (*addr, *state);
            self.tell(Input::Address6(Address6 { ifindex, addr, prefix_len: 64, state, temporary: false }));
        }
        for router in &link.routers {
            self.tell(Input::Default6(router.route(ifindex)));
        }
        self.tell(Input::Resolvers { ifindex, servers: &link.resolvers });
        if link.native_v4 {
            self.tell(Input::Default4(DefaultRoute4 { ifindex, metric: 100 }));
        }
    }

    /// All facts anew, as after lost notifications or a resume.
    pub(crate) fn resync(&mut self) {
        self.tell(Input::Resync);
        for ifindex in self.links.keys().copied().collect::<Vec<_>>() {
            self.announce_link(ifindex);
            if self.links[&ifindex].up {
                self.announce_rest(ifindex);
            }
        }
        self.tell(Input::Synced);
    }

    /// Carrier lost or back; the kernel removes and adds the routes.
    pub(crate) fn carrier(&mut self, ifindex: IfIndex, up: bool) {
        let Some(link) = self.links.get_mut(&ifindex) else { return };
        link.up = up;
        let routes: Vec<DefaultRoute6> = link.routers.iter().map(|r| r.route(ifindex)).collect();
        self.announce_link(ifindex);
        for route in routes {
            self.tell(if up { Input::Default6(route) } else { Input::Default6Gone(route) });
        }
    }

    pub(crate) fn unplug(&mut self, ifindex: IfIndex) {
        if self.links.remove(&ifindex).is_some() {
            self.tell(Input::LinkGone(ifindex));
        }
    }

    pub(crate) fn native_v4(&mut self, ifindex: IfIndex, on: bool) {
        let Some(link) = self.links.get_mut(&ifindex) else { return };
        link.native_v4 = on;
        let route = DefaultRoute4 { ifindex, metric: 100 };
        self.tell(if on { Input::Default4(route) } else { Input::Default4Gone(route) });
    }

    pub(crate) fn address(&mut self, ifindex: IfIndex, addr: &str, state: Option<AddressState>) {
        let addr: Ipv6Addr = addr.parse().unwrap();
        let Some(link) = self.links.get_mut(&ifindex) else { return };
        link.addresses.retain(|a| a.0 != addr);
        match state {
            Some(state) => {
                link.addresses.push((addr, state));
                self.tell(Input::Address6(Address6 {
                    ifindex,
                    addr,
                    prefix_len: 64,
                    state,
                    temporary: false,
                }));
            }
            None => self.tell(Input::Address6Gone { ifindex, addr }),
        }
    }

    /// The PREF64s of a router from its next advertisement on, which comes at once.
    pub(crate) fn announce_pref64(&mut self, ifindex: IfIndex, pref64: &[(&str, u16)]) {
        let Some(router) = self.links.get_mut(&ifindex).and_then(|l| l.routers.first_mut()) else { return };
        router.pref64 = pref64.iter().map(|(p, l)| (p.parse().unwrap(), *l)).collect();
        let router = router.clone();
        self.advertise(ifindex, &router);
    }

    pub(crate) fn mtu(&mut self, ifindex: IfIndex, mtu: u32) {
        if let Some(link) = self.links.get_mut(&ifindex) {
            link.mtu = mtu;
            self.announce_link(ifindex);
        }
    }

    /// The kernel changes the metric of a link's default routes.
    pub(crate) fn metric(&mut self, ifindex: IfIndex, metric: u32) {
        let Some(link) = self.links.get_mut(&ifindex) else { return };
        let before: Vec<_> = link.routers.iter().map(|r| r.route(ifindex)).collect();
        link.routers.iter_mut().for_each(|r| r.metric = metric);
        let (after, up): (Vec<_>, bool) = (link.routers.iter().map(|r| r.route(ifindex)).collect(), link.up);
        before.into_iter().for_each(|route| self.tell(Input::Default6Gone(route)));
        after.into_iter().filter(|_| up).for_each(|route| self.tell(Input::Default6(route)));
    }

    pub(crate) fn reconfigure(&mut self, config: Config) {
        self.config = config;
        self.tell(Input::Reconfigure(&config));
    }

    pub(crate) fn clat_v6(&self) -> Option<Ipv6Addr> {
        self.engine.status().clat_v6
    }

    pub(crate) fn clat_v4(&self) -> Option<Ipv4Addr> {
        self.engine.status().clat_v4
    }

    /// The trace since `from`, without the messages that repeat.
    pub(crate) fn lines(&self) -> String {
        let mut text = self.trace.join("\n");
        text.push('\n');
        text
    }
}

/// Compares a trace with the reviewed file; `UPDATE_SNAPSHOTS=1` writes it.
#[track_caller]
pub(crate) fn assert_snapshot(name: &str, found: &str) {
    let path = format!("{}/tests/snapshots/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).expect("the snapshot can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "the trace differs from {path}; review it, then run with UPDATE_SNAPSHOTS=1\n--- expected\n{expected}\n--- found\n{found}"
    );
}
