//! The uplink of `--source pcap`: IPv6 as frames, by Npcap.

use super::wake::{Heard, Wake};
use crate::cli::Source;
use crate::config::Settings;
use anyhow::Context;
use clat_engine::{Icmpv6Out, Mac};
use clat_windows::frames::link::{Discovery, Link};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tracing::debug;

/// ICMPv6 type (RFC 4861 section 4.2).
const ROUTER_ADVERTISEMENT: u8 = 134;

/// The open uplink.
#[derive(Debug)]
pub(super) struct Frames {
    link: Arc<Link>,
    discovery: Discovery,
}

impl Frames {
    /// Opens it where the settings want frames.
    pub(super) fn open(settings: &Settings, wakes: Sender<Wake>) -> anyhow::Result<Option<Self>> {
        if settings.source != Source::Pcap {
            return Ok(None);
        }
        let name = settings.uplink.as_deref().context("--source pcap needs --uplink")?;
        let link = Link::find(name).context("--source pcap")?;
        let (ifindex, ra) = (link.ifindex(), settings.ra);
        let hear = move |m: &clat_windows::frames::ethernet::Message<'_>| {
            if m.message.first() == Some(&ROUTER_ADVERTISEMENT) && !ra {
                return;
            }
            let heard = Heard {
                ifindex,
                source: m.source,
                destination: m.destination,
                hop_limit: m.hop_limit,
                mac: Some(m.mac),
                message: m.message.to_vec(),
            };
            // The control thread is gone.
            let _ = wakes.send(Wake::Icmp6(heard));
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
