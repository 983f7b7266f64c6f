//! The packets that are measured, each as it comes from a device.

#![forbid(unsafe_code)]

use clat_core::{ClatMap, Csum, Gso, GsoKind, Offload, Policy, Pref64, Translator};
use core::net::{Ipv4Addr, Ipv6Addr};

/// The host's IPv4 address.
pub const LOCAL_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
/// The CLAT's IPv6 address.
pub const LOCAL_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x464);
/// The server, as the host knows it.
pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// The server, as the network knows it.
#[must_use]
pub const fn server_v6() -> Ipv6Addr {
    Pref64::WELL_KNOWN.embed(SERVER_V4)
}

/// The translator that all measurements use.
#[must_use]
pub fn translator() -> Translator<ClatMap> {
    Translator::new(ClatMap::host(Pref64::WELL_KNOWN, LOCAL_V4, LOCAL_V6), Policy::new())
}

/// A packet and what the device says about it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the tables.
    pub name: &'static str,
    /// The bytes.
    pub packet: Vec<u8>,
    /// Checksum and segmentation state.
    pub offload: Offload,
}

impl Case {
    fn new(name: &'static str, packet: Vec<u8>) -> Self {
        Self { name, packet, offload: Offload::NONE }
    }

    fn super_packet(name: &'static str, packet: Vec<u8>, start: u16, kind: GsoKind) -> Self {
        let gso = Gso { kind, ecn: false, size: 1400, header_len: start + 20 };
        Self { name, packet, offload: Offload { csum: Csum::Partial { start, offset: 16 }, gso: Some(gso) } }
    }
}

/// All cases, both directions.
#[must_use]
pub fn cases() -> Vec<Case> {
    let tcp = |len: usize| transport(6, len, 16);
    let udp = |len: usize| transport(17, len, 6);
    let error_v4 = icmp(11, &v4(17, SERVER_V4, LOCAL_V4, &udp(28)), 0);
    let error_v6 = |sum| icmp(3, &v6(17, LOCAL_V6, server_v6(), &udp(28)), sum);
    let extended = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp(64)].concat();
    let fragment = [&[17, 0, 0, 1, 0, 0, 0, 9][..], &udp(1024)].concat();
    let mut fragment_v4 = v4(17, LOCAL_V4, SERVER_V4, &udp(1024));
    fragment_v4[6] = 0x20;
    vec![
        Case::new("v4_udp_64", v4(17, LOCAL_V4, SERVER_V4, &udp(44))),
        Case::new("v4_tcp_64", v4(6, LOCAL_V4, SERVER_V4, &tcp(44))),
        Case::new("v4_tcp_576", v4(6, LOCAL_V4, SERVER_V4, &tcp(556))),
        Case::new("v4_tcp_1400", v4(6, LOCAL_V4, SERVER_V4, &tcp(1380))),
        Case::super_packet("v4_tcp_64k", v4(6, LOCAL_V4, SERVER_V4, &tcp(65000)), 20, GsoKind::TcpV4),
        Case::new("v4_echo_64", v4(1, LOCAL_V4, SERVER_V4, &icmp(8, &[0; 36], 0))),
        Case::new("v4_error", v4(1, LOCAL_V4, SERVER_V4, &error_v4)),
        Case::new("v4_fragment", checksummed(fragment_v4)),
        Case::new("v6_udp_64", v6(17, server_v6(), LOCAL_V6, &udp(44))),
        Case::new("v6_tcp_64", v6(6, server_v6(), LOCAL_V6, &tcp(44))),
        Case::new("v6_tcp_576", v6(6, server_v6(), LOCAL_V6, &tcp(556))),
        Case::new("v6_tcp_1400", v6(6, server_v6(), LOCAL_V6, &tcp(1380))),
        Case::super_packet("v6_tcp_64k", v6(6, server_v6(), LOCAL_V6, &tcp(65000)), 40, GsoKind::TcpV6),
        Case::new("v6_echo_64", v6(58, server_v6(), LOCAL_V6, &icmp(128, &[0; 36], 0))),
        Case::new("v6_error", v6(58, server_v6(), LOCAL_V6, &error_v6(pseudo_v6(76)))),
        Case::new("v6_fragment", v6(44, server_v6(), LOCAL_V6, &fragment)),
        Case::new("v6_extensions", v6(0, server_v6(), LOCAL_V6, &extended)),
    ]
}

fn transport(protocol: u8, len: usize, checksum_at: usize) -> Vec<u8> {
    let mut bytes = vec![0x5a; len];
    bytes[..4].copy_from_slice(&[0x12, 0x34, 0x00, 0x50]);
    if protocol == 6 {
        bytes[12] = 0x50;
    } else {
        bytes[4..6].copy_from_slice(&u16::try_from(len).unwrap_or(8).to_be_bytes());
    }
    bytes[checksum_at..checksum_at + 2].copy_from_slice(&[0xbe, 0xef]);
    bytes
}

fn icmp(icmp_type: u8, body: &[u8], pseudo: u32) -> Vec<u8> {
    let mut bytes = [&[icmp_type, 0, 0, 0, 0, 0, 0, 0][..], body].concat();
    let sum = fold(sum(&bytes) + pseudo);
    bytes[2..4].copy_from_slice(&(!sum).to_be_bytes());
    bytes
}

fn pseudo_v6(len: u32) -> u32 {
    sum(&server_v6().octets()) + sum(&LOCAL_V6.octets()) + len + 58
}

fn v4(protocol: u8, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = vec![0x45, 0, len[0], len[1], 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0];
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(payload);
    checksummed(bytes)
}

fn checksummed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let sum = !fold(sum(&packet[..20]));
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn v6(next_header: u8, src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, len[0], len[1], next_header, 64];
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(payload);
    bytes
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|c| u32::from(c[0]) * 256 + u32::from(*c.get(1).unwrap_or(&0))).sum()
}

fn fold(sum: u32) -> u16 {
    let sum = (sum >> 16) + (sum & 0xffff);
    u16::try_from((sum >> 16) + (sum & 0xffff)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clat_core::{QueueState, Verdict};

    #[test]
    fn every_case_is_translated() {
        let translator = translator();
        let mut state = QueueState::new(1);
        for case in cases() {
            let verdict = translator.translate_offloaded(&case.packet, case.offload, &mut state);
            assert!(matches!(verdict, Verdict::Forward(_)), "{}: {verdict:?}", case.name);
        }
    }
}
