//! What the control thread and the data thread share: the translator in force, and the counters.

use crate::recent::{Dropped, Recent};
use clat_core::{ClatMap, DropReason, Translator};
use clat_engine::evidence;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The translator of one host.
pub type HostTranslator = Translator<ClatMap>;

/// The translator in force. The data thread looks at a number once a burst and takes the lock only when it changed.
#[derive(Debug, Default)]
pub struct Live {
    generation: AtomicU64,
    current: Mutex<Option<Arc<HostTranslator>>>,
}

impl Live {
    /// Puts a translator in force, or none: then all packets are dropped.
    pub fn set(&self, translator: Option<HostTranslator>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = translator.map(Arc::new);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// A data thread's view of a [`Live`].
#[derive(Debug)]
pub struct View {
    live: Arc<Live>,
    generation: u64,
    current: Option<Arc<HostTranslator>>,
}

impl View {
    /// A view that has seen nothing yet.
    #[must_use]
    pub const fn new(live: Arc<Live>) -> Self {
        Self { live, generation: u64::MAX, current: None }
    }

    /// The translator in force.
    pub fn get(&mut self) -> Option<&Arc<HostTranslator>> {
        let generation = self.live.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.generation = generation;
            self.current = self.live.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        }
        self.current.as_ref()
    }
}

/// Packets and bytes that left in one direction.
#[derive(Debug, Default)]
pub struct Traffic {
    packets: AtomicU64,
    bytes: AtomicU64,
}

/// Everything that the data thread counts. One thread writes, any thread reads.
#[derive(Debug)]
pub struct Counters {
    /// IPv4 in, IPv6 out.
    pub v4_to_v6: Traffic,
    /// IPv6 in, IPv4 out.
    pub v6_to_v4: Traffic,
    /// IPv6 in but for ICMPv6, which comes from anywhere: somebody beyond the NAT64 has answered.
    pub returned: AtomicU64,
    /// ICMP errors sent to the side that the packet came from.
    pub replies: AtomicU64,
    /// Packets that found the driver's ring full.
    pub ring_full: AtomicU64,
    /// The host's own link-local chatter on the adapter (router solicitation, MLD, IGMP).
    pub noise: AtomicU64,
    /// Packets that came in while no translator was in force.
    pub idle: AtomicU64,
    /// Fragments of ICMPv6 messages among the dropped packets.
    pub icmp_fragments: AtomicU64,
    drops: [AtomicU64; DropReason::COUNT],
    recent: Recent,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            v4_to_v6: Traffic::default(),
            v6_to_v4: Traffic::default(),
            returned: AtomicU64::new(0),
            replies: AtomicU64::new(0),
            ring_full: AtomicU64::new(0),
            noise: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            icmp_fragments: AtomicU64::new(0),
            drops: [const { AtomicU64::new(0) }; DropReason::COUNT],
            recent: Recent::default(),
        }
    }
}

/// Adds without a locked instruction: there is one writer.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

impl Traffic {
    pub(crate) fn count(&self, bytes: usize) {
        add(&self.packets, 1);
        add(&self.bytes, bytes as u64);
    }

    /// Packets and bytes so far.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.packets.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl Counters {
    /// Counts a packet that left in the other family with so many bytes.
    pub(crate) fn forwarded(&self, packet: &[u8], bytes: usize) {
        if packet.first().is_some_and(|b| b >> 4 == 4) {
            self.v4_to_v6.count(bytes);
        } else {
            self.v6_to_v4.count(bytes);
            if evidence::is_answer(packet) {
                add(&self.returned, 1);
            }
        }
    }

    pub(crate) fn dropped(&self, packet: &[u8], reason: DropReason) {
        self.recent.push(packet, reason);
        if let Some(counter) = self.drops.get(reason as usize) {
            add(counter, 1);
        }
        if evidence::is_cut_answer(reason, packet) {
            add(&self.icmp_fragments, 1);
        }
    }

    /// The packets dropped last, newest at the end.
    #[must_use]
    pub fn last_drops(&self) -> Vec<Dropped> {
        self.recent.list()
    }

    /// The reasons that occurred, with their counts.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .iter()
            .map(|reason| {
                (*reason, self.drops.get(*reason as usize).map_or(0, |n| n.load(Ordering::Relaxed)))
            })
            .filter(|(_, n)| *n != 0)
    }
}
