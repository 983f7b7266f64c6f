//! The loop on a pair of sockets in place of a TUN: no privileges needed.

use super::output::Output;
use super::worker::Counting;
use super::*;
use crate::counters::Totals;
use crate::device::Features;
use crate::shared::HostTranslator;
use crate::virtio::{self, HEADER_LEN};
use clat_core::{ClatMap, Csum, EamRow, EamTable, Gso, GsoKind, Offload, Policy, Translator, Verdict};
use clat_offload::segment::Segments;
use clat_offload::testing::{Packet, checksums_are_right};
use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io::IoSlice;

const ALL: Features = Features { vnet_header: true, csum: true, tso: true, ecn: true, uso: true };

fn translator() -> HostTranslator {
    let mut local = EamTable::new();
    local.insert(EamRow::host("192.0.0.1".parse().unwrap(), "2001:db8::464".parse().unwrap())).unwrap();
    Translator::new(ClatMap::from_parts("64:ff9b::/96".parse().unwrap(), local), Policy::new())
}

/// The kernel's end of a fake TUN, and the pump on the other.
struct Fake {
    kernel: OwnedFd,
    pump: Pump,
}

impl Fake {
    /// Starts the pump on a device in which these frames wait already.
    fn with(frames: &[Vec<u8>], features: Features) -> Self {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (kernel, ours) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        for frame in frames {
            rustix::io::write(&kernel, frame).unwrap();
        }
        let shared = SharedTranslator::new(Some(translator()));
        let pump = Pump::spawn(vec![Queue::fake(ours, features)], &shared).unwrap();
        Self { kernel, pump }
    }

    /// What was counted when all was done.
    fn stop(self) -> (Totals, usize) {
        let counters = self.pump.counters().clone();
        self.pump.stop().unwrap();
        (counters.totals(), counters.last_drops().len())
    }

    /// The next frame that the pump writes, or `None` when none comes for a while.
    fn next(&self) -> Option<Vec<u8>> {
        let mut fds = [PollFd::new(&self.kernel, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })).unwrap();
        let mut buf = vec![0; 70_000];
        let len = rustix::io::read(&self.kernel, &mut buf).ok()?;
        buf.truncate(len);
        Some(buf)
    }
}

fn frame(offload: Offload, packet: &[u8]) -> Vec<u8> {
    [&virtio::emit(offload)[..], packet].concat()
}

/// Offload and packets of a frame, cut as the next device would.
fn wire(frame: &[u8]) -> (Offload, Vec<Vec<u8>>) {
    let (header, packet) = frame.split_at(HEADER_LEN);
    let offload = virtio::parse(header.try_into().unwrap()).unwrap();
    let Some(mut segments) = Segments::of(packet, offload) else { return (offload, vec![packet.to_vec()]) };
    let mut buf = vec![0; 65_535];
    let cut = std::iter::from_fn(|| segments.next_into(&mut buf).map(|len| buf[..len].to_vec()));
    (offload, cut.collect())
}

#[test]
fn datagrams_that_wait_leave_as_one_super_packet() {
    let packet = |n: u8| Packet::v4().udp().payload(&[n; 100]).bytes();
    let frames: Vec<_> = (0..10).map(|n| frame(Offload::NONE, &packet(n))).collect();
    let fake = Fake::with(&frames, ALL);
    let (offload, packets) = wire(&fake.next().unwrap());
    assert_eq!(offload.gso.map(|g| (g.kind, g.size)), Some((GsoKind::Udp, 100)));
    assert_eq!(packets.len(), 10);
    for (n, packet) in packets.iter().enumerate() {
        assert!(checksums_are_right(packet));
        assert_eq!(packet[0] >> 4, 6);
        assert!(packet[48..].iter().all(|b| usize::from(*b) == n), "order");
    }
    let (totals, _) = fake.stop();
    assert_eq!((totals.v4_to_v6.packets, totals.v4_to_v6.bytes), (10, 1280));
    assert_eq!((totals.writes, totals.merged), (1, 1));
}

#[test]
fn a_super_packet_passes_whole_and_counts_as_its_segments() {
    let mut packet = Packet::v4().tcp(1, 0x10).payload(&[7; 5000]).bytes();
    // What a stack with checksum offload leaves in the field: the sum of the pseudo-header.
    let sum = clat_offload::headers::Layout::of(&packet).unwrap().pseudo(&packet, 5020).folded();
    packet[36..38].copy_from_slice(&sum.to_be_bytes());
    let gso = Gso { kind: GsoKind::TcpV4, ecn: false, size: 1400, header_len: 40 };
    let offload = Offload { csum: Csum::Partial { start: 20, offset: 16 }, gso: Some(gso) };
    let fake = Fake::with(&[frame(offload, &packet)], ALL);
    let (offload, packets) = wire(&fake.next().unwrap());
    assert_eq!(offload.csum, Csum::Partial { start: 40, offset: 16 });
    assert_eq!(offload.gso.map(|g| (g.kind, g.size)), Some((GsoKind::TcpV6, 1400)));
    assert_eq!(packets.len(), 4);
    assert!(packets.iter().all(|p| checksums_are_right(p)));
    let (totals, _) = fake.stop();
    assert_eq!((totals.v4_to_v6.packets, totals.super_packets, totals.writes), (4, 1, 1));
}

#[test]
fn what_waits_before_a_super_packet_that_is_cut_leaves_unharmed() {
    let waiting = |n: u8| Packet::v4().udp().payload(&[n; 500]).bytes();
    // Without Don't Fragment its datagrams are larger than the lowest IPv6 MTU: they have to be cut.
    let large = Packet::v4().network_byte(6, 0).udp().transport_byte(1, 1).payload(&[9; 2800]).bytes();
    let gso = Gso { kind: GsoKind::Udp, ecn: false, size: 1400, header_len: 28 };
    let offload = Offload { csum: Csum::Partial { start: 20, offset: 6 }, gso: Some(gso) };
    let frames =
        [frame(Offload::NONE, &waiting(1)), frame(Offload::NONE, &waiting(2)), frame(offload, &large)];
    let fake = Fake::with(&frames, ALL);
    let (_, packets) = wire(&fake.next().unwrap());
    assert_eq!(packets.iter().map(|p| (p[48], p.len())).collect::<Vec<_>>(), [(1, 548), (2, 548)]);
    assert!(packets.iter().all(|p| checksums_are_right(p)));
    let fragments: Vec<_> = std::iter::from_fn(|| fake.next()).take(4).collect();
    assert!(fragments.iter().all(|f| f[HEADER_LEN + 6] == 44), "two datagrams in two fragments each");
    let (totals, _) = fake.stop();
    assert_eq!((totals.segmented, totals.write_errors), (1, 0));
}

#[test]
fn without_virtio_header_packets_are_read_and_written_bare() {
    let packet = Packet::v4().udp().payload(&[1; 9]).bytes();
    let fake = Fake::with(&[packet], Features::default());
    let out = fake.next().unwrap();
    assert_eq!((out[0] >> 4, out.len()), (6, 57));
    assert!(checksums_are_right(&out));
}

#[test]
fn noise_junk_and_drops_are_told_apart() {
    let mut solicitation = Packet::v6().udp().bytes();
    solicitation[24..26].copy_from_slice(&[0xff, 0x02]);
    let mut multicast = Packet::v4().udp().bytes();
    multicast[16] = 239;
    let unknown_gso = [&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &Packet::v4().udp().bytes()].concat();
    let frames = [
        frame(Offload::NONE, &solicitation),
        vec![0; 5],
        unknown_gso,
        frame(Offload::NONE, &multicast),
        frame(Offload::NONE, &Packet::v4().udp().bytes()),
    ];
    let fake = Fake::with(&frames, ALL);
    assert_eq!(wire(&fake.next().unwrap()).1[0][0] >> 4, 6, "the last one passes");
    let (totals, remembered) = fake.stop();
    assert_eq!((totals.noise, totals.unreadable), (1, 2));
    assert_eq!(totals.drop_reasons().map(|(_, n)| n).sum::<u64>(), 1, "{totals:?}");
    assert_eq!(remembered, 1);
}

#[test]
fn an_end_that_hangs_up_ends_the_pump() {
    let Fake { kernel, pump } = Fake::with(&[], ALL);
    drop(kernel);
    let mut fds = [PollFd::new(&pump, PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&Timespec { tv_sec: 5, tv_nsec: 0 })), Ok(1));
    assert!(matches!(pump.stop(), Err(PumpError::Gone(_))));
}

/// A timer descriptor refuses every write with EINVAL, as a kernel does that cannot segment.
#[test]
fn super_packets_that_the_kernel_refuses_are_cut_and_in_the_end_not_tried() {
    use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
    let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap();
    let counters = Counters::new(1);
    let counting = Counting::new(counters.clone(), 0);
    let mut output = Output::new(Queue::fake(fd, ALL), counting, NoTap);
    let packet = Packet::v6().udp().payload(&[1; 300]).bytes();
    let gso = Gso { kind: GsoKind::Udp, ecn: false, size: 100, header_len: 48 };
    let offload = Offload { csum: Csum::Partial { start: 40, offset: 6 }, gso: Some(gso) };
    for times in 1..=10u64 {
        assert_eq!(output.allow().udp, times <= 8, "after {} refusals", times - 1);
        assert!(output.allow().tcp, "TCP was not refused");
        output.write(offload, &[IoSlice::new(&virtio::emit(offload)), IoSlice::new(&packet)]);
        let totals = counters.totals();
        assert_eq!((totals.segmented, totals.write_errors), (times, 3 * times), "three segments each");
    }
}

/// A frame that the host's stack may hand over: (flow, payload length, TCP, may be fragmented, datagrams).
type Shape = (u8, usize, bool, bool, u16);

fn shaped(n: usize, &(port, len, tcp, fragment, datagrams): &Shape) -> (Offload, Vec<u8>) {
    let base = Packet::v4().network_byte(6, if fragment { 0 } else { 0x40 });
    if tcp {
        let packet = base.tcp(n as u32 * 7, 0x10).transport_byte(1, port).payload(&vec![n as u8; len]);
        return (Offload::NONE, packet.bytes());
    }
    let payload = vec![n as u8; len * usize::from(datagrams)];
    let packet = base.udp().transport_byte(1, port).payload(&payload).bytes();
    let gso = Gso { kind: GsoKind::Udp, ecn: false, size: len as u16, header_len: 28 };
    let offload = Offload { csum: Csum::Partial { start: 20, offset: 6 }, gso: Some(gso) };
    (if datagrams > 1 { offload } else { Offload::NONE }, packet)
}

/// What the wire should see: each packet cut first, then translated by itself.
fn one_by_one(offload: Offload, packet: &[u8]) -> Vec<Vec<u8>> {
    let translator = translator();
    let mut state = clat_core::QueueState::new(1);
    let mut out = Vec::new();
    for packet in wire(&frame(offload, packet)).1 {
        let bytes = |parts: clat_core::Parts<'_>| parts.slices().concat();
        match translator.translate(&packet, &mut state) {
            Verdict::Forward(parts) => out.push(bytes(parts)),
            Verdict::Fragment(fragments) => out.extend(fragments.map(bytes)),
            verdict @ (Verdict::Reply(..) | Verdict::Drop(_) | Verdict::Segment) => panic!("{verdict:?}"),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Reading in batches, merging, cutting and passing whole change nothing of what a flow's packets
    /// are and of their order.
    #[test]
    fn the_wire_sees_what_one_by_one_would_give(
        shapes in prop::collection::vec(
            (0u8..3, prop::sample::select(vec![1usize, 64, 1000, 1400]), any::<bool>(), any::<bool>(), 1u16..4),
            1..20,
        ),
    ) {
        let inputs: Vec<_> = shapes.iter().enumerate().map(|(n, shape)| shaped(n, shape)).collect();
        let wanted: Vec<_> = inputs.iter().flat_map(|(offload, packet)| one_by_one(*offload, packet)).collect();
        let frames: Vec<_> = inputs.iter().map(|(offload, packet)| frame(*offload, packet)).collect();
        let fake = Fake::with(&frames, ALL);
        let mut got = Vec::new();
        while got.len() < wanted.len() {
            let Some(next) = fake.next() else { break };
            got.extend(wire(&next).1);
        }
        // Fragments have no ports to tell flows by: all of one kind are compared in order.
        for kind in [6u8, 17, 44] {
            for port in 0..3 {
                let of = |all: &[Vec<u8>]| -> Vec<Vec<u8>> {
                    all.iter().filter(|p| p[6] == kind && (kind == 44 || p[41] == port)).cloned().collect()
                };
                prop_assert_eq!(of(&got), of(&wanted));
            }
        }
    }
}
