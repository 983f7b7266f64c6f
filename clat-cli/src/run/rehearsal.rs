//! A host on which nothing is done: looks and listens, and writes down what would be done.

use crate::control::CallerId;
use crate::control::protocol::Answer;
use crate::platform::{Event, Host, Notice};
use crate::status::model::{Counters, Device, Dropped};
use clat_core::Policy;
use clat_engine::{
    AddressRole, DadOutcome, DnsQuery, Icmpv6Out, IfIndex, Iface, Input, Instant, Probe, Step, StepError,
    StepId, TranslatorParams,
};
use std::net::{IpAddr, Ipv6Addr};

/// A host that is only looked at.
#[derive(Debug)]
pub(crate) struct Rehearsal<H> {
    inner: H,
    /// The steps that would be in force.
    pub(crate) steps: Vec<(StepId, Step)>,
    /// What would be translated with.
    pub(crate) active: Option<TranslatorParams>,
    /// Addresses whose duplicate address detection would be under way.
    claims: Vec<(IfIndex, Ipv6Addr)>,
}

impl<H: Host> Rehearsal<H> {
    /// Looks at this host.
    pub(crate) const fn new(inner: H) -> Self {
        Self { inner, steps: Vec::new(), active: None, claims: Vec::new() }
    }
}

impl<H: Host> Host for Rehearsal<H> {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wait(
        &mut self,
        until: Option<Instant>,
        sink: &mut dyn FnMut(Instant, Event<'_>),
    ) -> anyhow::Result<()> {
        let now = self.now();
        let until = if self.claims.is_empty() { until } else { Some(now) };
        for (ifindex, addr) in self.claims.drain(..) {
            // Nobody is asked; that the address is free is what the rehearsal assumes.
            sink(now, Event::Input(Input::Dad { ifindex, addr, outcome: DadOutcome::Unique }));
        }
        self.inner.wait(until, sink)
    }

    fn apply(&mut self, id: StepId, step: &Step) -> Result<(), StepError> {
        self.steps.push((id, *step));
        if let Step::AddAddress { iface: Iface::Index(index), addr: IpAddr::V6(addr), role, .. } = step
            && *role == AddressRole::Claim
        {
            self.claims.push((*index, *addr));
        }
        Ok(())
    }

    fn undo(&mut self, id: StepId, step: &Step) -> Result<(), StepError> {
        // Steps that are undone on the way stay in the list: they would be done.
        let _ = (id, step);
        Ok(())
    }

    fn activate(&mut self, params: &TranslatorParams, _: &Policy) {
        self.active = Some(*params);
    }

    fn deactivate(&mut self) {}

    /// Questions for routers only: nothing is said of an address that is not claimed.
    fn send_icmpv6(&mut self, message: &Icmpv6Out) {
        const ROUTER_SOLICITATION: u8 = 133;
        if message.message.first() == Some(&ROUTER_SOLICITATION) {
            self.inner.send_icmpv6(message);
        }
    }

    fn query_dns(&mut self, query: &DnsQuery) {
        self.inner.query_dns(query);
    }

    fn probe(&mut self, _: &Probe) {}

    fn secret(&self) -> [u8; 16] {
        self.inner.secret()
    }

    fn seed(&self) -> u64 {
        self.inner.seed()
    }

    fn interface_name(&self, index: IfIndex) -> Option<String> {
        self.inner.interface_name(index)
    }

    fn interface_index(&self, name: &str) -> Option<IfIndex> {
        self.inner.interface_index(name)
    }

    fn interface_mtu(&self, name: &str) -> Option<u32> {
        self.inner.interface_mtu(name)
    }

    fn device(&self) -> Option<Device> {
        None
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }

    fn last_drops(&self) -> Vec<Dropped> {
        Vec::new()
    }

    fn answer(&mut self, _: CallerId, _: &Answer) {}
    fn notify(&mut self, _: Notice<'_>) {}

    fn close(&mut self) -> anyhow::Result<()> {
        self.inner.close()
    }
}
