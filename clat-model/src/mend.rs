//! Makes random bytes plausible: fuzzers rarely guess a checksum or an address.

use crate::Config;
use crate::build::{LOCAL_V4, LOCAL_V6, REMOTE_V4};
use crate::sum::{header_checksum, pseudo_v6};
use crate::upper::put;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What [`mend`] leaves as it is; every other lie is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave(pub u8);

impl Leave {
    /// The length of the packet.
    pub const LENGTH: u8 = 1;
    /// The source.
    pub const SOURCE: u8 = 2;
    /// The destination.
    pub const DESTINATION: u8 = 4;
    /// The protocol, which else is one of a few.
    pub const PROTOCOL: u8 = 8;
    /// Checksums of header and ICMP message.
    pub const CHECKSUM: u8 = 16;
    /// The packet quoted in an ICMP error.
    pub const QUOTED: u8 = 32;
    /// Fragment fields of IPv4, TTL and hop limit.
    pub const FIELDS: u8 = 64;

    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// The addresses that are plausible.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    local: (Ipv4Addr, Ipv6Addr),
    remote: (Ipv4Addr, Ipv6Addr),
}

impl Ends {
    /// The first row, and a host beyond the PLAT.
    #[must_use]
    pub fn of(c: &Config) -> Self {
        let local = c.rows.first().map_or((LOCAL_V4, LOCAL_V6), |r| (r.v4, r.v6));
        Self { local, remote: (REMOTE_V4, c.embed(REMOTE_V4)) }
    }
}

const PROTOCOLS: [u8; 8] = [1, 6, 17, 1, 33, 136, 50, 17];
const NEXT: [u8; 16] = [58, 6, 17, 58, 44, 0, 60, 43, 58, 17, 33, 136, 59, 44, 58, 6];

/// Makes a packet of either family plausible: by its version, else by its first bit.
pub fn mend(packet: &mut [u8], leave: Leave, ends: Ends) {
    match packet.first().map(|b| b >> 4) {
        Some(6 | 8..) => mend_v6(packet, leave, ends),
        Some(_) => mend_v4(packet, leave, ends),
        None => {}
    }
}

/// Makes an IPv4 packet plausible.
pub fn mend_v4(packet: &mut [u8], leave: Leave, ends: Ends) {
    v4(packet, leave, ends, false);
}

/// Makes an IPv6 packet plausible.
pub fn mend_v6(packet: &mut [u8], leave: Leave, ends: Ends) {
    v6(packet, leave, ends, false);
}

/// Makes a packet plausible as one that an ICMPv4 error of the host quotes.
pub fn mend_quoted_v4(packet: &mut [u8], leave: Leave, ends: Ends) {
    v4(packet, leave, ends, true);
}

/// Makes a packet plausible as one that an ICMPv6 error to the host quotes.
pub fn mend_quoted_v6(packet: &mut [u8], leave: Leave, ends: Ends) {
    v6(packet, leave, ends, true);
}

#[allow(clippy::cast_possible_truncation)]
fn v4(packet: &mut [u8], leave: Leave, ends: Ends, quoted: bool) {
    if packet.len() < 20 {
        return;
    }
    let header = usize::from(packet[0] & 15) * 4;
    let header = if (20..=packet.len()).contains(&header) && packet[0] & 0x40 == 0 { header } else { 20 };
    packet[0] = 0x40 | (header / 4) as u8;
    if !quoted && !leave.has(Leave::LENGTH) {
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
    }
    if !leave.has(Leave::FIELDS) {
        packet[6] &= 0x40;
        packet[7] = 0;
        packet[8] |= 2;
    }
    if !leave.has(Leave::PROTOCOL) {
        packet[9] = PROTOCOLS[usize::from(packet[9] & 7)];
    }
    let (local, remote) = (ends.local.0, ends.remote.0);
    let (src, dst) = if quoted { (remote, local) } else { (local, remote) };
    if !leave.has(Leave::SOURCE) {
        packet[12..16].copy_from_slice(&src.octets());
    }
    if !leave.has(Leave::DESTINATION) {
        packet[16..20].copy_from_slice(&dst.octets());
    }
    if packet[9] == 1 && packet.len() >= header + 8 && !quoted {
        icmp(&mut packet[header..], leave, 0, |quote| v4(quote, leave, ends, true));
    }
    if !leave.has(Leave::CHECKSUM) {
        let checksum = header_checksum(&packet[..header]);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[allow(clippy::cast_possible_truncation)]
fn v6(packet: &mut [u8], leave: Leave, ends: Ends, quoted: bool) {
    if packet.len() < 40 {
        return;
    }
    packet[0] = 0x60 | packet[0] & 15;
    if !quoted && !leave.has(Leave::LENGTH) {
        let len = (packet.len() - 40) as u16;
        packet[4..6].copy_from_slice(&len.to_be_bytes());
    }
    if !leave.has(Leave::FIELDS) {
        packet[7] |= 2;
    }
    let (local, remote) = (ends.local.1, ends.remote.1);
    let (src, dst) = if quoted { (local, remote) } else { (remote, local) };
    if !leave.has(Leave::SOURCE) {
        packet[8..24].copy_from_slice(&src.octets());
    }
    if !leave.has(Leave::DESTINATION) {
        packet[24..40].copy_from_slice(&dst.octets());
    }
    let Some(at) = walk(packet, leave) else { return };
    let (head, upper) = packet.split_at_mut(at);
    let (src, dst) = (&head[8..24], &head[24..40]);
    let address = |o: &[u8]| <[u8; 16]>::try_from(o).unwrap_or_default().into();
    if upper.len() >= 8 && !quoted {
        let pseudo = pseudo_v6(address(src), address(dst), 58, upper.len());
        icmp(upper, leave, pseudo, |quote| v6(quote, leave, ends, true));
    }
}

/// Follows the chain, with plausible next headers; returns where an ICMPv6 message starts.
fn walk(packet: &mut [u8], leave: Leave) -> Option<usize> {
    let (mut field, mut at) = (6, 40);
    loop {
        if !leave.has(Leave::PROTOCOL) {
            packet[field] = NEXT[usize::from(packet[field] & 15)];
        }
        let kind = packet[field];
        if !matches!(kind, 0 | 43 | 44 | 60) || at + 8 > packet.len() {
            return (kind == 58).then_some(at);
        }
        if kind != 44 && !leave.has(Leave::LENGTH) {
            packet[at + 1] &= 3;
        }
        let len = if kind == 44 { 8 } else { 8 + usize::from(packet[at + 1]) * 8 };
        (field, at) = (at, at + len);
        if at > packet.len() {
            return None;
        }
    }
}

fn icmp(message: &mut [u8], leave: Leave, pseudo: u64, quoted: impl Fn(&mut [u8])) {
    if !leave.has(Leave::QUOTED) {
        quoted(&mut message[8..]);
    }
    if !leave.has(Leave::CHECKSUM) {
        put(message, 2, 0, pseudo);
    }
}

/// Puts the checksum of an ICMPv6 message right.
pub fn sum_icmp6(message: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) {
    let len = message.len();
    if len >= 4 {
        put(message, 2, 0, pseudo_v6(src, dst, 58, len));
    }
}
