//! Packets put together into super-packets and cut again: each flow is as it was, packet by packet.
#![no_main]

use clat_core::{Csum, Offload};
use clat_linux::merge::{Allow, Merger, Piece, Push, Sink};
use clat_offload::segment::Segments;
use clat_model::mend::{Leave, mend};
use libfuzzer_sys::fuzz_target;
use std::io::IoSlice;

fuzz_target!(|data: &[u8]| {
    let Some((control, rest)) = data.split_first() else { return };
    let allow = Allow { tcp: control & 1 == 0, udp: control & 2 == 0 };
    let (arena, packets) = packets(rest);
    let mut merger = Merger::new(allow);
    let mut out = Out::default();
    for packet in &packets {
        let bytes = &arena[packet.at..packet.at + packet.len];
        let head = usize::from(packet.head).min(packet.len);
        let tail = packet.at + head..packet.at + packet.len;
        let piece = Piece { head: &bytes[..head], tail, offload: packet.offload };
        if merger.push(&arena, &piece, &mut out) == Push::Pass {
            out.packets.push(bytes.to_vec());
        }
    }
    merger.flush(&arena, &mut out);
    assert!(merger.is_empty());
    let went_in: Vec<Vec<u8>> = packets.iter().map(|p| arena[p.at..p.at + p.len].to_vec()).collect();
    assert_eq!(went_in.len(), out.packets.len(), "as many come out as went in");
    let flows = |all: &[Vec<u8>]| {
        let mut named: Vec<_> = all.iter().map(|p| (flow(p), steady(p))).collect();
        // A stable sort: within a flow the order stays.
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    };
    assert_eq!(flows(&went_in), flows(&out.packets));
});

struct Packet {
    at: usize,
    len: usize,
    head: u8,
    offload: Offload,
}

/// `| kind | length | bytes ... |` again and again; kind 0 to 3 says who vouches for the checksum.
fn packets(mut rest: &[u8]) -> (Vec<u8>, Vec<Packet>) {
    let (mut arena, mut packets) = (Vec::new(), Vec::new());
    while let [kind, len, head, more @ ..] = rest {
        let (bytes, next) = more.split_at(usize::from(*len).min(more.len()));
        rest = next;
        let mut bytes = bytes.to_vec();
        if kind & 4 == 0 {
            complete(&mut bytes);
        } else {
            let (_, ends) = clat_fuzz::prepared(0, 0);
            mend(&mut bytes, Leave(*kind), *ends);
        }
        let csum = match kind & 3 {
            0 if sum(&bytes) == Some(0xffff) => Csum::Verified,
            _ => Csum::Complete,
        };
        packets.push(Packet {
            at: arena.len(),
            len: bytes.len(),
            // A head longer than the core's is none.
            head: (*head).min(128),
            offload: Offload { csum, gso: None },
        });
        arena.extend(bytes);
    }
    (arena, packets)
}

#[derive(Default)]
struct Out {
    packets: Vec<Vec<u8>>,
}

impl Sink for Out {
    fn send(&mut self, offload: Offload, frame: &[IoSlice<'_>]) {
        // The virtio header first.
        let bytes = frame[1..].iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>();
        if offload.gso.is_none() {
            return self.packets.push(bytes);
        }
        let mut segments = Segments::of(&bytes, offload).expect("a super-packet that can be cut");
        let mut buf = vec![0; bytes.len()];
        while let Some(len) = segments.next_into(&mut buf) {
            self.packets.push(buf[..len].to_vec());
        }
    }
}

/// Version, addresses, protocol and ports.
fn flow(packet: &[u8]) -> Vec<u8> {
    let get = |range: std::ops::Range<usize>| packet.get(range).unwrap_or_default();
    match packet.first().map(|b| b >> 4) {
        Some(4) => [get(0..1), get(9..10), get(12..24)].concat(),
        Some(6) => [get(0..1), get(6..7), get(8..44)].concat(),
        _ => Vec::new(),
    }
}

/// The packet without what counts on from the first of a run: IPv4 identification and with it the checksum.
fn steady(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet.first().is_some_and(|b| b >> 4 == 4) && packet.len() >= 20 {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    // Zero in one's complement has two forms, and both are right for TCP.
    if let Some((start, TCP)) = transport(&packet)
        && let Some(field) = packet.get_mut(start + 16..start + 18)
        && *field == [0xff, 0xff]
    {
        field.fill(0);
    }
    packet
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where the transport header is, and which it is.
fn transport(packet: &[u8]) -> Option<(usize, u8)> {
    match packet.first()? >> 4 {
        4 => Some((20, *packet.get(9)?)),
        6 => Some((40, *packet.get(6)?)),
        _ => None,
    }
}

/// One's complement sum of pseudo-header and transport; 0xffff where the checksum is right.
fn sum(packet: &[u8]) -> Option<u16> {
    let (start, protocol) = transport(packet)?;
    let addresses = if start == 20 { packet.get(12..20)? } else { packet.get(8..40)? };
    let body = packet.get(start..)?;
    let words = [addresses, body].into_iter().flat_map(|bytes| bytes.chunks(2));
    let words = words.map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)));
    let mut sum = words.sum::<u64>() + u64::from(protocol) + body.len() as u64;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).ok()
}

/// Makes it a plain TCP segment or UDP datagram, right in every length and checksum.
fn complete(packet: &mut [u8]) {
    let Some(first) = packet.first_mut() else { return };
    let start = if *first & 0x80 == 0 { 20 } else { 40 };
    *first = if start == 20 { 0x45 } else { 0x60 };
    if packet.len() < start + 20 {
        return;
    }
    let (at, states) = if start == 20 { (9, packet.len()) } else { (6, packet.len() - start) };
    packet[at] = if packet[at] & 1 == 0 { TCP } else { UDP };
    if start == 20 {
        packet[6] &= 0x40;
        packet[7] = 0;
    }
    let length = if start == 20 { 2 } else { 4 };
    packet[length..length + 2].copy_from_slice(&(states as u16).to_be_bytes());
    let field = if packet[at] == TCP { start + 16 } else { start + 6 };
    if packet[at] == UDP {
        let len = (packet.len() - start) as u16;
        packet[start + 4..start + 6].copy_from_slice(&len.to_be_bytes());
    }
    packet[field..field + 2].fill(0);
    let checksum = match !sum(packet).unwrap_or(0) {
        0 if packet[at] == UDP => 0xffff,
        checksum => checksum,
    };
    packet[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
}
