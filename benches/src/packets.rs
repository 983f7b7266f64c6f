//! Builds packets.

use crate::{LOCAL_V6, server_v6};
use core::net::{Ipv4Addr, Ipv6Addr};

pub(crate) fn transport(protocol: u8, len: usize, checksum_at: usize) -> Vec<u8> {
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

pub(crate) fn icmp(icmp_type: u8, body: &[u8], pseudo: u32) -> Vec<u8> {
    let mut bytes = [&[icmp_type, 0, 0, 0, 0, 0, 0, 0][..], body].concat();
    let sum = fold(sum(&bytes) + pseudo);
    bytes[2..4].copy_from_slice(&(!sum).to_be_bytes());
    bytes
}

pub(crate) fn pseudo_v6(len: u32) -> u32 {
    sum(&server_v6().octets()) + sum(&LOCAL_V6.octets()) + len + 58
}

pub(crate) fn v4(protocol: u8, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = vec![0x45, 0, len[0], len[1], 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0];
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(payload);
    checksummed(bytes)
}

pub(crate) fn checksummed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let sum = !fold(sum(&packet[..20]));
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

pub(crate) fn v6(next_header: u8, src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, len[0], len[1], next_header, 64];
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(payload);
    bytes
}

pub(crate) fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|c| u32::from(c[0]) * 256 + u32::from(*c.get(1).unwrap_or(&0))).sum()
}

pub(crate) fn fold(sum: u32) -> u16 {
    let sum = (sum >> 16) + (sum & 0xffff);
    u16::try_from((sum >> 16) + (sum & 0xffff)).unwrap_or(u16::MAX)
}
