//! The uplink of `--source pcap`, opened at the start and whenever it comes back.

use super::interfaces;
use crate::config::Settings;
use anyhow::{Context, anyhow};
use clat_linux::frames::nd::Nd;
use clat_linux::frames::{Uplink, Wire};
use clat_linux::netlink::Netlink;
use std::io;
use std::sync::Arc;

/// For the data thread.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Arc<Uplink>> {
    let (name, wire, mac) = parts(settings, Wire::for_packets)?;
    Uplink::new(wire, mac).with_context(|| name.to_owned())
}

/// For the control thread.
pub(super) fn open_nd(settings: &Settings) -> anyhow::Result<Nd> {
    let (name, wire, mac) = parts(settings, Wire::for_messages)?;
    let ifindex = interfaces::index(name).ok_or_else(|| anyhow!("there is no interface {name}"))?;
    Nd::new(wire, ifindex, mac).with_context(|| name.to_owned())
}

fn parts(settings: &Settings, open: fn(&str) -> io::Result<Wire>) -> anyhow::Result<(&str, Wire, [u8; 6])> {
    let name = settings.uplink.as_deref().context("--source pcap needs --uplink")?;
    let wire = open(name).with_context(|| format!("--source pcap on {name}"))?;
    // Not from /sys: once the rights are given up, it is out of reach.
    let link =
        Netlink::open().and_then(|mut tables| tables.link_by_name(name)).context("link-layer address")?;
    let mac = link.and_then(|link| link.mac).ok_or_else(|| anyhow!("{name} has no Ethernet address"))?;
    Ok((name, wire, mac))
}
