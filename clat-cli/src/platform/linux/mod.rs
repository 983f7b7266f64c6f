//! Linux: the TUN and its threads, the kernel's tables, sockets and signals behind [`Host`].

mod data;
pub(crate) mod doctor;
mod host;
mod interfaces;
mod notify;
mod secret;
mod senses;
mod signals;
mod uplink;

use super::{Event, Host};
use crate::capture::{Capture, Limits};
use crate::cli::Source;
use crate::config::{Metrics, Settings};
use crate::control::paths::{Residence, StateDir};
use crate::control::server::Server;
use crate::replay::{self, Summary};
use crate::status::model::Counters;
use anyhow::{Context, anyhow};
use clat_engine::{Instant, ReturnPath, StepError, StepErrorKind, StepId, TranslatorParams};
use clat_linux::Code;
use clat_linux::device::{OpenError, Tun};
use clat_linux::plan::{Plan, PlanError};
use clat_linux::privileges::{Needs, give_up};
use clat_linux::pump::PumpError;
use data::DataPath;
use notify::Notifier;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use senses::Senses;
use signals::Signals;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::{debug, error, info, warn};
use uplink::Frames;

/// No step is ever asked for where others configure the host.
const NO_PLAN: StepError = StepError { kind: StepErrorKind::Unsupported, code: 0 };

/// Says the whole of an error, and gives the engine what it needs of it.
fn told(error: &PlanError) -> StepError {
    warn!("{error}");
    error.into()
}

/// The kernel answers for the CLAT address and forwards to the device.
pub(crate) const RETURN_PATH: ReturnPath = ReturnPath::Proxy;

/// A device that is closed anyway: why its threads had ended is of no use any more.
fn told_only(closed: Result<(), PumpError>) {
    if let Err(error) = closed {
        debug!("data path: {error}");
    }
}

/// This machine.
#[derive(Debug)]
pub(crate) struct Linux {
    data: Option<DataPath>,
    /// Behind the data path, whose threads hold its taps.
    capture: Option<Capture>,
    server: Server,
    signals: Signals,
    notifier: Notifier,
    notes: Vec<String>,
    settings: Settings,
    /// What is to be said of a replay.
    summary: Option<Summary>,
    /// The changes to this host; none where others make them.
    plan: Option<Plan>,
    /// What is heard of the network; nothing where others configure the host.
    senses: Option<Senses>,
    active: Option<TranslatorParams>,
    /// What earlier devices of this instance counted.
    past: Counters,
    seed: u64,
    /// The program's code, to be taken out of memory once it translates.
    code: Code,
    /// It began to translate since the control thread last waited.
    settled: bool,
    /// Behind all that is in the folder.
    residence: Option<Residence>,
}

/// Gets hold of everything that is needed before the first packet.
pub(crate) fn open(settings: &Settings) -> anyhow::Result<Linux> {
    let signals = Signals::catch().context("signals")?;
    let dir = StateDir::here(settings.state_dir.as_deref());
    let recording = replay::open(settings)?;
    let (tun, plan) = match (settings.configure, settings.device) {
        (false, false) => (None, None),
        (false, true) => (Some(data::open_device(settings).map_err(|e| without_device(settings, &e))?), None),
        (true, _) => (None, Some(open_plan(&dir)?)),
    };
    let mut host = Linux::new(settings, plan, signals);
    host.residence = Some(Residence(dir.clone()));
    if settings.configure {
        host.listen()?;
    }
    // A replay beside a running instance leaves its doors alone.
    if recording.is_none() || settings.state_dir.is_some() {
        host.open_doors(&dir);
    }
    let capture = settings.capture.as_deref().map(|path| Capture::create(path, Limits::default()));
    host.capture = capture.transpose()?;
    host.code = Code::find().unwrap_or_default();
    if settings.configure {
        spare_descriptors(settings)?;
    }
    if settings.sandbox {
        host.notes.extend(give_up(&needs(settings, &dir)));
    }
    // Threads have the rights of the one that starts them.
    host.data = match (recording, tun) {
        (Some((recorded, summary)), tun) => {
            if let Some(name) = tun.as_ref().map(Tun::name) {
                info!("the capture is played when {name} is up: ip link set {name} up");
            }
            host.summary = Some(summary);
            Some(DataPath::replay(tun, host.capture.as_mut(), (recorded, replay::pace(settings)))?)
        }
        (None, Some(tun)) => Some(DataPath::start(tun, host.capture.as_mut(), None)?),
        (None, None) => None,
    };
    Ok(host)
}

fn without_device(settings: &Settings, error: &OpenError) -> anyhow::Error {
    match settings.source {
        Source::Replay(_) => anyhow!("{error}. --capture FILE.pcapng without --tun needs no device"),
        Source::Routed | Source::Pcap => anyhow!("{error}"),
    }
}

/// Makes sure of descriptors for the device, switches and callers: without them changes to the host might neither be
/// finished nor taken back.
fn spare_descriptors(settings: &Settings) -> anyhow::Result<()> {
    const SPARE: usize = 12;
    let wanted = SPARE + 2 * usize::from(settings.queues);
    let spare: std::io::Result<Vec<_>> = (0..wanted).map(|_| std::fs::File::open("/dev/null")).collect();
    let advice = "nothing is changed on this host without spare descriptors; raise the limit (ulimit -n, LimitNOFILE=)";
    spare.map(drop).context(advice)
}

/// The files that are used after the start.
fn needs(settings: &Settings, dir: &StateDir) -> Needs {
    let parent = |path: &Path| path.parent().map(Path::to_owned);
    let metrics = match &settings.metrics {
        Some(Metrics::Unix(path)) => parent(path),
        Some(Metrics::Loopback(_)) | None => None,
    };
    let capture = settings.capture.as_deref().and_then(parent);
    let write = [Some(dir.path().to_owned()), metrics, capture];
    let config = settings.file.as_deref().and_then(parent);
    let absolute = |path: PathBuf| if path.as_os_str().is_empty() { ".".into() } else { path };
    Needs {
        write: write.into_iter().flatten().map(absolute).collect(),
        read: config.into_iter().map(absolute).collect(),
        frames: settings.source == Source::Pcap,
        empty: dir.path().parent().filter(|_| dir.is_left_empty()).map(Path::to_owned).into_iter().collect(),
    }
}

/// Gets hold of what is needed to look and to listen.
pub(crate) fn look(settings: &Settings) -> anyhow::Result<Linux> {
    let mut host = Linux::new(settings, None, Signals::catch().context("signals")?);
    host.listen()?;
    Ok(host)
}

/// Puts back what a dead instance has left, and says what became of it.
pub(crate) fn recover(dir: &StateDir) -> anyhow::Result<Vec<String>> {
    create(dir)?;
    let (plan, recovery) = Plan::open(dir.path())?;
    dir.clear();
    plan.close()?;
    dir.leave();
    let failed = recovery.failed.iter().map(|(change, why)| format!("could not undo: {change}: {why}"));
    if !recovery.failed.is_empty() {
        anyhow::bail!("{}", failed.collect::<Vec<_>>().join("\n"));
    }
    let restored = recovery.restored.iter().map(|change| format!("undone: {change}"));
    Ok(restored.chain(recovery.left.iter().map(|change| format!("nothing to do: {change}"))).collect())
}

fn create(dir: &StateDir) -> anyhow::Result<()> {
    dir.create().with_context(|| format!("{}: the journal needs this folder", dir.path().display()))
}

fn open_plan(dir: &StateDir) -> anyhow::Result<Plan> {
    create(dir)?;
    let (plan, recovery) = Plan::open(dir.path())?;
    for change in &recovery.restored {
        info!("a crashed instance left this, now undone: {change}");
    }
    for (change, why) in &recovery.failed {
        warn!("a crashed instance left this, and it cannot be undone: {change}: {why}");
    }
    Ok(plan)
}

impl Linux {
    fn new(settings: &Settings, plan: Option<Plan>, signals: Signals) -> Self {
        Self {
            data: None,
            capture: None,
            server: Server::default(),
            signals,
            notifier: Notifier::from_environment(),
            notes: Vec::new(),
            settings: settings.clone(),
            summary: None,
            plan,
            senses: None,
            active: None,
            past: Counters::default(),
            seed: u64::from_ne_bytes(secret::random()),
            code: Code::default(),
            settled: false,
            residence: None,
        }
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        let identifier = u16::from_ne_bytes(secret::random());
        self.senses = Some(Senses::open(identifier, &self.settings, &mut self.notes)?);
        Ok(())
    }

    fn open_doors(&mut self, dir: &StateDir) {
        if let Err(e) = self.server.open(dir) {
            self.notes.push(format!(
                "{}: {e}. `status` and `stop` cannot reach this instance",
                dir.path().display()
            ));
        }
        if let Some(at) = &self.settings.metrics
            && let Err(e) = self.server.open_metrics(at)
        {
            self.notes.push(format!("metrics: {e}. They are not served"));
        }
    }

    fn open_device(&mut self, id: StepId) -> Result<(), StepError> {
        let plan = self.plan.as_mut().ok_or(NO_PLAN)?;
        let transient = |text: String| (StepErrorKind::Transient, text);
        let frames = self.senses.as_mut().and_then(Senses::frames);
        let uplink = frames.map(Frames::connect).transpose().map_err(|e| transient(format!("{e:#}")));
        let started = uplink.and_then(|uplink| {
            let tun =
                data::open_device(&self.settings).map_err(|e| (data::failure_kind(&e), e.to_string()))?;
            DataPath::start(tun, self.capture.as_mut(), uplink).map_err(|e| transient(e.to_string()))
        });
        match started {
            Ok(data) => {
                plan.set_device(data.ifindex());
                if let Some(senses) = &mut self.senses {
                    senses.set_device(data.ifindex());
                }
                self.data = Some(data);
                Ok(())
            }
            Err((kind, text)) => {
                error!("{text}");
                let _ = plan.undo(id);
                if let Some(frames) = self.senses.as_mut().and_then(Senses::frames) {
                    frames.hang_up();
                }
                Err(StepError { kind, code: 0 })
            }
        }
    }

    fn close_device(&mut self) -> Result<(), PumpError> {
        let Some(data) = self.data.take() else { return Ok(()) };
        self.past.add(&data.counters());
        if let Some(frames) = self.senses.as_mut().and_then(Senses::frames) {
            frames.hang_up();
        }
        if let Some(summary) = self.summary.take() {
            data.tell(&summary);
        }
        if let Some(plan) = &mut self.plan {
            plan.set_device(None);
        }
        if let Some(senses) = &mut self.senses {
            senses.set_device(None);
        }
        data.close()
    }

    /// Waits for the first thing to happen.
    fn poll(&self, until: Option<Instant>) -> anyhow::Result<()> {
        let ours = self.signals.descriptors().into_iter().chain(self.data.as_ref().map(DataPath::ended));
        let ours = ours.chain(self.senses.iter().flat_map(Senses::descriptors));
        let mut fds: Vec<_> = ours.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        for (fd, writes) in self.server.descriptors() {
            let wanted = if writes { PollFlags::OUT } else { PollFlags::IN };
            fds.push(PollFd::from_borrowed_fd(fd, wanted));
        }
        let timeout = self.timeout(until);
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e).context("poll"),
        }
    }

    /// The end of a replay, once it has come.
    fn replay_end(&mut self) -> Option<Event<'static>> {
        let replays = matches!(self.settings.source, Source::Replay(_));
        if !replays || !self.data.as_ref()?.has_ended() {
            return None;
        }
        Some(self.close_device().map_or_else(|e| Event::Fatal(e.to_string()), |()| Event::Stop))
    }

    /// Why the data path ended by itself, if it did.
    fn data_path_end(&mut self) -> Option<String> {
        if !self.data.as_ref()?.has_ended() {
            return None;
        }
        let ended = self.close_device();
        Some(ended.err().map_or_else(|| "the data threads ended".to_owned(), |e| e.to_string()))
    }

    fn timeout(&self, until: Option<Instant>) -> Option<Timespec> {
        let engine = until.map(|at| at.since(self.now()));
        let now = std::time::Instant::now();
        let server =
            self.server.deadline().map(|at| at.saturating_duration_since(now) + Duration::from_millis(1));
        let least = [engine, server, self.notifier.interval()].into_iter().flatten().min()?;
        Timespec::try_from(least).ok()
    }
}
