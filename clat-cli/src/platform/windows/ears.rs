//! The raw ICMPv6 sockets, one for each interface that may be the uplink, each with a thread that listens.

use super::wake::Messages;
use clat_engine::{Icmpv6In, Icmpv6Out};
use clat_windows::facts::Interface;
use clat_windows::icmp6::{self, Icmp6Socket};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// All-nodes: where routers advertise (RFC 4861 section 4.2).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Every socket that is open.
#[derive(Debug)]
pub(super) struct Ears {
    open: HashMap<u32, Ear>,
    messages: Messages,
    /// There is no such socket on this system: tried once.
    deaf: bool,
    /// Whether Router Advertisements count.
    ra: bool,
}

#[derive(Debug)]
struct Ear {
    local: Ipv6Addr,
    socket: Arc<Icmp6Socket>,
    /// Set when it is to end, and when it has ended by itself.
    over: Arc<AtomicBool>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        // The thread looks four times a second, and holds nothing but the socket.
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Ears {
    pub(super) fn new(messages: Messages, ra: bool) -> Self {
        Self { open: HashMap::new(), messages, deaf: false, ra }
    }

    /// Opens and closes sockets as interfaces come and go. Returns what is missing, once.
    pub(super) fn follow(&mut self, interfaces: &[Interface], own: Option<u32>) -> Option<String> {
        let wanted: HashMap<u32, Ipv6Addr> = interfaces
            .iter()
            .filter(|i| i.up && Some(i.index) != own)
            .filter_map(|i| Some((i.index, link_local(&i.addresses)?)))
            .collect();
        self.open
            .retain(|index, ear| wanted.get(index) == Some(&ear.local) && !ear.over.load(Ordering::Relaxed));
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
        let over = Arc::new(AtomicBool::new(false));
        let (theirs, asked, messages) = (Arc::clone(&socket), Arc::clone(&over), self.messages.clone());
        let ra = self.ra;
        std::thread::Builder::new()
            .name("clat icmp6".to_owned())
            .stack_size(128 << 10)
            .spawn(move || hear(&theirs, &asked, &messages, ra))?;
        self.open.insert(index, Ear { local, socket, over });
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

/// Listens until it is over. A socket that fails for good is opened again at the next look at the interfaces.
fn hear(socket: &Icmp6Socket, over: &AtomicBool, messages: &Messages, ra: bool) {
    let mut buf = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        let heard = match socket.receive(&mut buf) {
            Ok(Some(heard)) => heard,
            Ok(None) => continue,
            Err(e) => {
                tracing::debug!("ICMPv6 socket: {e}");
                break;
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
        if is_wanted(&heard, ra) && !messages.put(&heard) {
            break;
        }
    }
    over.store(true, Ordering::Relaxed);
}

/// Echo reply, Router and Neighbour messages: the rest is not for the engine.
fn is_wanted(heard: &Icmpv6In<'_>, ra: bool) -> bool {
    match heard.message.first() {
        _ if heard.is_router_advertisement() => ra,
        other => matches!(other, Some(129 | 135 | 136)),
    }
}
