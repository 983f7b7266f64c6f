//! The uplink of `--source pcap`: IPv6 as frames, by Npcap.

use super::wake::Messages;
use crate::cli::Source;
use crate::config::Settings;
use anyhow::Context;
use clat_engine::{Icmpv6In, Icmpv6Out, Mac};
use clat_windows::frames::link::{Discovery, Link};
use std::net::Ipv6Addr;
use std::sync::Arc;
use tracing::debug;

/// The open uplink.
#[derive(Debug)]
pub(super) struct Frames {
    link: Arc<Link>,
    discovery: Discovery,
}

impl Frames {
    /// Opens it where the settings want frames.
    pub(super) fn open(settings: &Settings, messages: Messages) -> anyhow::Result<Option<Self>> {
        if settings.source != Source::Pcap {
            return Ok(None);
        }
        let name = settings.uplink.as_deref().context("--source pcap needs --uplink")?;
        let link = Link::find(name).context("--source pcap")?;
        let ra = settings.ra;
        let hear = move |message: &Icmpv6In<'_>| {
            if ra || !message.is_router_advertisement() {
                messages.put(message);
            }
        };
        let discovery = Discovery::start(&link, hear)?;
        Ok(Some(Self { link, discovery }))
    }

    /// For the data thread.
    pub(super) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    pub(super) fn send(&mut self, message: &Icmpv6Out) {
        if let Err(e) = self.discovery.send(message) {
            debug!("ICMPv6 type {:?} to {}: {e}", message.message.first(), message.destination);
        }
    }

    pub(super) fn next_hop(&self, mac: Option<Mac>) {
        self.link.set_next_hop(mac);
    }

    pub(super) fn translate_for(&self, address: Option<Ipv6Addr>) {
        self.link.translate_for(address);
    }
}
