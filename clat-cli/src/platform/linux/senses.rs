//! What is heard of the network: the kernel's tables, ICMPv6, DNS answers, answers to probes.

use super::interfaces;
use clat_engine::{DnsQuery, Icmpv6Out, Input, Probe};
use clat_linux::dns::Dns;
use clat_linux::icmp6::Icmp6;
use clat_linux::probe::Prober;
use clat_linux::watch::Watch;
use rustix::time::{ClockId, clock_gettime};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;
use tracing::debug;

/// The machine slept when the two clocks have drifted apart by this much.
const SLEPT: Duration = Duration::from_secs(2);

/// All ears.
#[derive(Debug)]
pub(super) struct Senses {
    watch: Watch,
    icmp6: Option<Icmp6>,
    dns: Dns,
    prober: Option<(String, Ipv4Addr, Prober)>,
    /// Identifier of our echo requests.
    identifier: u16,
    /// How long the machine has slept since it was started.
    asleep: Duration,
    /// Everything is to be told anew.
    anew: bool,
}

impl Senses {
    /// Opens them in the network namespace of the calling thread. What is missing is noted with its cost.
    pub(super) fn open(identifier: u16, notes: &mut Vec<String>) -> anyhow::Result<Self> {
        let icmp6 = Icmp6::open()
            .inspect_err(|e| {
                notes.push(format!(
                    "no raw ICMPv6 socket ({e}): prefixes come from the kernel and DNS only. \
                     CAP_NET_RAW would allow it"
                ));
            })
            .ok();
        let watch = Watch::open()?;
        let asleep = asleep();
        Ok(Self { watch, icmp6, dns: Dns::new(), prober: None, identifier, asleep, anew: true })
    }

    /// Our own device, which is never an uplink.
    pub(super) fn set_device(&mut self, ifindex: Option<u32>) {
        self.watch.set_device(ifindex);
        self.prober = None;
    }

    /// What to wait for.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let prober = self.prober.as_ref().map(|(.., prober)| prober.as_fd());
        let icmp6 = self.icmp6.as_ref().map(AsFd::as_fd);
        std::iter::once(self.watch.as_fd()).chain(icmp6).chain(prober).chain(self.dns.descriptors())
    }

    /// Whether there is something to tell without waiting.
    pub(super) const fn is_due(&self) -> bool {
        self.anew
    }

    /// Tells what was heard; returns at once when nothing was.
    pub(super) fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> anyhow::Result<()> {
        let asleep = asleep();
        if asleep.saturating_sub(self.asleep) > SLEPT {
            debug!("the machine slept");
            self.anew = true;
            sink(Input::Resume);
        }
        self.asleep = asleep;
        if std::mem::take(&mut self.anew) {
            self.watch.list(sink)?;
        }
        self.watch.read(sink)?;
        if let Some(icmp6) = &mut self.icmp6 {
            icmp6.read(sink)?;
        }
        self.dns.read(sink);
        if let Some((.., prober)) = &mut self.prober {
            prober.read(sink)?;
        }
        Ok(())
    }

    /// Sends an ICMPv6 message.
    pub(super) fn send_icmpv6(&self, message: &Icmpv6Out) {
        let Some(icmp6) = &self.icmp6 else { return };
        if let Err(e) = icmp6.send(message) {
            debug!("ICMPv6 to {}: {e}", message.destination);
        }
    }

    /// Asks a resolver over its link.
    pub(super) fn query_dns(&mut self, query: &DnsQuery) {
        let Some(name) = interfaces::name(query.ifindex) else { return };
        if let Err(e) = self.dns.ask(&name, query) {
            debug!("DNS query to {} over {name}: {e}", query.server);
        }
    }

    /// Sends an echo request from the CLAT's IPv4 address through our device.
    pub(super) fn probe(&mut self, device: &str, source: Ipv4Addr, probe: &Probe) {
        if self.prober.as_ref().is_none_or(|(name, from, _)| name != device || *from != source) {
            self.prober = match Prober::open(device, source, self.identifier) {
                Ok(prober) => Some((device.to_owned(), source, prober)),
                Err(e) => return debug!("self-test: no socket on {device}: {e}"),
            };
        }
        let Some((.., prober)) = &self.prober else { return };
        if let Err(e) = prober.send(probe) {
            debug!("self-test: {} bytes to {}: {e}", probe.size, probe.target);
        }
    }
}

/// How long the machine has slept: what one clock counts and the other does not.
fn asleep() -> Duration {
    let read = |id| {
        let time = clock_gettime(id);
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
    };
    read(ClockId::Boottime).saturating_sub(read(ClockId::Monotonic))
}
