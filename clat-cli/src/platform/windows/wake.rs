//! What wakes the control thread: one queue that every other thread writes to.

use crate::control::CallerId;
use crate::control::protocol::Request;
use clat_engine::Icmpv6In;
use clat_windows::resolver::Told;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

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

/// ICMPv6 messages that wait for the control thread at most. More come in a flood only, and whatever matters is sent
/// again.
const MESSAGES: usize = 256;

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
    _place: Place,
}

/// Where listeners put the ICMPv6 messages that they hear: places in the queue, of which there are [`MESSAGES`].
#[derive(Clone, Debug)]
pub(super) struct Messages {
    wakes: Sender<Wake>,
    taken: Arc<AtomicUsize>,
}

/// A message's place, free again when it was handled.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Messages {
    pub(super) fn new(wakes: Sender<Wake>) -> Self {
        Self { wakes, taken: Arc::default() }
    }

    /// Hands it to the control thread; in a flood it is lost. False when nobody is left to hear.
    pub(super) fn put(&self, heard: &Icmpv6In<'_>) -> bool {
        let place = Place(Arc::clone(&self.taken));
        if self.taken.fetch_add(1, Ordering::Relaxed) >= MESSAGES {
            return true;
        }
        let Icmpv6In { ifindex, source, destination, hop_limit, source_mac: mac, message } = *heard;
        let message = message.to_vec();
        let heard = Heard { ifindex, source, destination, hop_limit, mac, message, _place: place };
        self.wakes.send(Wake::Icmp6(heard)).is_ok()
    }
}

/// What writers outside of the host know: the service's handler and the console's.
#[derive(Debug)]
struct Outside {
    /// The queue's end, once there is a host.
    queue: Option<Sender<Wake>>,
    /// A stop is for good, also where it comes before there is a host: while the device of a first try is made.
    stopped: bool,
}

static OUTSIDE: Mutex<Outside> = Mutex::new(Outside { queue: None, stopped: false });

/// Makes the queue of a host. A stop that was wanted before is the first thing in it.
pub(super) fn queue() -> (Sender<Wake>, Receiver<Wake>) {
    let (sender, receiver) = channel();
    let mut outside = OUTSIDE.lock().unwrap_or_else(PoisonError::into_inner);
    if outside.stopped {
        // The receiver is in our hands.
        let _ = sender.send(Wake::Stop);
    }
    outside.queue = Some(sender.clone());
    (sender, receiver)
}

/// Wakes the control thread from anywhere; what is no stop is lost where there is none.
pub(super) fn from_outside(wake: Wake) {
    let mut outside = OUTSIDE.lock().unwrap_or_else(PoisonError::into_inner);
    outside.stopped |= matches!(wake, Wake::Stop);
    if let Some(sender) = &outside.queue {
        // Nobody listens any more at the end.
        let _ = sender.send(wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_messages_waits_in_bounded_memory_and_ends_with_it() {
        let (wakes, queue) = channel();
        let messages = Messages::new(wakes);
        let heard = Icmpv6In {
            ifindex: 1,
            source: "fe80::1".parse().unwrap(),
            destination: "ff02::1".parse().unwrap(),
            hop_limit: 255,
            source_mac: None,
            message: &[134; 16],
        };
        let flood = || (0..10 * MESSAGES).for_each(|_| assert!(messages.put(&heard)));
        flood();
        assert_eq!(queue.try_iter().count(), MESSAGES);
        flood();
        assert_eq!(queue.try_iter().count(), MESSAGES, "places of handled messages are free");
        drop(queue);
        assert!(!messages.put(&heard));
    }

    #[test]
    fn a_stop_that_comes_before_the_host_is_not_lost() {
        let (sender, receiver) = queue();
        drop((sender, receiver));
        from_outside(Wake::Stop);
        let (_sender, receiver) = queue();
        assert!(matches!(receiver.try_recv(), Ok(Wake::Stop)));
    }
}
