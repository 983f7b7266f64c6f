//! The data path allocates nothing per packet: counted by the allocator while traffic of all kinds
//! passes. A test binary of its own, since the count is one for the whole process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "datapath/bed.rs"]
#[allow(dead_code)]
mod bed;

use bed::{Bed, CLIENT_V4, pattern, server_v4, server_v6};
use clat_linux::device::OffloadRequest;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Datagrams both ways, streams both ways, packets that are dropped and packets that are answered.
fn traffic(tcp: &mut (TcpStream, TcpStream), udp: &(UdpSocket, UdpSocket), buf: &mut [u8]) {
    for n in 0..200u64 {
        pattern(n, &mut buf[..1000]);
        // The third is larger than a packet, the last goes where nothing is mapped.
        for len in [100, 1000, 3000] {
            udp.0.send(&buf[..len]).unwrap();
            udp.1.send(&buf[..len]).unwrap();
        }
        let _ = udp.0.send_to(&buf[..10], SocketAddr::from(([224, 0, 1, 1], 9)));
        for socket in [&udp.0, &udp.1] {
            for len in [100, 1000, 3000] {
                assert_eq!(socket.recv(buf).unwrap(), len);
            }
        }
        tcp.0.write_all(&buf[..30_000]).unwrap();
        tcp.1.read_exact(&mut buf[..30_000]).unwrap();
        tcp.1.write_all(&buf[..30_000]).unwrap();
        tcp.0.read_exact(&mut buf[..30_000]).unwrap();
    }
}

#[test]
fn no_packet_costs_an_allocation() {
    let Some(bed) = Bed::new("no_packet_costs_an_allocation", 1, OffloadRequest::Best) else { return };
    let listener = bed.in_server(|| TcpListener::bind(server_v6(8001)));
    let client = bed.in_app(|| TcpStream::connect(server_v4(8001)));
    let mut tcp = (client, listener.accept().unwrap().0);
    let udp = (
        bed.in_app(|| UdpSocket::bind((CLIENT_V4, 9000))),
        bed.in_server(|| UdpSocket::bind(server_v6(9000))),
    );
    udp.0.connect(server_v4(9000)).unwrap();
    udp.0.send(b"hello").unwrap();
    let (_, from) = udp.1.recv_from(&mut [0; 8]).unwrap();
    udp.1.connect(from).unwrap();
    let mut buf = vec![0; 65_536];

    traffic(&mut tcp, &udp, &mut buf);
    let before = bed.totals();
    let region = Region::new(ALLOCATOR);
    traffic(&mut tcp, &udp, &mut buf);
    let change = region.change();
    let after = bed.totals();

    let packets =
        after.v4_to_v6.packets + after.v6_to_v4.packets - before.v4_to_v6.packets - before.v6_to_v4.packets;
    assert!(packets > 5000, "{packets} packets");
    assert!(after.super_packets > before.super_packets);
    assert!(after.drop_reasons().map(|(_, n)| n).sum::<u64>() >= 200, "{after:?}");
    assert_eq!((change.allocations, change.reallocations), (0, 0), "in {packets} packets: {change:?}");
}
