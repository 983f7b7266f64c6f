//! The network of the demo and of the tests: two IPv6 routers, a NAT64, one IPv4 router.

use crate::{Clat, Host, Link, Nat64, Node, Path, Router};
use clat_core::{ClatMap, Policy, Pref64, Translator};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Address of the client's programs.
pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
/// Address of the client's CLAT.
pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x464, 0, 0, 0, 0, 1);
/// The IPv4-only server.
pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// The public address by which the server sees the client.
pub const PUBLIC_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 64);
/// The routers of the IPv6-only network, from the client on.
pub const ROUTERS_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0x2001, 0xdb8, 0x464, 0, 0, 0, 0, 0xfe),
    Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0xfe),
];
/// The NAT64.
pub const NAT64_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x64);
/// The router of the IPv4 internet.
pub const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// MTU of every link of the network, in bytes.
pub const MTU: u16 = 1500;
/// MTU that the client's IPv4 side has: a fragment grows by 28 bytes and still fits.
pub const CLIENT_MTU: u16 = MTU - 28;
/// Number of the first IPv6 link; the two after it are IPv6 too.
pub const FIRST_V6_LINK: usize = 1;
/// Number of the first IPv4 link behind the NAT64.
pub const FIRST_PUBLIC_LINK: usize = 4;

/// The network with this prefix; all its links are alike.
#[must_use]
pub fn network(pref64: Pref64, link: Link, seed: u64) -> Path {
    let mut policy = Policy::new();
    policy.v4_mtu = MTU.into();
    policy.v6_mtu = MTU.into();
    let clat = Clat::clat(Translator::new(ClatMap::host(pref64, CLIENT_V4, CLIENT_V6), policy));
    let nodes = vec![
        Node::Clat(Box::new(clat)),
        Node::Router(Router::v6(ROUTERS_V6[0], MTU.into())),
        Node::Router(Router::v6(ROUTERS_V6[1], MTU.into())),
        Node::Nat64(Box::new(Nat64::new(pref64, vec![PUBLIC_V4], NAT64_V6, policy))),
        Node::Router(Router::v4(ROUTER_V4, MTU.into())),
    ];
    let client = Host::new(CLIENT_V4, CLIENT_MTU.into(), seed);
    let server = Host::new(SERVER_V4, MTU.into(), !seed);
    Path::new(client, nodes, server, link, seed)
}
