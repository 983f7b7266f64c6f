//! What the control loop asks of this machine.

use super::data::DataPath;
use super::senses::Senses;
use super::signals::Signal;
use super::{Linux, NO_PLAN, interfaces, secret, told, told_only};
use crate::control::CallerId;
use crate::control::paths::StateDir;
use crate::control::protocol::Answer;
use crate::platform::{Event, Host, Notice};
use crate::status::model::{Counters, Device, Dropped};
use clat_core::Policy;
use clat_engine::{
    DnsQuery, Icmpv6Out, IfIndex, Input, Instant, Mac, Probe, Returned, Step, StepError, StepId,
    TranslatorParams,
};
use clat_linux::plan::Plan;
use rustix::time::{ClockId, clock_gettime};
use tracing::debug;

impl Host for Linux {
    fn now(&self) -> Instant {
        let time = clock_gettime(ClockId::Boottime);
        let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
        Instant::from_millis(seconds * 1000 + nanos / 1_000_000)
    }

    fn wait(
        &mut self,
        until: Option<Instant>,
        sink: &mut dyn FnMut(Instant, Event<'_>),
    ) -> anyhow::Result<()> {
        let due = !self.notes.is_empty() || self.senses.as_ref().is_some_and(Senses::is_due);
        if !due {
            if std::mem::take(&mut self.settled) {
                self.code.give_back();
            }
            self.poll(until)?;
        }
        self.notifier.alive();
        let now = self.now();
        for note in self.notes.drain(..) {
            sink(now, Event::Note(note));
        }
        let mut fell = false;
        if let Some(senses) = &mut self.senses {
            senses.read(&mut |input| {
                fell |= may_take_steps_along(&input);
                sink(now, Event::Input(input));
            })?;
        }
        if let Some(plan) = self.plan.as_mut().filter(|_| fell) {
            plan.lost().into_iter().for_each(|id| sink(now, Event::Input(Input::StepLost(id))));
        }
        if let Some(end) = self.replay_end() {
            sink(now, end);
        } else if let Some(text) = self.data_path_end() {
            // The engine opens another one; where others configure the host, they would have to as well.
            let again = self.plan.is_some();
            sink(now, if again { Event::Note(text) } else { Event::Fatal(text) });
            sink(now, Event::Input(Input::DeviceLost));
        }
        for signal in self.signals.take() {
            sink(
                now,
                match signal {
                    Signal::Stop => Event::Stop,
                    Signal::Reload => Event::Reload,
                },
            );
        }
        self.server.serve(&mut |caller, request| sink(now, Event::Request(caller, request)));
        Ok(())
    }

    fn apply(&mut self, id: StepId, step: &Step) -> Result<(), StepError> {
        let Some(plan) = &mut self.plan else { return Err(NO_PLAN) };
        plan.apply(id, *step).map_err(|e| told(&e))?;
        if *step == Step::OpenDevice {
            self.open_device(id)?;
        }
        Ok(())
    }

    fn undo(&mut self, id: StepId, step: &Step) -> Result<(), StepError> {
        if *step == Step::OpenDevice {
            told_only(self.close_device());
        }
        let Some(plan) = &mut self.plan else { return Err(NO_PLAN) };
        plan.undo(id).map(|found| debug!(?found, "undone")).map_err(|e| told(&e))
    }

    fn activate(&mut self, params: &TranslatorParams, policy: &Policy) {
        self.active = Some(*params);
        self.settled = true;
        if let Some(data) = &self.data {
            data.activate(params, policy);
            if let (Some(senses), Some(device)) = (&mut self.senses, data.name()) {
                senses.listen_behind(device, params);
            }
        }
    }

    fn deactivate(&mut self) {
        self.active = None;
        if let Some(data) = &self.data {
            data.deactivate();
        }
    }

    fn send_icmpv6(&mut self, message: &Icmpv6Out) {
        if let Some(senses) = &mut self.senses {
            senses.send_icmpv6(message);
        }
    }

    fn uplink(&mut self, ifindex: Option<IfIndex>) {
        if let Some(frames) = self.senses.as_mut().and_then(Senses::frames) {
            frames.follow(ifindex);
        }
    }

    fn next_hop(&mut self, mac: Option<Mac>) {
        if let Some(frames) = self.senses.as_mut().and_then(Senses::frames) {
            frames.set_next_hop(mac);
        }
    }

    fn query_dns(&mut self, query: &DnsQuery) {
        if let Some(senses) = &mut self.senses {
            senses.query_dns(query);
        }
    }

    fn probe(&mut self, probe: &Probe) {
        let device = self.data.as_ref().and_then(DataPath::name);
        if let (Some(senses), Some(device), Some(params)) = (&mut self.senses, device, &self.active) {
            senses.probe(device, params, probe);
        }
    }

    fn secret(&self) -> [u8; 16] {
        secret::of_machine(StateDir::here(self.settings.state_dir.as_deref()).path())
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn interface_name(&self, index: IfIndex) -> Option<String> {
        interfaces::name(index)
    }

    fn interface_index(&self, name: &str) -> Option<IfIndex> {
        interfaces::index(name)
    }

    fn interface_mtu(&self, name: &str) -> Option<u32> {
        interfaces::mtu(name)
    }

    fn device(&self) -> Option<Device> {
        let mut device = self.data.as_ref().and_then(DataPath::device)?;
        // Somebody may have renamed it.
        if let Some(name) = interfaces::name(device.index) {
            device.name = name;
        }
        Some(device)
    }

    fn returned(&self) -> Returned {
        let totals = self.data.as_ref().map(DataPath::totals);
        totals.map_or_else(Returned::default, |t| Returned {
            packets: t.returned,
            icmp_fragments: t.icmp_fragments,
        })
    }

    fn counters(&self) -> Counters {
        let mut sum = self.past.clone();
        if let Some(data) = &self.data {
            sum.add(&data.counters());
        }
        sum.lost += self.senses.as_ref().map_or(0, Senses::lost);
        sum
    }

    fn last_drops(&self) -> Vec<Dropped> {
        self.data.as_ref().map(DataPath::last_drops).unwrap_or_default()
    }

    fn answer(&mut self, caller: CallerId, answer: &Answer) {
        self.server.answer(caller, answer);
    }

    fn notify(&mut self, notice: Notice<'_>) {
        self.notifier.notify(notice);
    }

    fn close(&mut self) -> anyhow::Result<()> {
        let closed = self.plan.take().map(Plan::close).transpose();
        told_only(self.close_device());
        closed?;
        Ok(())
    }
}

/// Whether routes and entries of ours may have gone with what is gone.
const fn may_take_steps_along(input: &Input<'_>) -> bool {
    matches!(
        input,
        Input::Address6Gone { .. }
            | Input::Address4Gone { .. }
            | Input::Default4Gone(_)
            | Input::Default6Gone(_)
            | Input::Synced
    )
}
