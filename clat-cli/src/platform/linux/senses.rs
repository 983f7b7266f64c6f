//! What is heard of the network: the kernel's tables, ICMPv6, DNS answers, answers to probes, and what
//! follows from them: the resolvers of each link, other programs' CLATs.

use super::interfaces;
use super::uplink::Frames;
use crate::cli::Source;
use crate::config::Settings;
use clat_engine::{DnsQuery, Icmpv6Out, IfIndex, Input, Link, LinkKind, OtherClat, Probe, TranslatorParams};
use clat_linux::dhcp4::Dhcp4;
use clat_linux::dns::Dns;
use clat_linux::icmp6::Icmp6;
use clat_linux::netlink::Netlink;
use clat_linux::others_clat;
use clat_linux::probe::Prober;
use clat_linux::resolvers::Resolvers;
use clat_linux::watch::Watch;
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;
use tracing::{debug, info};

/// The machine slept when the two clocks have drifted apart by this much.
const SLEPT: Duration = Duration::from_secs(2);

/// All ears.
#[derive(Debug)]
pub(super) struct Senses {
    watch: Watch,
    icmp6: Option<Icmp6>,
    /// In its place where IPv6 is spoken as frames.
    frames: Option<Frames>,
    dns: Dns,
    /// What DHCPv4 servers say; nothing where packet sockets may not be had.
    dhcp4: Option<Dhcp4>,
    prober: Option<(String, Prober)>,
    /// Identifier of our echo requests.
    identifier: u16,
    /// How long the machine has slept since it was started.
    asleep: Duration,
    /// Everything is to be told anew.
    anew: bool,
    links: Links,
    resolvers: Resolvers,
    /// Resolvers that the operator names; none to find them.
    named: Vec<IpAddr>,
    /// Whether router advertisements are listened to.
    ra: bool,
    tables: Netlink,
    device: Option<IfIndex>,
    /// The CLATs of others that the engine knows of.
    others: BTreeMap<IfIndex, OtherClat>,
}

/// The links that can be uplinks, and what happened to them since somebody looked.
#[derive(Debug, Default)]
struct Links {
    known: BTreeSet<IfIndex>,
    /// A link came or changed: its resolvers may be others.
    changed: bool,
    /// An address, a link or an IPv4 route came or went: another CLAT may have.
    suspicious: bool,
}

impl Links {
    #[allow(clippy::wildcard_enum_match_arm)] // four of many
    fn note(&mut self, input: &Input<'_>) {
        match input {
            Input::Link(Link { ifindex, kind, .. }) => {
                match kind {
                    LinkKind::Never => self.known.remove(ifindex),
                    LinkKind::Broadcast | LinkKind::PointToPoint | LinkKind::Tunnel => {
                        self.known.insert(*ifindex)
                    }
                };
                (self.changed, self.suspicious) = (true, true);
            }
            Input::LinkGone(ifindex) => self.suspicious |= self.known.remove(ifindex),
            Input::Address4 { .. }
            | Input::Address4Gone { .. }
            | Input::Default4(_)
            | Input::Default4Gone(_) => {
                self.suspicious = true;
            }
            _ => {}
        }
    }
}

impl Senses {
    /// Opens them in the network namespace of the calling thread. What is missing is noted with its cost.
    pub(super) fn open(
        identifier: u16,
        settings: &Settings,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Self> {
        let frames = (settings.source == Source::Pcap).then(|| Frames::prepare(settings)).transpose()?;
        Ok(Self {
            watch: Watch::open()?,
            icmp6: if frames.is_some() { None } else { open_icmp6(notes) },
            frames,
            dns: Dns::new(),
            dhcp4: open_dhcp4(notes),
            prober: None,
            identifier,
            asleep: asleep(),
            anew: true,
            links: Links::default(),
            resolvers: Resolvers::watch(),
            named: settings.resolvers.clone(),
            ra: settings.ra,
            tables: Netlink::open()?,
            device: None,
            others: BTreeMap::new(),
        })
    }

    /// Messages that came faster than they were read, as frames.
    pub(super) fn lost(&self) -> u64 {
        self.frames.as_ref().map_or(0, Frames::lost)
    }

    /// Where IPv6 is spoken as frames.
    pub(super) const fn frames(&mut self) -> Option<&mut Frames> {
        self.frames.as_mut()
    }

    /// Our own device, which is never an uplink.
    pub(super) fn set_device(&mut self, ifindex: Option<u32>) {
        self.device = ifindex;
        self.watch.set_device(ifindex);
        self.prober = None;
    }

    /// What to wait for.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let prober = self.prober.as_ref().map(|(_, prober)| prober.as_fd());
        let icmp6 = self.icmp6.as_ref().map(AsFd::as_fd);
        let frames = self.frames.as_ref().and_then(Frames::descriptor);
        let dhcp4 = self.dhcp4.iter().flat_map(Dhcp4::descriptors);
        let others = icmp6.into_iter().chain(frames).chain(prober).chain(self.resolvers.descriptor());
        std::iter::once(self.watch.as_fd()).chain(others).chain(self.dns.descriptors()).chain(dhcp4)
    }

    /// Whether there is something to tell without waiting.
    pub(super) const fn is_due(&self) -> bool {
        self.anew
    }

    /// Tells what was heard; returns at once when nothing was.
    pub(super) fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> anyhow::Result<()> {
        let ra = self.ra;
        let sink = &mut |input: Input<'_>| {
            if ra || !is_advertisement(&input) {
                sink(input);
            }
        };
        let asleep = asleep();
        if asleep.saturating_sub(self.asleep) > SLEPT {
            debug!("the machine slept");
            self.anew = true;
            sink(Input::Resume);
        }
        self.asleep = asleep;
        self.tables(sink)?;
        if let Some(icmp6) = &mut self.icmp6 {
            icmp6.read(sink)?;
        }
        if let Some(frames) = &mut self.frames {
            frames.read(sink);
        }
        self.dns.read(sink);
        if let Some(dhcp4) = &mut self.dhcp4 {
            dhcp4.read(sink);
        }
        if let Some((_, prober)) = &mut self.prober {
            prober.read(sink)?;
        }
        Ok(())
    }

    /// Tells what the kernel's tables say, and what follows. The engine acts when it hears that the facts
    /// are complete: resolvers and other CLATs come before that.
    fn tables(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> anyhow::Result<()> {
        let (links, mut synced) = (&mut self.links, false);
        let mut noting = |input: Input<'_>| {
            links.note(&input);
            if matches!(input, Input::Synced) {
                synced = true;
            } else {
                sink(input);
            }
        };
        if std::mem::take(&mut self.anew) {
            self.watch.list(&mut noting)?;
        }
        self.watch.read(&mut noting)?;
        if let Some(frames) = self.frames.as_mut().filter(|_| self.links.changed) {
            frames.open_again();
        }
        let links_changed = std::mem::take(&mut self.links.changed);
        if let Some(dhcp4) = self.dhcp4.as_mut().filter(|_| links_changed) {
            dhcp4.listen(self.links.known.iter().copied());
        }
        if self.resolvers.changed() | links_changed {
            self.tell_resolvers(sink);
        }
        if std::mem::take(&mut self.links.suspicious) {
            self.tell_others(sink);
        }
        if synced {
            sink(Input::Synced);
        }
        Ok(())
    }

    fn tell_resolvers(&self, sink: &mut dyn FnMut(Input<'_>)) {
        for &ifindex in &self.links.known {
            let Some(name) = interfaces::name(ifindex) else { continue };
            let found = match self.named.is_empty() {
                true => self.resolvers.of_link(ifindex, &name),
                false => self.named.clone(),
            };
            sink(Input::Resolvers { ifindex, servers: &found });
        }
    }

    /// Tells whose CLATs came and went. One on a tunnel of its own concerns every uplink.
    fn tell_others(&mut self, sink: &mut dyn FnMut(Input<'_>)) {
        let found = match others_clat::find(&mut self.tables, self.device) {
            Ok(found) => found,
            Err(e) => return debug!("looking for other CLATs: {e}"),
        };
        let mut now = BTreeMap::new();
        for one in &found {
            let links =
                if one.tunnel { self.links.known.iter().copied().collect() } else { vec![one.ifindex] };
            now.extend(links.into_iter().map(|ifindex| (ifindex, one.other)));
        }
        if now != self.others {
            for one in &found {
                info!("another CLAT: {}", one.evidence);
            }
        }
        for ifindex in self.others.keys().filter(|i| !now.contains_key(i)) {
            sink(Input::OtherClat { ifindex: *ifindex, other: None });
        }
        for (&ifindex, &other) in now.iter().filter(|(i, o)| self.others.get(i) != Some(o)) {
            sink(Input::OtherClat { ifindex, other: Some(other) });
        }
        self.others = now;
    }

    /// Sends an ICMPv6 message.
    pub(super) fn send_icmpv6(&mut self, message: &Icmpv6Out) {
        let sent = match (&mut self.frames, &self.icmp6) {
            (Some(frames), _) => frames.send(message),
            (None, Some(icmp6)) => icmp6.send(message),
            (None, None) => return,
        };
        if let Err(e) = sent {
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

    /// Hears what comes through the translator for the host: answers to probes, and paths that are narrow.
    pub(super) fn listen_behind(&mut self, device: &str, params: &TranslatorParams) {
        let (source, pref64) = (params.clat_v4, params.pref64);
        if self.prober.as_ref().is_some_and(|(name, p)| name == device && p.is_for(source, pref64)) {
            return;
        }
        self.prober = Prober::open(device, source, pref64, self.identifier)
            .inspect_err(|e| debug!("no ICMP socket on {device}: {e}"))
            .ok()
            .map(|prober| (device.to_owned(), prober));
    }

    /// Sends an echo request from the CLAT's IPv4 address through our device.
    pub(super) fn probe(&mut self, device: &str, params: &TranslatorParams, probe: &Probe) {
        self.listen_behind(device, params);
        let Some((_, prober)) = &self.prober else { return };
        if let Err(e) = prober.send(probe) {
            debug!("self-test: {} bytes to {}: {e}", probe.size, probe.target);
        }
    }
}

fn open_icmp6(notes: &mut Vec<String>) -> Option<Icmp6> {
    Icmp6::open()
        .inspect_err(|e| {
            notes.push(format!(
                "no raw ICMPv6 socket ({e}): prefixes come from the kernel and DNS only. \
                 CAP_NET_RAW would allow it"
            ));
        })
        .ok()
}

fn open_dhcp4(notes: &mut Vec<String>) -> Option<Dhcp4> {
    Dhcp4::open()
        .inspect_err(|e| {
            notes.push(format!(
                "no packet socket ({e}): whether the network prefers IPv6 only (DHCPv4 option 108) is not seen. \
                 CAP_NET_RAW would allow it"
            ));
        })
        .ok()
}

/// Whether it came by a router advertisement (RFC 4861 section 4.2).
fn is_advertisement(input: &Input<'_>) -> bool {
    matches!(input, Input::Icmpv6(heard) if heard.is_router_advertisement())
        || matches!(input, Input::Pref64Option { .. })
}

/// How long the machine has slept: what one clock counts and the other does not.
fn asleep() -> Duration {
    let read = |id| {
        let time = clock_gettime(id);
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
    };
    read(ClockId::Boottime).saturating_sub(read(ClockId::Monotonic))
}
