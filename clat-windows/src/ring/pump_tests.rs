use super::*;
use crate::live::{HostTranslator, Live};
use clat_core::{ClatMap, Policy};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// Two queues. `room` packets fit towards the driver, then it is full; `after` ends the session.
#[derive(Debug, Default)]
struct Fake {
    incoming: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    room: usize,
    ends_with: Option<RingError>,
    waits: usize,
}

impl Ring for &mut Fake {
    type Packet = Vec<u8>;

    fn receive(&mut self) -> Result<Option<Vec<u8>>, RingError> {
        match (self.incoming.pop_front(), self.ends_with) {
            (None, Some(error)) => Err(error),
            (packet, _) => Ok(packet),
        }
    }

    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
        if self.sent.len() == self.room {
            return Err(RingError::Full);
        }
        let mut slot = vec![0xa5; usize::from(len)];
        fill(&mut slot);
        self.sent.push(slot);
        Ok(())
    }

    fn wait(&mut self, _: Option<Duration>) -> Wake {
        self.waits += 1;
        Wake::Stop
    }
}

const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x64);

fn live() -> Arc<Live> {
    let live = Arc::new(Live::default());
    let map = ClatMap::host("64:ff9b::/96".parse().unwrap(), V4, V6);
    live.set(Some(HostTranslator::new(map, Policy::new())));
    live
}

/// A UDP datagram from the client to 192.0.2.1 with a checksum of zero.
fn udp(payload: usize) -> Vec<u8> {
    let total = u16::try_from(28 + payload).unwrap();
    let mut p = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 0, 1, 192, 0, 2, 1];
    p[2..4].copy_from_slice(&total.to_be_bytes());
    let sum: u32 = p.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(c[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    p[10..12].copy_from_slice(&(!u16::try_from(folded).unwrap()).to_be_bytes());
    p.extend([0x30, 0x39, 0, 53]);
    p.extend((total - 20).to_be_bytes());
    p.extend([0, 0]);
    p.resize(usize::from(total), 0x55);
    p
}

#[test]
fn a_burst_is_translated_into_slots_of_the_exact_length() {
    let mut fake = Fake { incoming: (0..200).map(udp).collect(), room: 1000, ..Fake::default() };
    let counters = Counters::default();
    assert_eq!(Pump::new(&mut fake, View::new(live()), 1).run(&counters), Ended::Stopped);
    assert_eq!(fake.sent.len(), 200);
    for (payload, packet) in fake.sent.iter().enumerate() {
        assert_eq!(packet.len(), 48 + payload);
        assert_eq!(packet[0] >> 4, 6);
        assert_eq!(packet[8..24], V6.octets());
    }
    assert_eq!(counters.v4_to_v6.get(), (200, (0..200).map(|n| 48 + n).sum()));
}

#[test]
fn a_full_ring_costs_packets_and_is_counted_but_ends_nothing() {
    let mut fake = Fake { incoming: (0..10).map(udp).collect(), room: 3, ..Fake::default() };
    let counters = Counters::default();
    assert_eq!(Pump::new(&mut fake, View::new(live()), 1).run(&counters), Ended::Stopped);
    assert_eq!((fake.sent.len(), counters.ring_full.into_inner()), (3, 7));
}

#[test]
fn a_removed_adapter_ends_the_pump_after_its_last_packet() {
    let mut fake = Fake {
        incoming: (0..3).map(udp).collect(),
        room: 9,
        ends_with: Some(RingError::Ended),
        ..Fake::default()
    };
    let counters = Counters::default();
    let ended = Pump::new(&mut fake, View::new(live()), 1).run(&counters);
    assert_eq!(ended, Ended::Adapter(RingError::Ended));
    assert_eq!((fake.sent.len(), fake.waits), (3, 0));
}

#[test]
fn without_a_translator_nothing_leaves() {
    let live = live();
    live.set(None);
    let mut fake = Fake { incoming: [udp(1)].into(), room: 9, ..Fake::default() };
    let counters = Counters::default();
    assert_eq!(Pump::new(&mut fake, View::new(live), 1).run(&counters), Ended::Stopped);
    assert_eq!((fake.sent.len(), counters.idle.into_inner()), (0, 1));
}

#[test]
fn garbage_is_counted_by_reason() {
    let mut fake =
        Fake { incoming: [vec![], vec![0xff; 20], vec![0x45; 19]].into(), room: 9, ..Fake::default() };
    let counters = Counters::default();
    assert_eq!(Pump::new(&mut fake, View::new(live()), 1).run(&counters), Ended::Stopped);
    assert_eq!(fake.sent.len(), 0);
    assert_eq!(counters.drops().map(|(_, n)| n).sum::<u64>(), 3);
}

/// What a tap saw: the first byte of each packet that passed, and the reasons.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<std::sync::Mutex<Vec<String>>>);

impl Tap for Notes {
    fn packet(&mut self, passing: Passing, packet: &[IoSlice<'_>]) {
        let bytes: Vec<u8> = packet.iter().flat_map(|p| p.iter().copied()).collect();
        self.0.lock().unwrap().push(format!("{passing:?} {:02x} {}", bytes[0], bytes.len()));
    }

    fn dropped(&mut self, reason: DropReason) {
        self.0.lock().unwrap().push(reason.to_string());
    }
}

#[test]
fn a_tap_sees_each_packet_and_why_it_was_dropped() {
    let mut too_far = udp(1);
    // TTL 1 instead of 64, and the checksum that belongs to it.
    (too_far[8], too_far[10]) = (1, too_far[10].wrapping_add(63));
    let mut fake = Fake { incoming: [udp(1), too_far, vec![0xff; 20]].into(), room: 2, ..Fake::default() };
    let notes = Notes::default();
    let pump = Pump::new(&mut fake, View::new(live()), 1).with_tap(Some(Box::new(notes.clone())));
    let mut pump = pump;
    assert_eq!(pump.run(&Counters::default()), Ended::Stopped);
    let seen = notes.0.lock().unwrap().clone();
    assert_eq!(
        seen,
        ["In 45 29", "Out 60 49", "In 45 29", "hop_limit", "Out 45 57", "In ff 20", "bad_version"]
    );
}

#[test]
fn a_packet_that_leaves_in_fragments_counts_once_and_a_links_chatter_is_no_drop() {
    let mut large = udp(3000);
    // Without DF, and the checksum that belongs to it.
    (large[6], large[10]) = (0, large[10].wrapping_add(0x40));
    let mut solicitation = vec![0; 48];
    (solicitation[0], solicitation[6], solicitation[24], solicitation[25]) = (0x60, 58, 0xff, 2);
    let mut fake = Fake { incoming: [large, solicitation].into(), room: 9, ..Fake::default() };
    let counters = Counters::default();
    assert_eq!(Pump::new(&mut fake, View::new(live()), 1).run(&counters), Ended::Stopped);
    let bytes = fake.sent.iter().map(|packet| packet.len() as u64).sum();
    assert!(fake.sent.len() > 1);
    assert_eq!(counters.v4_to_v6.get(), (1, bytes));
    assert_eq!((counters.drops().count(), counters.noise.into_inner()), (0, 1));
}
