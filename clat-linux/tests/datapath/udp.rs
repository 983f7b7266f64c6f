//! UDP: datagrams keep their bounds, their order and their bytes.

use crate::bed::{Bed, pattern, server_v4, server_v6};
use clat_linux::device::OffloadRequest;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use std::io::{ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A connected pair through the translator: the program's socket and the server's.
fn pair(bed: &Bed, port: u16) -> (UdpSocket, UdpSocket) {
    let server = bed.in_server(|| UdpSocket::bind(server_v6(port)));
    let client = bed.in_app(|| UdpSocket::bind("192.0.0.1:0"));
    client.connect(server_v4(port)).unwrap();
    client.send(b"hello").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (_, from) = uninterrupted(|| server.recv_from(&mut [0; 16])).unwrap();
    server.connect(from).unwrap();
    (client, server)
}

/// Repeats a call with a timeout, which ends early when the process was frozen.
fn uninterrupted<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Sends bursts of numbered datagrams and compares what arrives, in order. A burst has to fit into the
/// socket buffer, in which each fragment counts as a page: then nothing may be lost.
fn exchange(from: &UdpSocket, to: &UdpSocket, len: usize, (bursts, burst_len): (u64, u64)) {
    let (mut datagram, mut got) = (vec![0; len], vec![0; 65_536]);
    for burst in 0..bursts {
        let numbers = burst * burst_len..(burst + 1) * burst_len;
        for n in numbers.clone() {
            pattern(n << 20, &mut datagram);
            from.send(&datagram).unwrap();
        }
        for n in numbers {
            let arrived = uninterrupted(|| to.recv(&mut got))
                .unwrap_or_else(|e| panic!("datagram {n} of {len} bytes: {e}"));
            pattern(n << 20, &mut datagram);
            assert!(got[..arrived] == datagram[..], "datagram {n} of {len} bytes");
        }
    }
}

#[test]
fn datagrams_keep_bounds_order_and_bytes() {
    let Some(bed) = Bed::new("datagrams_keep_bounds_order_and_bytes", 1, OffloadRequest::Best) else {
        return;
    };
    let (client, server) = pair(&bed, 6001);
    for len in [1, 18, 64, 512, 1200, 1400] {
        exchange(&client, &server, len, (50, 40));
        exchange(&server, &client, len, (50, 40));
    }
    bed.assert_clean();
    assert_eq!(bed.totals().drop_reasons().count(), 0, "{:?}", bed.pump.counters().last_drops());
}

#[test]
fn a_device_without_offload_carries_the_same_datagrams() {
    let name = "a_device_without_offload_carries_the_same_datagrams";
    let Some(bed) = Bed::new(name, 1, OffloadRequest::Off) else { return };
    let (client, server) = pair(&bed, 6001);
    exchange(&client, &server, 900, (50, 40));
    exchange(&server, &client, 900, (50, 40));
    bed.assert_clean();
}

#[test]
fn fragmented_datagrams_arrive_whole() {
    let Some(bed) = Bed::new("fragmented_datagrams_arrive_whole", 1, OffloadRequest::Best) else { return };
    let (client, server) = pair(&bed, 6001);
    for len in [1445, 3000, 8000] {
        exchange(&client, &server, len, (20, 2));
        exchange(&server, &client, len, (20, 2));
    }
    bed.assert_clean();
}

#[test]
fn datagrams_that_may_be_fragmented_arrive_whole() {
    let name = "datagrams_that_may_be_fragmented_arrive_whole";
    let Some(bed) = Bed::new(name, 1, OffloadRequest::Best) else { return };
    let (client, server) = pair(&bed, 6001);
    bed.clear_df();
    for len in [1200, 1253, 1444] {
        exchange(&client, &server, len, (10, 10));
    }
    for (size, last) in [(1200, 1200), (1444, 1444), (1444, 9)] {
        segmented(&client, &server, server_v4(6001), size, last);
    }
    bed.assert_clean();
    assert!(bed.totals().segmented >= 2, "segments of UDP keep their size: {:?}", bed.totals());
    assert!(bed.totals().writes > bed.totals().v4_to_v6.packets, "fragments: {:?}", bed.totals());
}

/// Sends with `UDP_SEGMENT`, receives with `UDP_GRO`: what QUIC does.
fn segmented(from: &UdpSocket, to: &UdpSocket, peer: SocketAddr, size: usize, last: usize) {
    let (sender, receiver) =
        (UdpSocketState::new(from.into()).unwrap(), UdpSocketState::new(to.into()).unwrap());
    assert!(sender.max_gso_segments() > 16, "this kernel has UDP_SEGMENT");
    let mut contents = vec![0; size * 15 + last];
    pattern(size as u64, &mut contents);
    let transmit = Transmit {
        destination: peer,
        ecn: None,
        contents: &contents,
        segment_size: Some(size),
        src_ip: None,
    };
    sender.try_send(from.into(), &transmit).unwrap();
    let mut got = Vec::new();
    let start = Instant::now();
    while got.len() < contents.len() {
        let mut buf = vec![0; 65_536];
        let mut meta = [RecvMeta::default()];
        match receiver.recv(to.into(), &mut [IoSliceMut::new(&mut buf)], &mut meta) {
            Ok(_) => {
                let datagrams = buf[..meta[0].len].chunks(meta[0].stride);
                assert!(datagrams.clone().all(|d| d.len() == size || d.len() == last), "{:?}", meta[0]);
                got.extend_from_slice(&buf[..meta[0].len]);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                assert!(start.elapsed() < Duration::from_secs(5), "{} of {}", got.len(), contents.len());
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert!(got == contents);
}

#[test]
fn segmented_datagrams_pass_whole_both_ways() {
    let Some(bed) = Bed::new("segmented_datagrams_pass_whole_both_ways", 1, OffloadRequest::Best) else {
        return;
    };
    let (client, server) = pair(&bed, 6001);
    let before = bed.totals().super_packets;
    for (size, last) in [(1200, 1200), (1200, 77), (1444, 1), (64, 64)] {
        segmented(&client, &server, server_v4(6001), size, last);
        segmented(&server, &client, server.peer_addr().unwrap(), size, last);
    }
    bed.assert_clean();
    let totals = bed.totals();
    assert!(totals.super_packets - before >= 8, "{totals:?}");
    assert_eq!(totals.segmented, 0, "{totals:?}");
}

#[test]
fn a_burst_leaves_in_fewer_writes() {
    let Some(bed) = Bed::new("a_burst_leaves_in_fewer_writes", 1, OffloadRequest::Best) else { return };
    let (client, server) = pair(&bed, 6001);
    let sent = 200_000u64;
    let before = bed.totals();
    for n in 0..sent {
        client.send(&n.to_le_bytes()).unwrap();
    }
    // Some are lost in full queues; those that arrive are in order.
    server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut last, mut got) = (None, 0u64);
    let mut buf = [0; 16];
    while let Ok(len) = uninterrupted(|| server.recv(&mut buf)) {
        assert_eq!(len, 8);
        let n = u64::from_le_bytes(buf[..8].try_into().unwrap());
        assert!(last < Some(n), "{n} after {last:?}");
        last = Some(n);
        got += 1;
    }
    assert!(got > 0);
    bed.assert_clean();
    let totals = bed.totals();
    let (packets, writes) =
        (totals.v4_to_v6.packets - before.v4_to_v6.packets, totals.writes - before.writes);
    assert!(totals.merged > 0 && writes < packets / 2, "{packets} packets in {writes} writes");
}
