//! Packets for unit tests, built by hand so that they owe nothing to the code under test.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "literals of the tests")]

use std::{vec, vec::Vec};

/// A packet under construction: IPv4 192.0.0.1 > 198.51.100.1 or the like in IPv6, ports 1000 > 2000.
#[derive(Clone, Debug)]
pub struct Packet {
    network: Vec<u8>,
    transport: Vec<u8>,
    payload: Vec<u8>,
}

impl Packet {
    /// IPv4, without a transport yet.
    #[must_use]
    pub fn v4() -> Self {
        let network = vec![0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 0, 0, 0, 192, 0, 0, 1, 198, 51, 100, 1];
        Self { network, transport: Vec::new(), payload: Vec::new() }
    }

    /// IPv6, without a transport yet.
    #[must_use]
    pub fn v6() -> Self {
        let mut network = vec![0x60, 0, 0, 0, 0, 0, 0, 64];
        network.extend_from_slice(&"2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
        network.extend_from_slice(&"64:ff9b::c633:6401".parse::<std::net::Ipv6Addr>().unwrap().octets());
        Self { network, transport: Vec::new(), payload: Vec::new() }
    }

    fn is_v4(&self) -> bool {
        self.network[0] >> 4 == 4
    }

    fn protocol(mut self, number: u8) -> Self {
        let at = if self.is_v4() { 9 } else { 6 };
        self.network[at] = number;
        self
    }

    /// Another value at this offset of the network header.
    #[must_use]
    pub fn network_byte(mut self, at: usize, value: u8) -> Self {
        self.network[at] = value;
        self
    }

    /// Another value at this offset of the transport header.
    #[must_use]
    pub fn transport_byte(mut self, at: usize, value: u8) -> Self {
        self.transport[at] = value;
        self
    }

    /// With a UDP header.
    #[must_use]
    pub fn udp(mut self) -> Self {
        self.transport = vec![0x03, 0xe8, 0x07, 0xd0, 0, 0, 0, 0];
        self.protocol(17)
    }

    /// With a TCP header that has this sequence number and these flags.
    #[must_use]
    pub fn tcp(mut self, sequence: u32, flags: u8) -> Self {
        self.transport = vec![0x03, 0xe8, 0x07, 0xd0];
        self.transport.extend_from_slice(&sequence.to_be_bytes());
        self.transport.extend_from_slice(&[0, 0, 0, 9, 0x50, flags, 0x10, 0, 0, 0, 0, 0]);
        self.protocol(6)
    }

    /// With these bytes behind the headers.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// The packet with its lengths and checksums.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let Self { mut network, mut transport, payload } = self;
        let transport_len = (transport.len() + payload.len()) as u16;
        let at = if transport.len() == 8 { 6 } else { 16 };
        if transport.len() == 8 {
            transport[4..6].copy_from_slice(&transport_len.to_be_bytes());
        }
        if network[0] >> 4 == 4 {
            network[2..4].copy_from_slice(&(transport_len + 20).to_be_bytes());
            let sum = !slow_sum(&network);
            network[10..12].copy_from_slice(&sum.to_be_bytes());
        } else {
            network[4..6].copy_from_slice(&transport_len.to_be_bytes());
        }
        let whole = [network, transport, payload].concat();
        let sum = !transport_sum(&whole);
        let at = at + if whole[0] >> 4 == 4 { 20 } else { 40 };
        [&whole[..at], &sum.to_be_bytes()[..], &whole[at + 2..]].concat()
    }
}

/// One's complement sum, two bytes at a time.
#[must_use]
pub fn slow_sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u32::from(*b));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Sum of pseudo-header and transport of a packet without options and extension headers.
fn transport_sum(packet: &[u8]) -> u16 {
    let (addresses, protocol, start) = match packet[0] >> 4 {
        4 => (&packet[12..20], packet[9], 20),
        _ => (&packet[8..40], packet[6], 40),
    };
    let len = (packet.len() - start) as u16;
    slow_sum(&[addresses, &[0, protocol], &len.to_be_bytes(), &packet[start..]].concat())
}

/// Whether the IPv4 header checksum, the length fields and the transport checksum agree.
#[must_use]
pub fn checksums_are_right(packet: &[u8]) -> bool {
    let network = match packet[0] >> 4 {
        4 => {
            slow_sum(&packet[..20]) == 0xffff
                && usize::from(u16::from_be_bytes([packet[2], packet[3]])) == packet.len()
        }
        _ => usize::from(u16::from_be_bytes([packet[4], packet[5]])) + 40 == packet.len(),
    };
    network && transport_sum(packet) == 0xffff
}
