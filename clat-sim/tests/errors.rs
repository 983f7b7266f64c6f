//! ICMP errors across CLAT and NAT64: who hears what about which packet.

#![allow(clippy::unwrap_used, reason = "a test says where it fails")]

use clat_core::Pref64;
use clat_sim::network::{CLIENT_V4, FIRST_PUBLIC_LINK, PUBLIC_V4, ROUTER_V4, ROUTERS_V6, SERVER_V4, network};
use clat_sim::smoltcp::iface::SocketHandle;
use clat_sim::smoltcp::socket::udp;
use clat_sim::smoltcp::time::Duration;
use clat_sim::smoltcp::wire::{Icmpv4Packet, Ipv4Packet, UdpPacket};
use clat_sim::{Host, Link, Node, Path, Router, Side};
use std::net::Ipv4Addr;

const CLIENT_PORT: u16 = 40_000;
const SERVER_PORT: u16 = 50_000;
const DUMMY: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

fn path() -> Path {
    network(Pref64::WELL_KNOWN, Link::perfect(Duration::from_millis(1)), 9)
}

fn socket(host: &mut Host, port: u16) -> SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 16 << 10]);
    let handle = host.sockets.add(udp::Socket::new(buffer(), buffer()));
    host.socket::<udp::Socket<'_>>(handle).0.bind(port).unwrap();
    handle
}

/// An ICMPv4 error on its last link.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    from: Ipv4Addr,
    type_code: (u8, u8),
    /// The last two octets of the word behind the checksum.
    mtu: u16,
    quoted: (Ipv4Addr, u16, Ipv4Addr, u16),
}

/// The one ICMP error that went over a link to this side.
fn heard(path: &mut Path, link: usize, to: Side) -> Heard {
    let seen = path.take_seen();
    let packets = seen.iter().filter(|s| s.link == link && s.to == to && s.packet[9] == 1);
    let [packet] = packets.map(|s| &s.packet[..]).collect::<Vec<_>>()[..] else { panic!("not one error") };
    let ip = Ipv4Packet::new_checked(packet).unwrap();
    let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
    assert!(ip.verify_checksum() && icmp.verify_checksum() && packet.len() <= 576);
    let quoted = Ipv4Packet::new_unchecked(icmp.data());
    assert!(quoted.verify_checksum());
    let ports = UdpPacket::new_unchecked(&icmp.data()[20..]);
    Heard {
        from: ip.src_addr(),
        type_code: (icmp.msg_type().into(), icmp.msg_code()),
        mtu: u16::from_be_bytes([ip.payload()[6], ip.payload()[7]]),
        quoted: (quoted.src_addr(), ports.src_port(), quoted.dst_addr(), ports.dst_port()),
    }
}

/// The client sends one datagram; what does it hear about it?
fn client_hears(path: &mut Path, hop_limit: Option<u8>, len: usize) -> Heard {
    path.record();
    let handle = socket(&mut path.client, CLIENT_PORT);
    let (socket, _) = path.client.socket::<udp::Socket<'_>>(handle);
    socket.set_hop_limit(hop_limit);
    socket.send_slice(&vec![7; len], (SERVER_V4, SERVER_PORT)).unwrap();
    path.run_until(Duration::from_secs(5), |_, _| false);
    heard(path, 0, Side::Left)
}

const ABOUT_CLIENT: (Ipv4Addr, u16, Ipv4Addr, u16) = (CLIENT_V4, CLIENT_PORT, SERVER_V4, SERVER_PORT);

#[test]
fn rfc7915_section_5_2_time_exceeded_from_every_hop() {
    let expected = [DUMMY, DUMMY, DUMMY, DUMMY, ROUTER_V4];
    for (hop_limit, from) in (1..).zip(expected) {
        let heard = client_hears(&mut path(), Some(hop_limit), 20);
        assert_eq!((heard.from, heard.type_code), (from, (11, 0)), "hop {hop_limit}");
        assert_eq!(heard.quoted, ABOUT_CLIENT, "hop {hop_limit}");
    }
}

#[test]
fn rfc7915_section_5_2_port_unreachable_from_the_server() {
    let heard = client_hears(&mut path(), None, 20);
    assert_eq!((heard.from, heard.type_code, heard.quoted), (SERVER_V4, (3, 3), ABOUT_CLIENT));
}

/// RFC 7915 section 5.2: the MTU of a Packet Too Big less the 20 bytes by which headers differ.
#[test]
fn rfc7915_section_5_2_a_path_mtu_that_shrinks_on_the_ipv6_side() {
    let mut path = path();
    path.nodes[2] = Node::Router(Router::v6(ROUTERS_V6[1], 1300));
    let heard = client_hears(&mut path, None, 1400);
    assert_eq!((heard.from, heard.type_code, heard.mtu), (DUMMY, (3, 4), 1280));
    assert_eq!(heard.quoted, ABOUT_CLIENT);
}

/// RFC 7915 section 4.2: the MTU of a Fragmentation Needed and 20 more; and back again by the CLAT.
#[test]
fn rfc7915_section_4_2_a_path_mtu_that_shrinks_on_the_ipv4_side() {
    let mut path = path();
    path.nodes[4] = Node::Router(Router::v4(ROUTER_V4, 1400));
    let heard = client_hears(&mut path, None, 1420);
    assert_eq!((heard.from, heard.type_code, heard.mtu), (ROUTER_V4, (3, 4), 1400));
    assert_eq!(heard.quoted, ABOUT_CLIENT);
}

#[test]
fn a_server_hears_of_the_ipv6_sides_mtu_from_the_nat64() {
    let mut path = path();
    path.nodes[1] = Node::Router(Router::v6(ROUTERS_V6[0], 1400));
    // The client speaks first, so that the NAT64 knows it.
    path.record();
    let client = socket(&mut path.client, CLIENT_PORT);
    let server = socket(&mut path.server, SERVER_PORT);
    let (socket, _) = path.client.socket::<udp::Socket<'_>>(client);
    socket.send_slice(b"hello", (SERVER_V4, SERVER_PORT)).unwrap();
    path.run_until(Duration::from_secs(5), |_, host| {
        let (socket, _) = host.socket::<udp::Socket<'_>>(server);
        if let Ok((_, from)) = socket.recv() {
            assert_eq!(from.endpoint.addr, PUBLIC_V4.into());
            socket.send_slice(&[7; 1400], from.endpoint).unwrap();
        }
        false
    });
    let heard = heard(&mut path, FIRST_PUBLIC_LINK + 1, Side::Right);
    assert_eq!((heard.from, heard.type_code, heard.mtu), (DUMMY, (3, 4), 1380));
    assert_eq!(heard.quoted, (SERVER_V4, SERVER_PORT, PUBLIC_V4, CLIENT_PORT));
}
