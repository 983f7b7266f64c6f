//! The raw ICMPv6 sockets, one for each interface that may be the uplink, each with a thread that listens.

use super::wake::{Heard, Wake};
use clat_engine::{Icmpv6In, Icmpv6Out};
use clat_windows::facts::Interface;
use clat_windows::icmp6::{self, Icmp6Socket};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

/// All-nodes: where routers advertise (RFC 4861 section 4.2).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Every socket that is open.
#[derive(Debug)]
pub(super) struct Ears {
    open: HashMap<u32, Ear>,
    wakes: Sender<Wake>,
    /// There is no such socket on this system: tried once.
    deaf: bool,
    /// Whether Router Advertisements count.
    ra: bool,
}

#[derive(Debug)]
struct Ear {
    local: Ipv6Addr,
    socket: Arc<Icmp6Socket>,
    stop: Arc<AtomicBool>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        // The thread looks four times a second, and holds nothing but the socket.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Ears {
    pub(super) fn new(wakes: Sender<Wake>, ra: bool) -> Self {
        Self { open: HashMap::new(), wakes, deaf: false, ra }
    }

    /// Opens and closes sockets as interfaces come and go. Returns what is missing, once.
    pub(super) fn follow(&mut self, interfaces: &[Interface], own: Option<u32>) -> Option<String> {
        let wanted: HashMap<u32, Ipv6Addr> = interfaces
            .iter()
            .filter(|i| i.up && Some(i.index) != own)
            .filter_map(|i| Some((i.index, link_local(&i.addresses)?)))
            .collect();
        self.open.retain(|index, ear| wanted.get(index) == Some(&ear.local));
        for (index, local) in wanted {
            if self.deaf || self.open.contains_key(&index) {
                continue;
            }
            if let Err(e) = self.listen(index, local) {
                self.deaf = true;
                return Some(format!(
                    "no raw ICMPv6 socket ({e}): prefixes in Router Advertisements are not heard, DNS is asked instead; \
                     nothing answers for the CLAT address unless its prefix is routed to this machine"
                ));
            }
        }
        None
    }

    fn listen(&mut self, index: u32, local: Ipv6Addr) -> io::Result<()> {
        let socket = Arc::new(Icmp6Socket::open(index, local)?);
        if let Err(e) = socket.join(ALL_NODES) {
            tracing::debug!("all-nodes on interface {index}: {e}");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, asked, wakes) = (Arc::clone(&socket), Arc::clone(&stop), self.wakes.clone());
        let ra = self.ra;
        std::thread::Builder::new()
            .name("clat icmp6".to_owned())
            .stack_size(128 << 10)
            .spawn(move || hear(&theirs, &asked, &wakes, ra))?;
        self.open.insert(index, Ear { local, socket, stop });
        Ok(())
    }

    pub(super) fn join(&self, index: u32, group: Ipv6Addr) -> io::Result<()> {
        self.socket(index)?.join(group)
    }

    pub(super) fn leave(&self, index: u32, group: Ipv6Addr) -> io::Result<()> {
        self.socket(index)?.leave(group)
    }

    fn socket(&self, index: u32) -> io::Result<&Icmp6Socket> {
        self.open.get(&index).map(|e| &*e.socket).ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Sends what the engine wants sent.
    pub(super) fn send(&self, message: &Icmpv6Out) {
        let Icmpv6Out { ifindex, source, destination, hop_limit, .. } = *message;
        if self.deaf {
            return;
        }
        if let Err(e) = icmp6::send(ifindex, source, destination, hop_limit, &message.message) {
            tracing::debug!("ICMPv6 type {:?} to {destination}: {e}", message.message.first());
        }
    }
}

fn link_local(addresses: &[IpAddr]) -> Option<Ipv6Addr> {
    addresses.iter().find_map(|a| match a {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(*v6),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    })
}

fn hear(socket: &Icmp6Socket, stop: &AtomicBool, wakes: &Sender<Wake>, ra: bool) {
    let mut buf = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let heard = match socket.receive(&mut buf) {
            Ok(Some(heard)) => heard,
            Ok(None) => continue,
            Err(e) => {
                tracing::debug!("ICMPv6 socket: {e}");
                return;
            }
        };
        let heard = Icmpv6In {
            ifindex: heard.ifindex,
            source: heard.source,
            destination: heard.destination,
            hop_limit: heard.hop_limit,
            source_mac: None,
            message: buf.get(..heard.len).unwrap_or_default(),
        };
        // Echo reply, Router and Neighbour messages: the rest is not for the engine.
        let wanted = match heard.message.first() {
            _ if heard.is_router_advertisement() => ra,
            other => matches!(other, Some(129 | 135 | 136)),
        };
        if !wanted {
            continue;
        }
        if wakes.send(Wake::Icmp6(Heard::from(&heard))).is_err() {
            return;
        }
    }
}
