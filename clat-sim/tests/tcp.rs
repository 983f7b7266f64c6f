//! Megabytes of TCP through CLAT and NAT64, over links that lose and reorder.

#![allow(clippy::unwrap_used, reason = "a test says where it fails")]

use clat_core::Pref64;
use clat_sim::network::{CLIENT_V6, PUBLIC_V4, SERVER_V4, network};
use clat_sim::smoltcp::iface::SocketHandle;
use clat_sim::smoltcp::socket::tcp;
use clat_sim::smoltcp::time::Duration;
use clat_sim::{Host, Link, Node, Path};
use sha2::{Digest, Sha256};

const PORT: u16 = 80;

fn socket(host: &mut Host) -> SocketHandle {
    let buffer = || tcp::SocketBuffer::new(vec![0; 256 << 10]);
    host.sockets.add(tcp::Socket::new(buffer(), buffer()))
}

/// Bytes that no two offsets within reach share.
fn byte(offset: usize) -> u8 {
    (offset.wrapping_mul(0x9e37_79b1) >> 13) as u8
}

/// One direction of a connection.
struct Stream {
    len: usize,
    sent: usize,
    received: usize,
    hash: Sha256,
}

impl Stream {
    fn new(len: usize) -> Self {
        Self { len, sent: 0, received: 0, hash: Sha256::new() }
    }

    fn send(&mut self, socket: &mut tcp::Socket<'_>) {
        while socket.can_send() && self.sent < self.len {
            let (start, left) = (self.sent, self.len - self.sent);
            let fill = |buf: &mut [u8]| {
                let n = buf.len().min(left);
                buf[..n].iter_mut().enumerate().for_each(|(i, b)| *b = byte(start + i));
                (n, n)
            };
            self.sent += socket.send(fill).unwrap();
        }
    }

    fn receive(&mut self, socket: &mut tcp::Socket<'_>) {
        while socket.can_recv() {
            let take = |buf: &mut [u8]| {
                self.hash.update(&*buf);
                (buf.len(), buf.len())
            };
            self.received += socket.recv(take).unwrap();
        }
    }

    fn is_whole(&self) -> bool {
        let sent: Vec<u8> = (0..self.len).map(byte).collect();
        self.received == self.len && self.hash.clone().finalize() == Sha256::digest(sent)
    }
}

/// Sends `len` bytes each way over one connection, and checks what arrived.
fn transfer(mut path: Path, len: usize) -> Path {
    let server = socket(&mut path.server);
    let client = socket(&mut path.client);
    path.server.socket::<tcp::Socket<'_>>(server).0.listen(PORT).unwrap();
    let (socket, context) = path.client.socket::<tcp::Socket<'_>>(client);
    socket.connect(context, (SERVER_V4, PORT), 40_000).unwrap();
    let (mut up, mut down) = (Stream::new(len), Stream::new(len));
    let done = path.run_until(Duration::from_secs(3600), |client_host, server_host| {
        let (client, _) = client_host.socket::<tcp::Socket<'_>>(client);
        let (server, _) = server_host.socket::<tcp::Socket<'_>>(server);
        up.send(client);
        down.send(server);
        up.receive(server);
        down.receive(client);
        up.received == len && down.received == len
    });
    assert!(done, "up {} of {len}, down {} of {len} at {}", up.received, down.received, path.now());
    assert!(up.is_whole() && down.is_whole(), "what arrived is not what was sent");
    path
}

fn perfect() -> Link {
    Link::perfect(Duration::from_millis(1))
}

#[test]
fn two_megabytes_each_way_without_loss() {
    let path = transfer(network(Pref64::WELL_KNOWN, perfect(), 1), 2 << 20);
    let Node::Clat(clat) = &path.nodes[0] else { panic!("the CLAT comes first") };
    let counters = clat.counters();
    assert!(counters.drops.is_empty(), "{counters:?}");
    assert!(counters.v4_to_v6 > 1400 && counters.v6_to_v4 > 1400, "{counters:?}");
    let Node::Nat64(nat64) = &path.nodes[3] else { panic!("the NAT64 comes fourth") };
    assert_eq!(nat64.node().translator().map().bindings(), [(CLIENT_V6, PUBLIC_V4)]);
}

#[test]
fn half_a_megabyte_each_way_with_loss_and_reordering() {
    for seed in [2, 3, 4] {
        let link = Link { loss: 3, reorder: 20, ..perfect() };
        transfer(network(Pref64::WELL_KNOWN, link, seed), 512 << 10);
    }
}

#[test]
fn rfc6052_section_2_2_every_prefix_length() {
    for prefix in [
        "3fff:db8::/32",
        "3fff:db8:100::/40",
        "3fff:db8:122::/48",
        "3fff:db8:122:300::/56",
        "3fff:db8:122:344::/64",
        "3fff:db8:122:344::/96",
    ] {
        transfer(network(prefix.parse().unwrap(), perfect(), 5), 64 << 10);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let link = Link { loss: 20, reorder: 20, ..perfect() };
        let mut path = network(Pref64::WELL_KNOWN, link, seed);
        path.record();
        let mut path = transfer(path, 32 << 10);
        path.take_seen().into_iter().map(|s| (s.at, s.link, s.packet)).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
