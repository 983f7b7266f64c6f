//! The uplink of `--source pcap`: opened when the engine settles on it, closed when the engine leaves it.

use super::interfaces;
use crate::config::Settings;
use anyhow::{Context, anyhow, bail};
use clat_engine::{Icmpv6Out, IfIndex, Input, Mac};
use clat_linux::frames::nd::Nd;
use clat_linux::frames::{Uplink, Wire};
use clat_linux::netlink::Netlink;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use tracing::{debug, info, warn};

/// The link that frames are spoken on, for the control thread and for the data thread.
#[derive(Debug)]
pub(super) struct Frames {
    /// The one that the engine has settled on.
    chosen: Option<IfIndex>,
    /// What the control thread hears there; none while it cannot be opened.
    open: Option<(String, Nd)>,
    /// The data thread's, while the device is open.
    data: Option<Arc<Uplink>>,
    next_hop: Option<Mac>,
    /// Messages that found no room on links that were left.
    lost: u64,
    /// And on this one.
    lost_now: u64,
    /// A VLAN on this link has been told of.
    told_vlan: bool,
}

impl Frames {
    /// Makes sure that uplinks can be opened, and that a named one is there and an Ethernet. It may be down yet.
    pub(super) fn prepare(settings: &Settings) -> anyhow::Result<Self> {
        Wire::allowed().context("--source pcap")?;
        if let Some(name) = settings.uplink.as_deref() {
            card(name).with_context(|| format!("--source pcap on {name}"))?;
        }
        Ok(Self {
            chosen: None,
            open: None,
            data: None,
            next_hop: None,
            lost: 0,
            lost_now: 0,
            told_vlan: false,
        })
    }

    /// Leaves the link that was spoken on, and goes to this one.
    pub(super) fn follow(&mut self, uplink: Option<IfIndex>) {
        self.leave();
        self.told_vlan = false;
        self.chosen = uplink;
        self.open_again();
    }

    /// For a data thread that is about to start.
    pub(super) fn connect(&mut self) -> anyhow::Result<Arc<Uplink>> {
        let (name, wire, mac) = station(self.chosen.context("there is no uplink")?, Wire::for_packets)?;
        let data = Uplink::new(wire, mac).context(name)?;
        data.set_next_hop(self.next_hop);
        self.data = Some(Arc::clone(&data));
        Ok(data)
    }

    /// The data thread is at its end.
    pub(super) fn hang_up(&mut self) {
        self.data = None;
    }

    pub(super) fn set_next_hop(&mut self, mac: Option<Mac>) {
        self.next_hop = mac;
        if let Some(data) = &self.data {
            data.set_next_hop(mac);
        }
    }

    /// Tells what was heard. A link that is lost is waited for, unless the engine settles on another.
    pub(super) fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) {
        let Some((name, nd)) = &mut self.open else { return };
        let read = nd.read(sink);
        self.lost_now = nd.lost();
        if let Some(id) = nd.foreign_vlan().filter(|_| !self.told_vlan) {
            self.told_vlan = true;
            info!("{name} carries VLAN {id} too, which is another link: --uplink would name its interface");
        }
        let lost = self.data.as_ref().is_some_and(|data| data.is_lost());
        let why = read.err().map(|e| e.to_string()).or(lost.then(|| "no frames come in".to_owned()));
        if let Some(why) = why {
            warn!("{name}: {why}. Frames are heard again when it is back");
            self.leave();
            self.open_again();
        }
    }

    /// Opens the chosen link where it is not open.
    pub(super) fn open_again(&mut self) {
        let Some(chosen) = self.chosen.filter(|_| self.open.is_none()) else { return };
        match self.open(chosen) {
            Ok(open) => {
                info!("frames are heard on {}", open.0);
                self.open = Some(open);
            }
            Err(e) => debug!("{e:#}"),
        }
    }

    fn open(&self, chosen: IfIndex) -> anyhow::Result<(String, Nd)> {
        let (name, wire, mac) = station(chosen, Wire::for_messages)?;
        let nd = Nd::new(wire, chosen, mac).with_context(|| name.clone())?;
        if let Some(data) = &self.data {
            let (name, wire, mac) = station(chosen, Wire::for_packets)?;
            data.replace(Some((wire, mac))).context(name)?;
        }
        Ok((name, nd))
    }

    fn leave(&mut self) {
        self.lost += std::mem::take(&mut self.lost_now);
        self.open = None;
        if let Some(Err(e)) = self.data.as_ref().map(|data| data.replace(None)) {
            debug!("{e}");
        }
    }

    /// Sends a message on its link.
    pub(super) fn send(&mut self, message: &Icmpv6Out) -> io::Result<()> {
        match &mut self.open {
            Some((_, nd)) if self.chosen == Some(message.ifindex) => nd.send(message),
            _ => Err(io::Error::other("no frames are spoken on this link")),
        }
    }

    /// Messages that came faster than they were read.
    pub(super) const fn lost(&self) -> u64 {
        self.lost + self.lost_now
    }

    /// Readable when something was heard.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.open.as_ref().map(|(_, nd)| nd.as_fd())
    }
}

/// An open interface with its name and the address of its card.
fn station(ifindex: IfIndex, open: fn(&str) -> io::Result<Wire>) -> anyhow::Result<(String, Wire, Mac)> {
    let name = interfaces::name(ifindex).ok_or_else(|| anyhow!("there is no interface {ifindex}"))?;
    let wire = open(&name).with_context(|| format!("--source pcap on {name}"))?;
    let (index, mac) = card(&name)?;
    if index != ifindex {
        bail!("{name} is another interface now");
    }
    Ok((name, wire, mac))
}

/// Index and link-layer address of an interface.
fn card(name: &str) -> anyhow::Result<(IfIndex, Mac)> {
    // Not from /sys: once the rights are given up, it is out of reach.
    let link =
        Netlink::open().and_then(|mut tables| tables.link_by_name(name)).context("link-layer address")?;
    let link = link.ok_or_else(|| anyhow!("there is no interface {name}"))?;
    let mac = link.mac.ok_or_else(|| anyhow!("{name} has no Ethernet address"))?;
    Ok((link.index, mac))
}
