//! Windows: the Wintun adapter and its thread, IP Helper, sockets, pipes and the service behind [`Host`].

mod data;
mod device;
mod dns;
pub(crate) mod doctor;
mod ears;
pub(crate) mod eventlog;
mod frames;
mod host;
mod replay;
pub(crate) mod service;
mod waiting;
mod wake;

use super::{Event, Host};
use crate::capture::{Capture, Limits};
use crate::config::Settings;
use crate::control::paths::StateDir;
use crate::control::server::Server;
use crate::status::model::Counters;
use anyhow::bail;
use clat_engine::{
    Icmpv6In, IfIndex, Input, Instant, OtherClat, ProbeAnswer, ReturnPath, Step, StepError, StepErrorKind,
    TranslatorParams,
};
use clat_windows::data::DataPath;
use clat_windows::firewall::NeighbourDiscoveryAllowed;
use clat_windows::plan::Plan;
use clat_windows::watch::Watch;
use clat_windows::{facts, native_clat, secret, system};
use dns::Asker;
use ears::Ears;
use frames::Frames;
use replay::Replay;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;
use tracing::{debug, info, warn};
use wake::{Messages, Wake};

/// Nothing answers for the CLAT address but what we send.
pub(crate) const RETURN_PATH: ReturnPath = ReturnPath::Announce;

/// Windows tells one change in many calls: facts are read when it has been quiet for this long.
const QUIET_MS: u64 = 100;

/// Facts are read again after this long in any case: a notification may get lost.
const AGAIN_MS: u64 = 30_000;

/// How long an answer to a probe may take; the engine's own patience is shorter or the same.
const PROBE_WAIT: Duration = Duration::from_secs(3);

/// No step is ever asked for where others configure the host.
const NO_PLAN: StepError = StepError { kind: StepErrorKind::Unsupported, code: 0 };

/// This machine.
#[derive(Debug)]
pub(crate) struct Windows {
    data: Option<DataPath>,
    /// A capture in place of the network.
    replay: Option<Replay>,
    /// Behind the data path, whose thread holds its tap.
    capture: Option<Capture>,
    server: Server,
    settings: Settings,
    /// The changes to this machine; none where others make them.
    plan: Option<Plan>,
    ears: Ears,
    dns: Asker,
    /// Where IPv6 goes as frames.
    frames: Option<Frames>,
    firewall: Option<NeighbourDiscoveryAllowed>,
    wakes: Receiver<Wake>,
    waker: Sender<Wake>,
    /// Held, so that changes are told.
    watch: Option<Watch>,
    notes: Vec<String>,
    /// When to read the facts; never where nothing is configured.
    facts_at: Option<Instant>,
    /// When to try to make the adapter again.
    reopen_at: Option<Instant>,
    active: Option<TranslatorParams>,
    /// The interface on which Windows itself translates.
    other_clat: Option<IfIndex>,
    /// What earlier adapters of this instance counted.
    past: Counters,
    secret: [u8; 16],
}

/// Gets hold of everything that is needed before the first packet.
pub(crate) fn open(settings: &Settings) -> anyhow::Result<Windows> {
    let dir = StateDir::here(settings.state_dir.as_deref());
    let recording = crate::replay::open(settings)?;
    let mut host = Windows::new(settings);
    let capture = settings.capture.as_deref().map(|path| Capture::create(path, Limits::default()));
    host.capture = capture.transpose()?;
    // A replay beside a running instance leaves its doors alone.
    let doors = recording.is_none() || settings.state_dir.is_some();
    host.frames = Frames::open(settings, Messages::new(host.waker.clone()))?;
    if settings.configure {
        host.plan = Some(open_plan(&dir)?);
        host.secret = secret::load(dir.path()).unwrap_or_else(|e| {
            warn!("the key of the CLAT address cannot be kept ({e}): the address changes at the next start");
            host.secret
        });
        host.watch();
    } else if let Some(recording) = recording {
        host.replay = Some(host.open_replay(recording)?);
    } else {
        host.data = Some(host.open_data()?);
    }
    if doors {
        host.open_doors(&dir);
    }
    Ok(host)
}

/// Gets hold of what is needed to look and to listen.
pub(crate) fn look(settings: &Settings) -> anyhow::Result<Windows> {
    let mut host = Windows::new(settings);
    host.watch();
    Ok(host)
}

/// Puts back what a dead instance has left, and says what became of it.
pub(crate) fn recover(dir: &StateDir) -> anyhow::Result<Vec<String>> {
    let (_, recovery) = Plan::open(dir.path())?;
    if !recovery.failed.is_empty() {
        let failed = recovery.failed.iter().map(|(step, why)| format!("could not undo: {step}: {why}"));
        bail!("{}", failed.collect::<Vec<_>>().join("\n"));
    }
    Ok(recovery.undone.iter().map(|step| format!("undone: {step}")).collect())
}

fn open_plan(dir: &StateDir) -> anyhow::Result<Plan> {
    let missing = system::missing_ip_helper();
    if !missing.is_empty() {
        bail!(
            "this system cannot set addresses and routes: {} functions of IP Helper are missing, {} the first of them \
             (Wine has none). `clat-cli run --no-configure` leaves both to others",
            missing.len(),
            missing.first().copied().unwrap_or_default()
        );
    }
    let (plan, recovery) = Plan::open(dir.path())?;
    for step in &recovery.undone {
        info!("a crashed instance left this, now undone: {step}");
    }
    for (step, why) in &recovery.failed {
        warn!("a crashed instance left this, and it cannot be undone: {step}: {why}");
    }
    Ok(plan)
}

impl Windows {
    /// A host that has nothing open but its queue of events.
    fn new(settings: &Settings) -> Self {
        let (waker, wakes) = wake::queue();
        if let Err(e) = system::on_end_wanted(|| wake::from_outside(Wake::Stop)) {
            warn!("Ctrl-C ends the program at once: {e}");
        }
        Self {
            data: None,
            replay: None,
            capture: None,
            server: Server::default(),
            settings: settings.clone(),
            plan: None,
            ears: Ears::new(Messages::new(waker.clone()), settings.ra),
            dns: Asker::new(waker.clone(), settings.resolvers.is_empty()),
            frames: None,
            firewall: None,
            watch: None,
            wakes,
            waker,
            notes: Vec::new(),
            facts_at: None,
            reopen_at: None,
            active: None,
            other_clat: None,
            past: Counters::default(),
            secret: secret::random(),
        }
    }

    fn open_doors(&mut self, dir: &StateDir) {
        let waker = self.waker.clone();
        let ask = move |caller, request| {
            // The control thread is gone: nobody is left to answer, and the client hears that.
            let _ = waker.send(Wake::Request(caller, request));
        };
        if let Err(e) = self.server.open(dir, ask.clone()) {
            self.notes.push(format!("control pipes: {e}. `status` and `stop` cannot reach this instance"));
        }
        if let Some(at) = &self.settings.metrics
            && let Err(e) = self.server.open_metrics(at, ask)
        {
            self.notes.push(format!("metrics: {e}. They are not served"));
        }
    }

    fn watch(&mut self) {
        self.facts_at = Some(self.now());
        let waker = self.waker.clone();
        let changed = move || {
            // The control thread is gone.
            let _ = waker.send(Wake::Changed);
        };
        match Watch::start(changed) {
            Ok(watch) => self.watch = Some(watch),
            Err(e) => {
                self.notes.push(format!("no word of network changes ({e}): looked at every 30 seconds"))
            }
        }
    }

    fn tell_facts(&mut self, now: Instant, sink: &mut dyn FnMut(Instant, Event<'_>)) {
        self.facts_at = Some(after(now, AGAIN_MS));
        let own = self.data.as_ref().map(DataPath::luid);
        match facts::interfaces() {
            Ok(all) => {
                let own = own.and_then(|l| l.index().ok());
                let foreign = all.iter().filter(|i| Some(i.index) != own);
                let other = native_clat::find(foreign.map(facts::Interface::seen)).map(|f| f.index);
                self.tell_other_clat(now, other, sink);
                if self.frames.is_none()
                    && let Some(note) = self.ears.follow(&all, own)
                {
                    sink(now, Event::Note(note));
                }
            }
            Err(e) => warn!("interfaces: {e}"),
        }
        if let Err(e) =
            facts::tell(own, &self.settings.resolvers, &mut |input| sink(now, Event::Input(input)))
        {
            warn!("the network's configuration cannot be read: {e}");
        }
    }

    fn tell_other_clat(
        &mut self,
        now: Instant,
        index: Option<IfIndex>,
        sink: &mut dyn FnMut(Instant, Event<'_>),
    ) {
        if index == self.other_clat {
            return;
        }
        for (ifindex, other) in [(self.other_clat, None), (index, Some(OtherClat::Microsoft))] {
            if let Some(ifindex) = ifindex {
                sink(now, Event::Input(Input::OtherClat { ifindex, other }));
            }
        }
        self.other_clat = index;
    }

    fn due(&mut self, now: Instant, sink: &mut dyn FnMut(Instant, Event<'_>)) {
        if self.reopen_at.is_some_and(|at| at <= now) {
            self.reopen(now);
        }
        if self.facts_at.is_some_and(|at| at <= now) {
            self.tell_facts(now, sink);
        }
        if let Some(replay) = &mut self.replay {
            replay.due(now);
        }
    }

    fn handle(&mut self, now: Instant, wake: Wake, sink: &mut dyn FnMut(Instant, Event<'_>)) {
        match wake {
            Wake::Changed => self.facts_at = self.facts_at.map(|at| at.min(after(now, QUIET_MS))),
            Wake::DataEnded => {
                self.data_ended(now);
                if let Some(end) = self.replay_end() {
                    sink(now, end);
                }
            }
            Wake::Stop => sink(now, Event::Stop),
            Wake::Reload => sink(now, Event::Reload),
            Wake::Suspend => sink(now, Event::Input(Input::Suspend)),
            Wake::Resume => {
                sink(now, Event::Input(Input::Resume));
                self.facts_at = self.facts_at.map(|_| now);
            }
            Wake::Request(caller, request) => sink(now, Event::Request(caller, request)),
            Wake::Icmp6(heard) => sink(
                now,
                Event::Input(Input::Icmpv6(Icmpv6In {
                    ifindex: heard.ifindex,
                    source: heard.source,
                    destination: heard.destination,
                    hop_limit: heard.hop_limit,
                    source_mac: heard.mac,
                    message: &heard.message,
                })),
            ),
            Wake::Dns { server, message } => {
                sink(now, Event::Input(Input::DnsReply { server, message: &message }));
            }
            Wake::DnsTold { id, ifindex, told } => {
                self.dns.told(now, (id, ifindex), told, &mut |input| sink(now, Event::Input(input)));
            }
            Wake::Probe { sequence, from, echo_reply } => {
                sink(now, Event::Input(Input::ProbeAnswer(ProbeAnswer { sequence, from, echo_reply })));
            }
        }
    }

    #[allow(clippy::wildcard_enum_match_arm)] // all others are steps of the plan
    fn in_process(&mut self, step: &Step) -> Option<Result<(), StepError>> {
        let done = match *step {
            Step::JoinGroup { iface: clat_engine::Iface::Index(index), group } => {
                self.ears.join(index, group)
            }
            Step::AllowNeighbourDiscovery { .. } => {
                NeighbourDiscoveryAllowed::new().map(|allowed| self.firewall = Some(allowed))
            }
            _ => return None,
        };
        Some(done.map_err(|e| {
            debug!("{step}: {e}");
            StepError { kind: StepErrorKind::Unsupported, code: e.raw_os_error().unwrap_or_default() }
        }))
    }
}

fn after(now: Instant, ms: u64) -> Instant {
    Instant::from_millis(now.as_millis() + ms)
}

/// Runs something that waits for an answer, in a thread of its own.
fn aside(name: &str, body: impl FnOnce() + Send + 'static) {
    if let Err(e) = std::thread::Builder::new().name(name.to_owned()).stack_size(128 << 10).spawn(body) {
        warn!("{name}: no thread: {e}");
    }
}
