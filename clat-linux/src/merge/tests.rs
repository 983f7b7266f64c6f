use super::*;
use clat_offload::segment::Segments;
use clat_offload::testing::{Packet, checksums_are_right};
use proptest::prelude::*;

const BOTH: Allow = Allow { tcp: true, udp: true };

/// Remembers what was sent.
#[derive(Default)]
struct Sent(Vec<(Offload, Vec<u8>)>);

impl Sink for Sent {
    fn send(&mut self, offload: Offload, frame: &[IoSlice<'_>]) {
        assert_eq!(virtio::parse(frame[0].as_chunks().0.first().unwrap()), Some(offload));
        self.0.push((offload, frame[1..].iter().flat_map(|s| s.iter().copied()).collect()));
    }
}

impl Sent {
    /// What the next device makes of it.
    fn on_the_wire(&self) -> Vec<Vec<u8>> {
        let mut buf = vec![0; 65_535];
        let mut out = Vec::new();
        for (offload, packet) in &self.0 {
            match Segments::of(packet, *offload) {
                None => out.push(packet.clone()),
                Some(mut segments) => {
                    while let Some(len) = segments.next_into(&mut buf) {
                        out.push(buf[..len].to_vec());
                    }
                }
            }
        }
        out
    }
}

/// Pushes complete packets as the worker does: the first `head_len` bytes as the rewritten head.
fn merge_with(packets: &[Vec<u8>], allow: Allow, csum: Csum, head_len: usize) -> Sent {
    let arena = packets.concat();
    let mut merger = Merger::new(allow);
    let mut sent = Sent::default();
    let mut at = 0;
    for packet in packets {
        let offload = Offload { csum, gso: None };
        let cut = head_len.min(packet.len());
        let piece = Piece { head: &packet[..cut], tail: at + cut..at + packet.len(), offload };
        if merger.push(&arena, &piece, &mut sent) == Push::Pass {
            let header = virtio::emit(offload);
            sent.send(offload, &[IoSlice::new(&header), IoSlice::new(packet)]);
        }
        at += packet.len();
    }
    merger.flush(&arena, &mut sent);
    assert!(merger.is_empty());
    sent
}

fn merge(packets: &[Vec<u8>]) -> Sent {
    merge_with(packets, BOTH, Csum::Complete, 48)
}

/// How many packets were in each write.
fn sizes(sent: &Sent) -> Vec<usize> {
    sent.0
        .iter()
        .map(|(o, p)| {
            Segments::of(p, *o).map_or(1, |mut s| {
                let mut buf = vec![0; 65_535];
                std::iter::from_fn(|| s.next_into(&mut buf)).count()
            })
        })
        .collect()
}

fn datagram(len: usize) -> Vec<u8> {
    Packet::v6().udp().payload(&vec![0x5a; len]).bytes()
}

fn tcp(sequence: u32, flags: u8, len: usize) -> Vec<u8> {
    Packet::v4().tcp(sequence, flags).payload(&vec![0xa5; len]).bytes()
}

#[test]
fn equal_datagrams_leave_as_one_and_a_shorter_one_is_the_last() {
    let packets = [datagram(1200), datagram(1200), datagram(700), datagram(1200), datagram(1300)];
    let sent = merge(&packets);
    assert_eq!(sizes(&sent), [3, 1, 1]);
    assert_eq!(sent.0[0].0.gso.map(|g| (g.kind, g.size, g.header_len)), Some((GsoKind::Udp, 1200, 48)));
    assert_eq!(sent.0[0].0.csum, Csum::Partial { start: 40, offset: 6 });
    assert_eq!(sent.0[1].0, Offload::NONE, "a single packet leaves as it came");
    assert_eq!(sent.on_the_wire(), packets);
}

#[test]
fn a_run_has_at_most_64_datagrams_and_65535_bytes() {
    let small: Vec<_> = (0..150).map(|_| datagram(64)).collect();
    assert_eq!(sizes(&merge(&small)), [64, 64, 22]);
    let large: Vec<_> = (0..100).map(|_| datagram(1400)).collect();
    let sent = merge(&large);
    assert_eq!(sizes(&sent), [46, 46, 8]);
    assert!(sent.0.iter().all(|(_, p)| p.len() <= 65_535));
    assert_eq!(sent.on_the_wire(), large);
}

#[test]
fn datagrams_of_different_headers_stay_apart() {
    let base = || Packet::v4().udp().payload(&[1; 100]);
    for (at, value, what) in
        [(1, 0x10, "TOS"), (8, 63, "TTL"), (6, 0, "DF"), (19, 2, "destination"), (15, 3, "source")]
    {
        let packets = [base().bytes(), base().network_byte(at, value).bytes()];
        assert_eq!(sizes(&merge(&packets)), [1, 1], "{what}");
    }
    for at in [1, 3] {
        let packets = [base().bytes(), base().transport_byte(at, 1).bytes()];
        assert_eq!(sizes(&merge(&packets)), [1, 1], "port at {at}");
    }
    let label = [datagram(9), Packet::v6().network_byte(3, 1).udp().payload(&[0x5a; 9]).bytes()];
    assert_eq!(sizes(&merge(&label)), [1, 1], "flow label");
    let ident = [base().bytes(), base().network_byte(5, 0x77).bytes()];
    assert_eq!(sizes(&merge(&ident)), [2], "the identification may differ");
}

#[test]
fn a_wrong_checksum_is_passed_on_as_wrong_as_it_came() {
    let mut wrong = datagram(100);
    *wrong.last_mut().unwrap() ^= 1;
    let packets = [datagram(100), wrong.clone(), datagram(100), datagram(100)];
    let sent = merge(&packets);
    assert_eq!(sizes(&sent), [1, 1, 2]);
    assert_eq!(sent.on_the_wire(), packets);
    assert!(!checksums_are_right(&sent.on_the_wire()[1]));

    let first = [wrong, datagram(100), datagram(100)];
    assert_eq!(sizes(&merge(&first)), [1, 2]);
}

#[test]
fn a_datagram_without_checksum_does_not_get_one() {
    let mut none = Packet::v4().udp().payload(&[7; 50]).bytes();
    none[26..28].fill(0);
    for csum in [Csum::Complete, Csum::Verified] {
        let packets = [none.clone(), none.clone()];
        let sent = merge_with(&packets, BOTH, csum, 28);
        assert_eq!(sizes(&sent), [1, 1]);
        assert_eq!(sent.on_the_wire(), packets);
    }
}

#[test]
fn segments_that_follow_each_other_leave_as_one() {
    let packets =
        [tcp(u32::MAX - 999, ACK, 1000), tcp(0, ACK, 1000), tcp(1000, ACK | PSH, 300), tcp(1300, ACK, 1000)];
    let sent = merge(&packets);
    assert_eq!(sizes(&sent), [3, 1]);
    assert_eq!(sent.0[0].0.gso.map(|g| (g.kind, g.size, g.header_len)), Some((GsoKind::TcpV4, 1000, 40)));
    let wire = sent.on_the_wire();
    assert_eq!(wire.len(), 4);
    for (was, is) in packets.iter().zip(&wire) {
        assert!(checksums_are_right(is));
        assert_eq!(was[20..], is[20..], "transport header and payload");
    }
}

#[test]
fn segments_with_a_gap_other_flags_or_another_acknowledgement_stay_apart() {
    const SYN: u8 = 2;
    const CWR: u8 = 0x80;
    let apart =
        |second: Vec<u8>, what| assert_eq!(sizes(&merge(&[tcp(0, ACK, 100), second])), [1, 1], "{what}");
    apart(tcp(101, ACK, 100), "gap");
    apart(tcp(0, ACK, 100), "retransmission");
    apart(tcp(100, ACK | SYN, 100), "SYN");
    apart(tcp(100, ACK | CWR, 100), "CWR");
    apart(tcp(100, ACK | ECE, 100), "ECE");
    apart(tcp(100, ACK, 0), "pure acknowledgement");
    apart(Packet::v4().tcp(100, ACK).transport_byte(11, 8).payload(&[0xa5; 100]).bytes(), "acknowledgement");
    apart(Packet::v4().tcp(100, ACK).transport_byte(14, 8).payload(&[0xa5; 100]).bytes(), "window");
    let pushed = [tcp(0, ACK | PSH, 100), tcp(100, ACK, 100)];
    assert_eq!(sizes(&merge(&pushed)), [1, 1], "PSH ends a run");
}

#[test]
fn flows_are_put_together_side_by_side_and_each_keeps_its_order() {
    let flow = |port: u8, n: u8| Packet::v6().udp().transport_byte(1, port).payload(&[n; 40]).bytes();
    let packets: Vec<_> = (0..4).flat_map(|n| (0..3).map(move |port| flow(port, n))).collect();
    let sent = merge(&packets);
    assert_eq!(sizes(&sent), [4, 4, 4]);
    let many: Vec<_> = (0..20).flat_map(|port| [flow(port, 0), flow(port, 1)]).collect();
    assert_eq!(sizes(&merge(&many)), [2; 20], "more flows than runs");
}

#[test]
fn fragments_icmp_and_super_packets_leave_behind_what_came_before() {
    let mut fragment = datagram(100);
    fragment[6] = 44;
    let packets = [datagram(100), datagram(100), fragment, datagram(100), datagram(100)];
    let sent = merge(&packets);
    assert_eq!(sizes(&sent), [2, 1, 2]);
    assert_eq!(sent.on_the_wire(), packets);
}

#[test]
fn partial_checksums_need_no_look_at_the_payload() {
    let mut one = datagram(100);
    one[46..48].copy_from_slice(&[0xab, 0xcd]);
    let partial = Csum::Partial { start: 40, offset: 6 };
    let sent = merge_with(&[one.clone(), one.clone()], BOTH, partial, 48);
    assert_eq!(sizes(&sent), [2]);
    assert!(sent.on_the_wire().iter().all(|p| checksums_are_right(p)));
    let elsewhere = Csum::Partial { start: 48, offset: 6 };
    assert_eq!(sizes(&merge_with(&[one.clone(), one], BOTH, elsewhere, 48)), [1, 1]);
}

#[test]
fn nothing_is_put_together_that_is_not_allowed() {
    let packets = [datagram(50), datagram(50), tcp(0, ACK, 50), tcp(50, ACK, 50)];
    assert_eq!(sizes(&merge_with(&packets, Allow::default(), Csum::Complete, 48)), [1, 1, 1, 1]);
    let udp = Allow { udp: true, tcp: false };
    assert_eq!(sizes(&merge_with(&packets, udp, Csum::Complete, 48)), [1, 1, 2], "other flows need not wait");
    let tcp = Allow { udp: false, tcp: true };
    assert_eq!(sizes(&merge_with(&packets, tcp, Csum::Complete, 48)), [1, 1, 2]);
}

#[test]
fn broken_lengths_are_never_merged_and_never_panic() {
    for len in 0..120 {
        let mut short = datagram(100);
        short.truncate(len);
        let packets = [short.clone(), short.clone()];
        assert_eq!(merge(&packets).on_the_wire(), packets);
    }
    let mut padded = datagram(20);
    padded.extend_from_slice(&[0; 6]);
    assert_eq!(sizes(&merge(&[padded.clone(), padded])), [1, 1]);
}

proptest! {
    /// Whatever comes, in whatever order: each flow leaves whole, in order, with right checksums.
    #[test]
    fn the_wire_sees_each_flow_as_it_was(
        plan in prop::collection::vec((0u8..4, prop::sample::select(vec![1usize, 8, 100, 101]), any::<bool>(), any::<bool>()), 0..120),
        head_len in 28usize..=48,
    ) {
        let mut sequence = [0u32; 4];
        let packets: Vec<_> = plan.iter().map(|&(port, len, is_tcp, push)| {
            let payload: Vec<u8> = (0..len).map(|i| (i as u8) ^ port).collect();
            if is_tcp {
                let flags = if push { ACK | PSH } else { ACK };
                let at = sequence[usize::from(port)];
                sequence[usize::from(port)] += len as u32;
                Packet::v6().tcp(at, flags).transport_byte(1, port).payload(&payload).bytes()
            } else {
                Packet::v6().udp().transport_byte(1, port).payload(&payload).bytes()
            }
        }).collect();
        let wire = merge_with(&packets, BOTH, Csum::Complete, head_len).on_the_wire();
        prop_assert_eq!(wire.len(), packets.len());
        for protocol in [6, 17] {
            for port in 0..4 {
                let of = |all: &[Vec<u8>]| -> Vec<Vec<u8>> {
                    all.iter().filter(|p| p[6] == protocol && p[41] == port).cloned().collect()
                };
                prop_assert_eq!(of(&wire), of(&packets));
            }
        }
    }
}
