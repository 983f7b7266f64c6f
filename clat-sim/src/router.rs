//! A router of either family: it counts hops, it knows an MTU, and it complains by ICMP.

use crate::{Outbox, Side};
use smoltcp::wire::{
    Icmpv4Packet, Icmpv6Packet, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, Ipv6Address, Ipv6Packet,
    Ipv6Repr,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Most bytes of an ICMPv4 error (RFC 1812 section 4.3.2.3).
const MAX_ERROR_V4: usize = 576;
/// Most bytes of an ICMPv6 error (RFC 4443 section 2.4 (c)).
const MAX_ERROR_V6: usize = 1280;

/// A router with an address in the family that it forwards.
#[derive(Clone, Copy, Debug)]
pub struct Router {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
    mtu: usize,
}

impl Router {
    /// A router of an IPv4 network. MTU in bytes, of both its links.
    #[must_use]
    pub const fn v4(addr: Ipv4Addr, mtu: usize) -> Self {
        Self { v4: Some(addr), v6: None, mtu }
    }

    /// A router of an IPv6 network. MTU in bytes, of both its links.
    #[must_use]
    pub const fn v6(addr: Ipv6Addr, mtu: usize) -> Self {
        Self { v4: None, v6: Some(addr), mtu }
    }

    pub(crate) fn packet(&self, from: Side, packet: &[u8]) -> Outbox {
        let forwarded = match packet.first().map(|b| b >> 4) {
            Some(4) => self.v4.and_then(|own| self.forward_v4(own, packet)),
            Some(6) => self.v6.and_then(|own| self.forward_v6(own, packet)),
            _ => None,
        };
        match forwarded {
            Some(Forwarded::On(packet)) => vec![(from.opposite(), packet)],
            Some(Forwarded::Back(error)) => vec![(from, error)],
            None => Vec::new(),
        }
    }

    fn forward_v4(&self, own: Ipv4Addr, packet: &[u8]) -> Option<Forwarded> {
        let mut copy = packet.to_vec();
        let mut ip = Ipv4Packet::new_checked(&mut copy[..]).ok()?;
        let (src, ttl) = (ip.src_addr(), ip.hop_limit());
        if ttl <= 1 {
            return error_v4(own, src, [11, 0], 0, packet);
        }
        if packet.len() > self.mtu {
            let mtu = u32::try_from(self.mtu).ok()?;
            return ip.dont_frag().then(|| error_v4(own, src, [3, 4], mtu, packet))?;
        }
        ip.set_hop_limit(ttl - 1);
        ip.fill_checksum();
        Some(Forwarded::On(copy))
    }

    fn forward_v6(&self, own: Ipv6Addr, packet: &[u8]) -> Option<Forwarded> {
        let mut copy = packet.to_vec();
        let mut ip = Ipv6Packet::new_checked(&mut copy[..]).ok()?;
        let (src, hop_limit) = (ip.src_addr(), ip.hop_limit());
        if hop_limit <= 1 {
            return error_v6(own, src, [3, 0], 0, packet);
        }
        if packet.len() > self.mtu {
            return error_v6(own, src, [2, 0], u32::try_from(self.mtu).ok()?, packet);
        }
        ip.set_hop_limit(hop_limit - 1);
        Some(Forwarded::On(copy))
    }
}

enum Forwarded {
    On(Vec<u8>),
    Back(Vec<u8>),
}

/// Type, code, checksum, a word, and as much of the packet as may be quoted.
fn message(type_code: [u8; 2], word: u32, packet: &[u8], max: usize) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(max - 8)];
    [&type_code, &[0, 0][..], &word.to_be_bytes(), quoted].concat()
}

fn error_v4(
    src: Ipv4Address,
    dst: Ipv4Address,
    type_code: [u8; 2],
    word: u32,
    packet: &[u8],
) -> Option<Forwarded> {
    let mut body = message(type_code, word, packet, MAX_ERROR_V4 - 20);
    Icmpv4Packet::new_unchecked(&mut body[..]).fill_checksum();
    let header = Ipv4Repr {
        src_addr: src,
        dst_addr: dst,
        next_header: IpProtocol::Icmp,
        payload_len: body.len(),
        hop_limit: 64,
    };
    let mut error = vec![0; 20];
    error.extend(body);
    header.emit(&mut Ipv4Packet::new_unchecked(&mut error[..]), &Default::default());
    Some(Forwarded::Back(error))
}

fn error_v6(
    src: Ipv6Address,
    dst: Ipv6Address,
    type_code: [u8; 2],
    word: u32,
    packet: &[u8],
) -> Option<Forwarded> {
    let mut body = message(type_code, word, packet, MAX_ERROR_V6 - 40);
    Icmpv6Packet::new_unchecked(&mut body[..]).fill_checksum(&src, &dst);
    let header = Ipv6Repr {
        src_addr: src,
        dst_addr: dst,
        next_header: IpProtocol::Icmpv6,
        payload_len: body.len(),
        hop_limit: 64,
    };
    let mut error = vec![0; 40];
    error.extend(body);
    header.emit(&mut Ipv6Packet::new_unchecked(&mut error[..]));
    Some(Forwarded::Back(error))
}
