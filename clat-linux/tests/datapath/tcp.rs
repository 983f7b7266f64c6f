//! TCP: what arrives is what was sent, in super-packets that nobody cut.

use crate::bed::{Bed, pattern, server_v4, server_v6};
use clat_linux::device::OffloadRequest;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::ScopedJoinHandle;

const CHUNK: usize = 256 * 1024;

/// Sends bytes that the receiver can predict, then says that there are no more.
fn send(mut stream: &TcpStream, len: u64) {
    let mut buf = vec![0; CHUNK];
    for at in (0..len).step_by(CHUNK) {
        pattern(at, &mut buf);
        stream.write_all(&buf).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

/// Receives until the end and compares each byte.
fn receive(mut stream: &TcpStream, len: u64) {
    let (mut buf, mut want) = (vec![0; CHUNK], vec![0; CHUNK]);
    for at in (0..len).step_by(CHUNK) {
        stream.read_exact(&mut buf).unwrap();
        pattern(at, &mut want);
        assert!(buf == want, "other bytes arrived at {at}");
    }
    assert_eq!(stream.read(&mut buf).unwrap(), 0, "more arrived than was sent");
}

/// A connection through the translator: the program's end and the server's.
fn connect(bed: &Bed, port: u16) -> (TcpStream, TcpStream) {
    let listener = bed.in_server(|| TcpListener::bind(server_v6(port)));
    let client = bed.in_app(|| TcpStream::connect(server_v4(port)));
    let (server, from) = listener.accept().unwrap();
    assert!(from.is_ipv6());
    (client, server)
}

fn transfer(bed: &Bed, port: u16, up: u64, down: u64) {
    let (client, server) = connect(bed, port);
    std::thread::scope(|scope| {
        let ends: [ScopedJoinHandle<'_, ()>; 4] = [
            scope.spawn(|| send(&client, up)),
            scope.spawn(|| receive(&server, up)),
            scope.spawn(|| send(&server, down)),
            scope.spawn(|| receive(&client, down)),
        ];
        for end in ends {
            end.join().unwrap();
        }
    });
}

const MIB: u64 = 1 << 20;

#[test]
fn super_packets_pass_whole_both_ways() {
    let Some(bed) = Bed::new("super_packets_pass_whole_both_ways", 1, OffloadRequest::Best) else { return };
    transfer(&bed, 5001, 64 * MIB, 0);
    let up = bed.totals();
    transfer(&bed, 5002, 0, 64 * MIB);
    let totals = bed.totals();
    bed.assert_clean();
    assert_eq!(totals.segmented, 0, "nothing was cut");
    assert!(up.v4_to_v6.bytes >= 64 * MIB && totals.v6_to_v4.bytes >= 64 * MIB);
    // Most of the bytes travel in super-packets of many segments.
    assert!(up.super_packets > 1000, "{up:?}");
    assert!(totals.super_packets - up.super_packets > 1000, "{totals:?}");
    assert!(up.v4_to_v6.packets >= 64 * MIB / 1500, "a super-packet counts as its segments");
    assert!(totals.writes < (totals.v4_to_v6.packets + totals.v6_to_v4.packets) / 4, "{totals:?}");
}

#[test]
fn both_ways_at_once_and_several_streams() {
    let Some(bed) = Bed::new("both_ways_at_once_and_several_streams", 1, OffloadRequest::Best) else {
        return;
    };
    std::thread::scope(|scope| {
        for port in 5001..5005 {
            let bed = &bed;
            scope.spawn(move || transfer(bed, port, 8 * MIB, 8 * MIB));
        }
    });
    bed.assert_clean();
}

#[test]
fn two_queues_share_the_streams() {
    let Some(bed) = Bed::new("two_queues_share_the_streams", 2, OffloadRequest::Best) else { return };
    std::thread::scope(|scope| {
        for port in 5001..5009 {
            let bed = &bed;
            scope.spawn(move || transfer(bed, port, 4 * MIB, 4 * MIB));
        }
    });
    bed.assert_clean();
}

#[test]
fn a_device_without_offload_carries_the_same_bytes() {
    let Some(bed) = Bed::new("a_device_without_offload_carries_the_same_bytes", 1, OffloadRequest::Off)
    else {
        return;
    };
    transfer(&bed, 5001, 4 * MIB, 4 * MIB);
    bed.assert_clean();
    let totals = bed.totals();
    assert_eq!((totals.super_packets, totals.merged), (0, 0));
}

#[test]
fn segments_of_an_uplink_without_offload_are_put_together() {
    let Some(bed) =
        Bed::new("segments_of_an_uplink_without_offload_are_put_together", 1, OffloadRequest::Best)
    else {
        return;
    };
    bed.app.sh("ethtool -K up0 gro off tso off gso off").unwrap();
    bed.server.sh("ethtool -K down0 gro off tso off gso off").unwrap();
    transfer(&bed, 5001, 0, 32 * MIB);
    bed.assert_clean();
    let totals = bed.totals();
    assert!(totals.merged > 100, "{totals:?}");
    assert!(totals.writes < (totals.v4_to_v6.packets + totals.v6_to_v4.packets) * 3 / 4, "{totals:?}");
}

#[test]
fn super_packets_that_may_be_fragmented_get_smaller_segments() {
    let name = "super_packets_that_may_be_fragmented_get_smaller_segments";
    let Some(bed) = Bed::new(name, 1, OffloadRequest::Best) else { return };
    bed.clear_df();
    transfer(&bed, 5001, 8 * MIB, 8 * MIB);
    bed.assert_clean();
    let totals = bed.totals();
    assert!(totals.super_packets > 10 && totals.segmented == 0, "whole all the same: {totals:?}");
}
