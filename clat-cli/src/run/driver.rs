//! The control thread: hands what happens to the engine, and does what it says.

use super::brain::Brain;
use super::history::History;
use super::{engine_config, fixed_params, snapshot};
use crate::cli::RunArgs;
use crate::config::Settings;
use crate::control::CallerId;
use crate::control::protocol::{Answer, Request};
use crate::exit::Exit;
use crate::platform::{Event, Host, Notice};
use clat_engine::{Action, Config, Input, Instant, State, Step, StepError, StepId, TranslatorParams};
use std::collections::VecDeque;
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Undoing all changes takes no longer, or the rest is left to the journal.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A running instance.
#[derive(Debug)]
pub(crate) struct Driver<H> {
    pub(super) host: H,
    pub(super) brain: Brain,
    pub(super) history: History,
    pub(super) started: Instant,
    settings: Settings,
    args: RunArgs,
    /// What the engine goes by.
    config: Config,
    /// What the engine said and is not done yet.
    todo: VecDeque<Action>,
    /// The parameters in force.
    active: Option<TranslatorParams>,
    /// Who is told when everything is undone.
    stopping: Vec<CallerId>,
    stop_by: Option<Instant>,
    finished: bool,
    left_behind: bool,
    failed: bool,
}

/// An event that is not for the engine alone.
#[derive(Debug)]
enum Mine {
    Links,
    Request(CallerId, Request),
    Note(String),
    Fatal(String),
    Reload,
    Stop,
}

impl<H: Host> Driver<H> {
    /// An instance that is about to begin.
    pub(crate) fn new(host: H, brain: Brain, settings: Settings, args: RunArgs) -> Self {
        Self {
            started: host.now(),
            config: engine_config(&settings, &host),
            host,
            brain,
            history: History::default(),
            settings,
            args,
            todo: VecDeque::new(),
            active: None,
            stopping: Vec::new(),
            stop_by: None,
            finished: false,
            left_behind: false,
            failed: false,
        }
    }

    /// Runs until somebody stops it.
    pub(crate) fn run(mut self) -> anyhow::Result<Exit> {
        self.begin();
        self.host.notify(Notice::Ready);
        while !self.finished {
            self.turn(None)?;
        }
        Ok(self.end())
    }

    /// Runs for as long as `enough` does not hold, at most for `limit`.
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut enough: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<()> {
        self.begin();
        let end = self.host.now() + limit;
        while !self.finished && !enough(self) && self.host.now() < end {
            self.turn(Some(end))?;
        }
        Ok(())
    }

    /// What is left when it is over.
    pub(crate) fn into_host(self) -> H {
        self.host
    }

    fn begin(&mut self) {
        self.brain.begin(&mut self.todo);
        self.work();
    }

    /// Waits once, and does what is to be done.
    fn turn(&mut self, until: Option<Instant>) -> anyhow::Result<()> {
        let events = self.wait(until)?;
        self.work();
        for event in events {
            self.handle(event);
            self.work();
        }
        self.watch_stop();
        Ok(())
    }

    /// Waits, hands inputs to the engine as they come, and returns what is for the driver itself.
    fn wait(&mut self, until: Option<Instant>) -> anyhow::Result<Vec<Mine>> {
        let until = [until, self.brain.poll_timeout(), self.stop_by].into_iter().flatten().min();
        let (brain, todo, mut mine) = (&mut self.brain, &mut self.todo, Vec::new());
        self.host.wait(until, &mut |now, event| match event {
            Event::Input(input) => {
                if matches!(input, Input::Link(_) | Input::LinkGone(_)) {
                    mine.push(Mine::Links);
                }
                brain.handle_input(now, input, todo);
            }
            Event::Request(caller, request) => mine.push(Mine::Request(caller, request)),
            Event::Note(text) => mine.push(Mine::Note(text)),
            Event::Fatal(text) => mine.push(Mine::Fatal(text)),
            Event::Reload => mine.push(Mine::Reload),
            Event::Stop => mine.push(Mine::Stop),
        })?;
        if self.active.is_some() {
            self.tell(Input::Returned(self.host.returned()));
        }
        self.tell(Input::Timer);
        Ok(mine)
    }

    fn tell(&mut self, input: Input<'_>) {
        self.brain.handle_input(self.host.now(), input, &mut self.todo);
    }

    fn handle(&mut self, event: Mine) {
        match event {
            Mine::Links => self.follow_uplink_name(),
            Mine::Request(caller, Request::Status) => {
                let status = snapshot::status(self);
                self.host.answer(caller, &Answer::Status(Box::new(status)));
            }
            Mine::Request(caller, Request::Reload) => {
                let answer = self.reload();
                self.host.answer(caller, &answer);
            }
            Mine::Request(caller, Request::Stop) => {
                self.stopping.push(caller);
                self.stop();
            }
            Mine::Note(text) => self.warn(&text),
            Mine::Fatal(text) => {
                error!("{text}");
                self.failed = true;
                self.stop();
            }
            Mine::Reload => drop(self.reload()),
            Mine::Stop => self.stop(),
        }
    }

    /// Does everything that the engine said, answers included.
    fn work(&mut self) {
        while let Some(action) = self.todo.pop_front() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Apply(id, step) => self.apply(id, &step),
            Action::Undo(id, step) => self.undo(id, &step),
            Action::Activate(params) => self.activate(&params),
            Action::Deactivate => {
                self.active = None;
                self.host.deactivate();
            }
            Action::SendIcmpv6(message) => self.host.send_icmpv6(&message),
            Action::QueryDns(query) => self.host.query_dns(&query),
            Action::Probe(probe) => self.host.probe(&probe),
            Action::Uplink(ifindex) => {
                debug!(?ifindex, "uplink of frames");
                self.host.uplink(ifindex);
            }
            Action::NextHop(mac) => {
                debug!(?mac, "next hop");
                self.host.next_hop(mac);
            }
            Action::Transition { from, to, reason } => self.transition(from, to, reason),
            Action::SelfTest(test) => match test.failed {
                None => info!("self-test passed: the whole path works"),
                Some(leg) => warn!("self-test: {}: {}", leg.as_str(), leg.describe()),
            },
            Action::Warn(warning) => self.warn(&warning.to_string()),
            Action::Finished => self.finished = true,
        }
    }

    fn apply(&mut self, id: StepId, step: &Step) {
        let result = self.host.apply(id, step);
        debug!(%step, ?result, "apply");
        self.tell_outcome(id, result);
    }

    fn undo(&mut self, id: StepId, step: &Step) {
        let result = self.host.undo(id, step);
        debug!(%step, ?result, "undo");
        self.left_behind |= result.is_err();
        self.tell_outcome(id, result);
    }

    fn tell_outcome(&mut self, id: StepId, result: Result<(), StepError>) {
        self.tell(match result {
            Ok(()) => Input::StepDone(id),
            Err(error) => Input::StepFailed(id, error),
        });
    }

    fn activate(&mut self, params: &TranslatorParams) {
        info!(
            "translating: {} is {}, the rest of IPv4 is behind {}; MTU {} (IPv4), {} (IPv6)",
            params.clat_v4, params.clat_v6, params.pref64, params.v4_mtu, params.v6_mtu
        );
        self.active = Some(*params);
        self.host.activate(params, &self.settings.policy);
    }

    fn transition(&mut self, from: State, to: State, reason: clat_engine::Reason) {
        self.history.transition(from, to, reason);
        info!("{from} -> {to}: {reason}");
        self.host.notify(Notice::Status(&format!("{to}: {reason}")));
    }

    fn warn(&mut self, text: &str) {
        if self.history.warning(text) {
            warn!("{text}");
        }
    }

    /// The uplink is configured by name, the engine knows numbers: an interface that comes back has another.
    fn follow_uplink_name(&mut self) {
        if self.settings.uplink.is_some() && matches!(self.brain, Brain::Engine(_)) {
            self.reconfigure();
        }
    }

    fn reconfigure(&mut self) {
        let config = engine_config(&self.settings, &self.host);
        if config == self.config && matches!(self.brain, Brain::Engine(_)) {
            return;
        }
        self.config = config;
        let params = fixed_params(&self.settings, &self.host);
        self.brain.reconfigure(self.host.now(), &config, params, &mut self.todo);
    }

    fn reload(&mut self) -> Answer {
        self.host.notify(Notice::Reloading);
        let answer = match self.settings.again(&self.args) {
            Ok(settings) => self.take_over(settings),
            Err(error) => {
                error!("the configuration stays as it was: {error:#}");
                Answer::Error(format!("the configuration stays as it was: {error:#}"))
            }
        };
        self.host.notify(Notice::Ready);
        answer
    }

    fn take_over(&mut self, mut settings: Settings) -> Answer {
        let restart = settings.keep_what_needs_a_restart(&self.settings);
        self.settings = settings;
        self.reconfigure();
        if let Some(params) = self.active {
            self.host.activate(&params, &self.settings.policy);
        }
        let text = match restart.is_empty() {
            true => "configuration read again".to_owned(),
            false => format!("configuration read again; a restart is needed for: {}", restart.join(", ")),
        };
        info!("{text}");
        Answer::Ok(text)
    }

    fn stop(&mut self) {
        if self.stop_by.is_some() {
            return;
        }
        info!("stopping");
        self.host.notify(Notice::Stopping);
        self.stop_by = Some(self.host.now() + STOP_LIMIT);
        self.tell(Input::Stop);
    }

    fn watch_stop(&mut self) {
        if self.stop_by.is_some_and(|by| self.host.now() >= by) {
            error!("some changes could not be undone in time: `clat-cli stop --recover` tries again");
            self.left_behind = true;
            self.finished = true;
        }
    }

    fn end(mut self) -> Exit {
        if let Err(error) = self.host.close() {
            error!("{error:#}");
            self.left_behind = true;
        }
        let answer = match self.left_behind {
            false => Answer::Ok("stopped; every change to this host is undone".to_owned()),
            true => Answer::Error("stopped; some changes could not be undone (see the log)".to_owned()),
        };
        for caller in std::mem::take(&mut self.stopping) {
            self.host.answer(caller, &answer);
        }
        info!("stopped");
        if self.left_behind || self.failed { Exit::Failure } else { Exit::Success }
    }
}
