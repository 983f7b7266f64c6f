//! What `run` needs of an operating system, in one trait.
//!
//! A platform is a module with `open` (a host to run on), `look` (a host to look at, for `discover` and
//! `--dry-run`), `recover` (for `stop --recover`) and `doctor` (`facilities`, `of_instance`). The rest of the
//! program knows it as [`current`].

#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux as current;
#[cfg(windows)]
pub(crate) mod windows;
#[cfg(windows)]
pub(crate) use windows as current;

use crate::control::CallerId;
use crate::control::protocol::{Answer, Request};
use crate::status::model::{Counters, Device, Dropped};
use clat_core::Policy;
use clat_engine::{
    DnsQuery, Icmpv6Out, IfIndex, Input, Instant, Mac, Probe, Returned, Step, StepError, StepId,
    TranslatorParams,
};

/// What happened while the control thread waited.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// Something for the engine.
    Input(Input<'a>),
    /// Somebody asks.
    Request(CallerId, Request),
    /// A facility is missing: what it costs, and what would bring it.
    Note(String),
    /// It cannot go on, and why.
    Fatal(String),
    /// The operator wants the configuration read again.
    Reload,
    /// The operator or the system wants an end.
    Stop,
}

/// What the system that started us may know.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice<'a> {
    /// The start is over.
    Ready,
    /// One line about how it goes.
    #[cfg_attr(windows, allow(dead_code))] // the service manager shows none
    Status(&'a str),
    /// The configuration is being read; [`Notice::Ready`] follows.
    Reloading,
    /// The end begins.
    Stopping,
}

/// An operating system as the control plane sees it. Every method returns at once,
/// [`wait`](Self::wait) excepted.
pub(crate) trait Host {
    /// The time, of a clock that counts while the machine sleeps.
    fn now(&self) -> Instant;

    /// Waits for events, at most until `until`, and hands them over with the time.
    ///
    /// # Errors
    /// Only where waiting itself is impossible; the caller then ends.
    fn wait(
        &mut self,
        until: Option<Instant>,
        sink: &mut dyn FnMut(Instant, Event<'_>),
    ) -> anyhow::Result<()>;

    /// Does one step, journalled first.
    fn apply(&mut self, id: StepId, step: &Step) -> Result<(), StepError>;
    /// Undoes one step, as far as it is still as it was set.
    fn undo(&mut self, id: StepId, step: &Step) -> Result<(), StepError>;

    /// Gives the data threads a translator. Flows whose addresses stay go on.
    fn activate(&mut self, params: &TranslatorParams, policy: &Policy);
    /// Takes the translator away: packets are counted and dropped.
    fn deactivate(&mut self);

    /// Sends an ICMPv6 message.
    fn send_icmpv6(&mut self, message: &Icmpv6Out);
    /// Where IPv6 is spoken as frames, on which link from now on.
    fn uplink(&mut self, ifindex: Option<IfIndex>) {
        let _ = ifindex;
    }
    /// Where frames go where IPv6 is spoken as frames; elsewhere the operating system knows.
    fn next_hop(&mut self, mac: Option<Mac>) {
        let _ = mac;
    }
    /// Sends a DNS query over the uplink.
    fn query_dns(&mut self, query: &DnsQuery);
    /// Sends an echo request through the translator.
    fn probe(&mut self, probe: &Probe);

    /// The key of stable addresses: the same at each start of this machine, known to nobody else.
    fn secret(&self) -> [u8; 16];
    /// A number that nobody can guess, the same until the end of the process.
    fn seed(&self) -> u64;

    /// The name of an interface.
    fn interface_name(&self, index: IfIndex) -> Option<String>;
    /// The index of an interface.
    fn interface_index(&self, name: &str) -> Option<IfIndex>;
    /// The IPv6 MTU of an interface in bytes.
    fn interface_mtu(&self, name: &str) -> Option<u32>;
    /// The device that packets go through, once it is open.
    fn device(&self) -> Option<Device>;
    /// What the data threads counted.
    fn counters(&self) -> Counters;
    /// What the data threads of this device saw come back.
    fn returned(&self) -> Returned {
        Returned::default()
    }
    /// What the data threads dropped last.
    fn last_drops(&self) -> Vec<Dropped>;

    /// Answers somebody who asked.
    fn answer(&mut self, caller: CallerId, answer: &Answer);
    /// Tells the system that started us.
    fn notify(&mut self, notice: Notice<'_>);

    /// Undoes what is still in force and lets go of the device.
    ///
    /// # Errors
    /// Something stays as it is; the journal knows it.
    fn close(&mut self) -> anyhow::Result<()>;
}
