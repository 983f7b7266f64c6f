//! What the control loop asks of this machine.

use super::replay::Replay;
use super::wake::Wake;
use super::{NO_PLAN, PROBE_WAIT, Windows, aside, data, service};
use crate::control::CallerId;
use crate::control::protocol::Answer;
use crate::platform::{Event, Host, Notice};
use crate::status::model::{Counters, Device, Dropped};
use anyhow::bail;
use clat_core::Policy;
use clat_engine::{
    DnsQuery, Icmpv6Out, IfIndex, Instant, Mac, Probe, Returned, Step, StepError, StepId, TranslatorParams,
};
use clat_windows::{facts, secret, system};
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use tracing::warn;

impl Host for Windows {
    fn now(&self) -> Instant {
        Instant::from_millis(system::uptime_ms())
    }

    fn wait(
        &mut self,
        until: Option<Instant>,
        sink: &mut dyn FnMut(Instant, Event<'_>),
    ) -> anyhow::Result<()> {
        let now = self.now();
        for note in self.notes.drain(..) {
            sink(now, Event::Note(note));
        }
        let look = self.replay.as_ref().and_then(Replay::look_at);
        let next = [until, self.facts_at, self.reopen_at, look].into_iter().flatten().min();
        let patience = next.map_or(Duration::from_secs(60), |at| at.since(now));
        let first = match self.wakes.recv_timeout(patience) {
            Ok(wake) => Some(wake),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => bail!("the queue of events is gone"),
        };
        let now = self.now();
        if let Some(wake) = first {
            self.handle(now, wake, sink);
        }
        while let Ok(wake) = self.wakes.try_recv() {
            self.handle(now, wake, sink);
        }
        self.due(now, sink);
        Ok(())
    }

    fn apply(&mut self, id: StepId, step: &Step) -> Result<(), StepError> {
        if let Some(done) = self.in_process(step) {
            return done;
        }
        let plan = self.plan.as_mut().ok_or(NO_PLAN)?;
        plan.apply(id, *step).inspect_err(|e| warn!("{step}: {e}"))?;
        if *step == Step::OpenDevice {
            self.open_device(id)?;
        }
        Ok(())
    }

    #[allow(clippy::wildcard_enum_match_arm)] // all others are steps of the plan
    fn undo(&mut self, id: StepId, step: &Step) -> Result<(), StepError> {
        match *step {
            Step::JoinGroup { iface: clat_engine::Iface::Index(index), group } => {
                // A socket that is gone has left every group.
                let _ = self.ears.leave(index, group);
                return Ok(());
            }
            Step::AllowNeighbourDiscovery { .. } => {
                self.firewall = None;
                return Ok(());
            }
            Step::OpenDevice => self.close_device(),
            _ => {}
        }
        let plan = self.plan.as_mut().ok_or(NO_PLAN)?;
        plan.undo(id).inspect_err(|e| warn!("undoing {step}: {e}"))
    }

    fn activate(&mut self, params: &TranslatorParams, policy: &Policy) {
        self.active = Some(*params);
        if let Some(frames) = &self.frames {
            frames.translate_for(Some(params.clat_v6));
        }
        if let Some(data) = &self.data {
            data.set_translator(Some(data::translator(params, policy)));
        }
        let now = self.now();
        if let Some(replay) = &mut self.replay {
            replay.activate(now, params, policy);
        }
    }

    fn deactivate(&mut self) {
        self.active = None;
        if let Some(frames) = &self.frames {
            frames.translate_for(None);
        }
        if let Some(data) = &self.data {
            data.set_translator(None);
        }
        if let Some(replay) = &mut self.replay {
            replay.deactivate();
        }
    }

    fn send_icmpv6(&mut self, message: &Icmpv6Out) {
        match &mut self.frames {
            Some(frames) => frames.send(message),
            None => self.ears.send(message),
        }
    }

    fn next_hop(&mut self, mac: Option<Mac>) {
        if let Some(frames) = &self.frames {
            frames.next_hop(mac);
        }
    }

    fn query_dns(&mut self, query: &DnsQuery) {
        let now = self.now();
        self.dns.ask(now, query);
    }

    fn probe(&mut self, probe: &Probe) {
        let Some(active) = self.active else { return };
        let (waker, probe) = (self.waker.clone(), *probe);
        aside("clat probe", move || {
            if let Some(echo) = system::echo(active.clat_v4, probe.target, probe.ttl, probe.size, PROBE_WAIT)
            {
                // The control thread is gone.
                let _ = waker.send(Wake::Probe {
                    sequence: probe.sequence,
                    from: echo.from,
                    echo_reply: echo.reply,
                });
            }
        });
    }

    fn secret(&self) -> [u8; 16] {
        self.secret
    }

    fn seed(&self) -> u64 {
        secret::seed()
    }

    fn interface_name(&self, index: IfIndex) -> Option<String> {
        facts::name(index)
    }

    fn interface_index(&self, name: &str) -> Option<IfIndex> {
        facts::index(name)
    }

    fn interface_mtu(&self, name: &str) -> Option<u32> {
        // Wine has no such call: without configuration the default will do.
        system::missing_ip_helper().is_empty().then(|| facts::mtu(name)).flatten()
    }

    fn device(&self) -> Option<Device> {
        let ours = self.data.as_ref().map(|data| data::device(data.name(), data.luid()));
        ours.or_else(|| self.replay.as_ref().and_then(Replay::device))
    }

    fn returned(&self) -> Returned {
        let Some(counted) = self.counted() else { return Returned::default() };
        let [packets, icmp_fragments] =
            [&counted.returned, &counted.icmp_fragments].map(|counter| counter.load(Ordering::Relaxed));
        Returned { packets, icmp_fragments }
    }

    fn counters(&self) -> Counters {
        let mut sum = self.past.clone();
        if let Some(counted) = self.counted() {
            sum.add(&data::counters(counted));
        }
        sum
    }

    fn last_drops(&self) -> Vec<Dropped> {
        self.counted().map(data::last_drops).unwrap_or_default()
    }

    fn answer(&mut self, caller: CallerId, answer: &Answer) {
        self.server.answer(caller, answer);
    }

    fn notify(&mut self, notice: Notice<'_>) {
        service::notify(notice);
    }

    fn close(&mut self) -> anyhow::Result<()> {
        let left = self.plan.as_mut().map(|plan| plan.undo_all().failed).unwrap_or_default();
        self.close_device();
        self.close_replay();
        self.firewall = None;
        if left.is_empty() {
            return Ok(());
        }
        let lines = left.iter().map(|(step, why)| format!("could not undo: {step}: {why}"));
        bail!("{}", lines.collect::<Vec<_>>().join("\n"))
    }
}
