//! What wakes the control thread: one queue that every other thread writes to.

use crate::control::CallerId;
use crate::control::protocol::Request;
use clat_engine::Icmpv6In;
use clat_windows::resolver::Told;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// Something happened.
#[derive(Debug)]
pub(super) enum Wake {
    /// An interface, an address or a route changed.
    Changed,
    /// The data thread ended by itself.
    DataEnded,
    /// The operator or the system wants an end.
    Stop,
    /// The operator wants the configuration read again.
    Reload,
    /// The machine is about to sleep.
    Suspend,
    /// It woke up.
    Resume,
    /// A client asks.
    Request(CallerId, Request),
    /// An ICMPv6 message was heard.
    Icmp6(Heard),
    /// A resolver answered.
    Dns {
        /// Which.
        server: IpAddr,
        /// The whole message.
        message: Vec<u8>,
    },
    /// The DNS client of the system answered.
    DnsTold {
        /// The identifier of the question.
        id: u16,
        /// The interface it was about.
        ifindex: u32,
        /// The answer.
        told: Told,
    },
    /// Somebody answered a probe.
    Probe {
        /// Its number.
        sequence: u16,
        /// Who.
        from: Ipv4Addr,
        /// Whether it is the reply.
        echo_reply: bool,
    },
}

/// An ICMPv6 message with what came with it.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) ifindex: u32,
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) hop_limit: u8,
    /// Where frames are heard.
    pub(super) mac: Option<[u8; 6]>,
    pub(super) message: Vec<u8>,
}

impl From<&Icmpv6In<'_>> for Heard {
    fn from(heard: &Icmpv6In<'_>) -> Self {
        let Icmpv6In { ifindex, source, destination, hop_limit, source_mac: mac, message } = *heard;
        Self { ifindex, source, destination, hop_limit, mac, message: message.to_vec() }
    }
}

/// The queue's end for writers outside of the host: the service's handler and the console's.
static OUTSIDE: Mutex<Option<Sender<Wake>>> = Mutex::new(None);

/// Makes the queue of a host.
pub(super) fn queue() -> (Sender<Wake>, Receiver<Wake>) {
    let (sender, receiver) = channel();
    *OUTSIDE.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
    (sender, receiver)
}

/// Wakes the control thread from anywhere; nothing happens before there is one.
pub(super) fn from_outside(wake: Wake) {
    if let Some(sender) = &*OUTSIDE.lock().unwrap_or_else(PoisonError::into_inner) {
        // Nobody listens any more at the end.
        let _ = sender.send(wake);
    }
}
