//! What the data threads count, and the last packets that they dropped.
//!
//! Each queue has counters of its own that one thread writes and everybody may read, so counting is a
//! plain addition without a locked instruction.

use clat_core::DropReason;
use clat_engine::evidence;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

mod dropped;
pub use dropped::Dropped;

/// How many dropped packets each queue remembers.
pub const LAST_DROPS: usize = 20;

/// A number that one thread writes.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// For what others count.
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Packets and bytes that went one way.
#[derive(Debug, Default)]
pub(crate) struct Way {
    pub(crate) packets: Counter,
    pub(crate) bytes: Counter,
}

/// The counters of one queue. Aligned so that two queues never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct QueueCounters {
    pub(crate) v4_to_v6: Way,
    pub(crate) v6_to_v4: Way,
    pub(crate) returned: Counter,
    pub(crate) replies: Counter,
    pub(crate) drops: [Counter; DropReason::COUNT],
    pub(crate) inactive: Counter,
    pub(crate) noise: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) super_packets: Counter,
    pub(crate) writes: Counter,
    pub(crate) merged: Counter,
    pub(crate) segmented: Counter,
    pub(crate) write_errors: Counter,
    pub(crate) lost: Counter,
    pub(crate) icmp_fragments: Counter,
    pub(crate) last_drops: Mutex<Ring>,
}

impl Default for QueueCounters {
    fn default() -> Self {
        Self {
            v4_to_v6: Way::default(),
            v6_to_v4: Way::default(),
            returned: Counter::default(),
            replies: Counter::default(),
            drops: [const { Counter(AtomicU64::new(0)) }; DropReason::COUNT],
            inactive: Counter::default(),
            noise: Counter::default(),
            unreadable: Counter::default(),
            super_packets: Counter::default(),
            writes: Counter::default(),
            merged: Counter::default(),
            segmented: Counter::default(),
            write_errors: Counter::default(),
            lost: Counter::default(),
            icmp_fragments: Counter::default(),
            last_drops: Mutex::new(Ring::default()),
        }
    }
}

impl QueueCounters {
    /// Counts a packet that left in the other family, or a super-packet that stands for so many.
    #[inline]
    pub(crate) fn forwarded(&self, packet: &[u8], packets: u64) {
        let is_v4 = packet.first().is_some_and(|b| b >> 4 == 4);
        let way = if is_v4 { &self.v4_to_v6 } else { &self.v6_to_v4 };
        way.packets.add(packets);
        way.bytes.add(packet.len() as u64);
        if evidence::is_answer(packet) {
            self.returned.add(packets);
        }
    }

    /// Bytes translated, both ways.
    pub(crate) fn bytes(&self) -> u64 {
        self.v4_to_v6.bytes.get().wrapping_add(self.v6_to_v4.bytes.get())
    }

    /// Counts a dropped packet and remembers it, unless somebody is reading the list at this moment:
    /// the data thread does not wait.
    pub(crate) fn dropped(&self, reason: DropReason, packet: &[u8]) {
        if let Some(counter) = self.drops.get(reason as usize) {
            counter.add(1);
        }
        if evidence::is_cut_answer(reason, packet) {
            self.icmp_fragments.add(1);
        }
        if let Ok(mut ring) = self.last_drops.try_lock() {
            ring.push(Dropped::new(reason, packet));
        }
    }
}

/// The last dropped packets.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    entries: [Option<Dropped>; LAST_DROPS],
    next: usize,
}

impl Ring {
    fn push(&mut self, dropped: Dropped) {
        if let Some(slot) = self.entries.get_mut(self.next) {
            *slot = Some(dropped);
        }
        self.next = (self.next + 1) % LAST_DROPS;
    }
}

/// The counters of all queues.
#[derive(Clone, Debug)]
pub struct Counters(pub(crate) Arc<[QueueCounters]>);

/// Packets and bytes that went one way. A super-packet counts as the packets that it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP as they came in, headers included.
    pub bytes: u64,
}

/// The sums over all queues at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// IPv4 packets that left as IPv6.
    pub v4_to_v6: Traffic,
    /// IPv6 packets that left as IPv4.
    pub v6_to_v4: Traffic,
    /// Those IPv6 packets but for ICMPv6, which comes from anywhere: somebody beyond the NAT64 has answered.
    pub returned: u64,
    /// ICMP errors sent to the sender of a dropped packet.
    pub replies: u64,
    /// Dropped packets by `DropReason as usize`.
    pub drops: [u64; DropReason::COUNT],
    /// Packets dropped because there was no translator.
    pub inactive: u64,
    /// The host's own link-local chatter on the interface (router solicitation, MLD, IGMP).
    pub noise: u64,
    /// Reads that held no packet, or segmentation of a kind that was never asked for.
    pub unreadable: u64,
    /// Super-packets read and translated whole.
    pub super_packets: u64,
    /// Packets written, a super-packet counting as one.
    pub writes: u64,
    /// Super-packets put together from packets of a flow.
    pub merged: u64,
    /// Super-packets cut in software.
    pub segmented: u64,
    /// Packets that the kernel did not take.
    pub write_errors: u64,
    /// Frames of the uplink that came faster than they were read.
    pub lost: u64,
    /// Fragments of ICMPv6 messages among the dropped packets.
    pub icmp_fragments: u64,
}

impl Totals {
    /// Dropped packets for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// Reasons for which packets were dropped, with their numbers.
    pub fn drop_reasons(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|&reason| (reason, self.dropped(reason))).filter(|&(_, n)| n > 0)
    }
}

impl Counters {
    pub(crate) fn new(queues: usize) -> Self {
        Self((0..queues).map(|_| QueueCounters::default()).collect())
    }

    /// The sums over all queues.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let sum = |of: fn(&QueueCounters) -> &Counter| self.0.iter().map(|q| of(q).get()).sum();
        let drop_sum = |i: usize| self.0.iter().map(|q| q.drops.get(i).map_or(0, Counter::get)).sum::<u64>();
        Totals {
            v4_to_v6: Traffic { packets: sum(|q| &q.v4_to_v6.packets), bytes: sum(|q| &q.v4_to_v6.bytes) },
            v6_to_v4: Traffic { packets: sum(|q| &q.v6_to_v4.packets), bytes: sum(|q| &q.v6_to_v4.bytes) },
            returned: sum(|q| &q.returned),
            replies: sum(|q| &q.replies),
            drops: std::array::from_fn(drop_sum),
            inactive: sum(|q| &q.inactive),
            noise: sum(|q| &q.noise),
            unreadable: sum(|q| &q.unreadable),
            super_packets: sum(|q| &q.super_packets),
            writes: sum(|q| &q.writes),
            merged: sum(|q| &q.merged),
            segmented: sum(|q| &q.segmented),
            write_errors: sum(|q| &q.write_errors),
            lost: sum(|q| &q.lost),
            icmp_fragments: sum(|q| &q.icmp_fragments),
        }
    }

    /// The last dropped packets of all queues, at most [`LAST_DROPS`], oldest first.
    #[must_use]
    pub fn last_drops(&self) -> Vec<Dropped> {
        let mut all: Vec<Dropped> = Vec::new();
        for queue in self.0.iter() {
            let ring = queue.last_drops.lock().unwrap_or_else(PoisonError::into_inner);
            let (newer, older) = ring.entries.split_at(ring.next);
            all.extend(older.iter().chain(newer).flatten().copied());
        }
        all.sort_by_key(|dropped| dropped.at());
        all.split_off(all.len().saturating_sub(LAST_DROPS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_sums_over_the_queues() {
        let counters = Counters::new(2);
        counters.0[0].v4_to_v6.packets.add(3);
        counters.0[1].v4_to_v6.packets.add(4);
        counters.0[1].dropped(DropReason::TooBig, &[0x45, 0]);
        let totals = counters.totals();
        assert_eq!(totals.v4_to_v6.packets, 7);
        assert_eq!(totals.drop_reasons().collect::<Vec<_>>(), [(DropReason::TooBig, 1)]);
    }

    #[test]
    fn what_the_self_test_goes_by_is_counted_apart() {
        let counters = Counters::new(1);
        for (version, next_header) in [(0x60, 6), (0x60, 58), (0x45, 6)] {
            let mut packet = [0; 40];
            (packet[0], packet[6]) = (version, next_header);
            counters.0[0].forwarded(&packet, 3);
            counters.0[0].dropped(DropReason::FragmentedIcmp, &packet);
        }
        let totals = counters.totals();
        assert_eq!((totals.v6_to_v4.packets, totals.returned, totals.v4_to_v6.packets), (6, 3, 3));
        assert_eq!((totals.dropped(DropReason::FragmentedIcmp), totals.icmp_fragments), (3, 2));
    }

    #[test]
    fn the_last_20_drops_are_kept_oldest_first() {
        let counters = Counters::new(1);
        for n in 0..50u8 {
            counters.0[0].dropped(DropReason::Protocol, &vec![0x60; usize::from(n)]);
        }
        let lens: Vec<_> = counters.last_drops().iter().map(Dropped::packet_len).collect();
        assert_eq!(lens, (30..50).collect::<Vec<_>>());
        assert_eq!(counters.totals().dropped(DropReason::Protocol), 50);
    }

    #[test]
    fn a_reader_of_the_list_does_not_hold_up_the_data_thread() {
        let counters = Counters::new(1);
        let reading = counters.0[0].last_drops.lock().unwrap();
        counters.0[0].dropped(DropReason::Protocol, &[0x60]);
        drop(reading);
        assert_eq!(counters.totals().dropped(DropReason::Protocol), 1, "counted, not remembered");
        assert!(counters.last_drops().is_empty());
    }
}
