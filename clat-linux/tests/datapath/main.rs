//! Real traffic between two real network stacks through the data path: an IPv4 program, the TUN, a veth
//! without NAT64, a server that has the IPv4-embedded IPv6 address itself.
//!
//! Needs root, network namespaces and `/dev/net/tun`.

#![cfg(target_os = "linux")]
// Expectations about the test bed end the test with a word.
#![allow(clippy::unwrap_used)]

mod bed;
mod life;
mod tcp;
mod udp;
