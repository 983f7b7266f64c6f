//! Packets from named fields, with right lengths and checksums unless told otherwise.
//!
//! ```
//! use clat_model::build::{V4, V6};
//! let sent = V4::out().ttl(64).udp(5000, 53, b"question");
//! let translated = V6::out().hop_limit(63).udp(5000, 53, b"question");
//! assert_eq!(translated.len(), sent.len() + 20);
//! ```

use crate::sum::{header_checksum, pseudo_v4, pseudo_v6};
use crate::upper::put;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv4 host.
pub const LOCAL_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
/// The CLAT's IPv6 address.
pub const LOCAL_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x464);
/// A host beyond the PLAT.
pub const REMOTE_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// The same under 64:ff9b::/96.
pub const REMOTE_V6: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xc633, 0x6407);
/// 64:ff9b::/96.
pub const WELL_KNOWN: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// A router between CLAT and PLAT, without IPv4 address.
pub const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0xffff, 0, 0, 0, 1);
/// The dummy address (RFC 7600 section 4.8).
pub const DUMMY_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// A TCP header of 20 bytes and a payload, without checksum.
#[must_use]
pub fn tcp(src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = [src_port.to_be_bytes(), dst_port.to_be_bytes()].concat();
    out.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
    out.extend(payload);
    out
}

/// A UDP header and a payload, without checksum.
#[must_use]
#[allow(clippy::cast_possible_truncation)]
pub fn udp(src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    let mut out = [src_port, dst_port, len, 0].map(u16::to_be_bytes).concat();
    out.extend(payload);
    out
}

/// An ICMP message without checksum; `word` is the four octets behind it.
#[must_use]
pub fn icmp(kind: u8, code: u8, word: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0], word.as_slice(), body].concat()
}

fn fill(payload: &mut [u8], at: usize, pseudo: u64) {
    if payload.len() >= at + 2 {
        put(payload, at, 0, pseudo);
    }
    if at == 6 && payload[6..8] == [0, 0] {
        payload[6..8].fill(0xff);
    }
}

/// An IPv4 packet in the making.
#[derive(Clone, Debug)]
pub struct V4 {
    tos: u8,
    ident: u16,
    flags: u16,
    ttl: u8,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    options: Vec<u8>,
    claim: Option<u16>,
}

impl V4 {
    /// From [`LOCAL_V4`] to [`REMOTE_V4`], TTL 64, DF, Identification 0x1234.
    #[must_use]
    pub const fn out() -> Self {
        let (src, dst) = (LOCAL_V4, REMOTE_V4);
        Self { tos: 0, ident: 0x1234, flags: 0x4000, ttl: 64, src, dst, options: Vec::new(), claim: None }
    }

    /// From [`REMOTE_V4`] to [`LOCAL_V4`], as a translator makes it of a small packet: without DF.
    #[must_use]
    pub fn back() -> Self {
        Self { src: REMOTE_V4, dst: LOCAL_V4, flags: 0, ident: 0, ..Self::out() }
    }

    /// Type of service.
    #[must_use]
    pub fn tos(self, tos: u8) -> Self {
        Self { tos, ..self }
    }

    /// Identification.
    #[must_use]
    pub fn ident(self, ident: u16) -> Self {
        Self { ident, ..self }
    }

    /// Don't Fragment.
    #[must_use]
    pub fn df(self, df: bool) -> Self {
        Self { flags: self.flags & !0x4000 | u16::from(df) << 14, ..self }
    }

    /// More Fragments, and the offset in bytes.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)]
    pub fn fragment(self, offset: usize, more: bool) -> Self {
        Self { flags: self.flags & 0x4000 | u16::from(more) << 13 | (offset / 8) as u16, ..self }
    }

    /// Time to live.
    #[must_use]
    pub fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    /// Source.
    #[must_use]
    pub fn src(self, src: Ipv4Addr) -> Self {
        Self { src, ..self }
    }

    /// Destination.
    #[must_use]
    pub fn dst(self, dst: Ipv4Addr) -> Self {
        Self { dst, ..self }
    }

    /// Options, filled up with End of Option List.
    #[must_use]
    pub fn options(self, options: &[u8]) -> Self {
        let mut options = options.to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        Self { options, ..self }
    }

    /// A total length that need not be true.
    #[must_use]
    pub fn claim(self, total_len: u16) -> Self {
        Self { claim: Some(total_len), ..self }
    }

    /// With this protocol and payload, as they are.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)]
    pub fn raw(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let mut out = vec![0x40 + (header / 4) as u8, self.tos];
        out.extend(self.claim.unwrap_or((header + payload.len()) as u16).to_be_bytes());
        out.extend(self.ident.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        out.extend([self.ttl, protocol, 0, 0]);
        out.extend(self.src.octets());
        out.extend(self.dst.octets());
        out.extend(&self.options);
        let checksum = header_checksum(&out);
        out[10..12].copy_from_slice(&checksum.to_be_bytes());
        out.extend(payload);
        out
    }

    /// With a transport header whose checksum at `at` covers the pseudo-header.
    #[must_use]
    pub fn summed(&self, protocol: u8, mut payload: Vec<u8>, at: usize) -> Vec<u8> {
        let pseudo = pseudo_v4(self.src, self.dst, protocol, payload.len());
        fill(&mut payload, at, pseudo);
        self.raw(protocol, &payload)
    }

    /// With a payload and perhaps a checksum at this place.
    #[must_use]
    pub fn carry(&self, protocol: u8, payload: Vec<u8>, at: Option<usize>) -> Vec<u8> {
        match at {
            Some(at) => self.summed(protocol, payload, at),
            None => self.raw(protocol, &payload),
        }
    }

    /// A UDP datagram.
    #[must_use]
    pub fn udp(&self, src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
        self.summed(17, udp(src_port, dst_port, payload), 6)
    }

    /// A TCP segment.
    #[must_use]
    pub fn tcp(&self, src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
        self.summed(6, tcp(src_port, dst_port, payload), 16)
    }

    /// An ICMPv4 message.
    #[must_use]
    pub fn icmp(&self, kind: u8, code: u8, word: [u8; 4], body: &[u8]) -> Vec<u8> {
        let mut message = icmp(kind, code, word, body);
        put(&mut message, 2, 0, 0);
        self.raw(1, &message)
    }
}

/// An IPv6 packet in the making.
#[derive(Clone, Debug)]
pub struct V6 {
    traffic_class: u8,
    flow: u32,
    hop_limit: u8,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    /// Kind and bytes without the first octet.
    chain: Vec<(u8, Vec<u8>)>,
    claim: Option<u16>,
}

impl V6 {
    /// From [`LOCAL_V6`] to [`REMOTE_V6`], hop limit 64.
    #[must_use]
    pub const fn out() -> Self {
        let (src, dst) = (LOCAL_V6, REMOTE_V6);
        Self { traffic_class: 0, flow: 0, hop_limit: 64, src, dst, chain: Vec::new(), claim: None }
    }

    /// From [`REMOTE_V6`] to [`LOCAL_V6`], hop limit 64.
    #[must_use]
    pub fn back() -> Self {
        Self { src: REMOTE_V6, dst: LOCAL_V6, ..Self::out() }
    }

    /// Traffic class.
    #[must_use]
    pub fn traffic_class(self, traffic_class: u8) -> Self {
        Self { traffic_class, ..self }
    }

    /// Flow label, 20 bits.
    #[must_use]
    pub fn flow(self, flow: u32) -> Self {
        Self { flow, ..self }
    }

    /// Hop limit.
    #[must_use]
    pub fn hop_limit(self, hop_limit: u8) -> Self {
        Self { hop_limit, ..self }
    }

    /// Source.
    #[must_use]
    pub fn src(self, src: Ipv6Addr) -> Self {
        Self { src, ..self }
    }

    /// Destination.
    #[must_use]
    pub fn dst(self, dst: Ipv6Addr) -> Self {
        Self { dst, ..self }
    }

    /// An extension header of `units` eight-octet units behind its first, filled with Pad1.
    #[must_use]
    pub fn extension(mut self, kind: u8, units: u8) -> Self {
        let mut body = vec![units];
        body.resize(7 + usize::from(units) * 8, 0);
        self.chain.push((kind, body));
        self
    }

    /// A routing header with this many segments left.
    #[must_use]
    pub fn routing(mut self, segments_left: u8) -> Self {
        self.chain.push((43, vec![0, 4, segments_left, 0, 0, 0, 0]));
        self
    }

    /// A Fragment Header, the offset in bytes.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)]
    pub fn fragment(mut self, ident: u32, offset: usize, more: bool) -> Self {
        let mut body = vec![0];
        body.extend((offset as u16 & 0xfff8 | u16::from(more)).to_be_bytes());
        body.extend(ident.to_be_bytes());
        self.chain.push((44, body));
        self
    }

    /// A payload length that need not be true.
    #[must_use]
    pub fn claim(self, payload_len: u16) -> Self {
        Self { claim: Some(payload_len), ..self }
    }

    /// With this protocol and payload, as they are.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)]
    pub fn raw(&self, next: u8, payload: &[u8]) -> Vec<u8> {
        let len = payload.len() + self.chain.iter().map(|(_, b)| 1 + b.len()).sum::<usize>();
        let word = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow & 0xf_ffff;
        let mut out = word.to_be_bytes().to_vec();
        out.extend(self.claim.unwrap_or(len as u16).to_be_bytes());
        let kinds: Vec<u8> = self.chain.iter().map(|(kind, _)| *kind).chain([next]).collect();
        out.extend([kinds[0], self.hop_limit]);
        out.extend(self.src.octets());
        out.extend(self.dst.octets());
        for ((_, body), next) in self.chain.iter().zip(&kinds[1..]) {
            out.push(*next);
            out.extend(body);
        }
        out.extend(payload);
        out
    }

    /// With a transport header whose checksum at `at` covers the pseudo-header.
    #[must_use]
    pub fn summed(&self, next: u8, mut payload: Vec<u8>, at: usize) -> Vec<u8> {
        let pseudo = pseudo_v6(self.src, self.dst, next, payload.len());
        fill(&mut payload, at, pseudo);
        self.raw(next, &payload)
    }

    /// With a payload and perhaps a checksum at this place.
    #[must_use]
    pub fn carry(&self, protocol: u8, payload: Vec<u8>, at: Option<usize>) -> Vec<u8> {
        match at {
            Some(at) => self.summed(protocol, payload, at),
            None => self.raw(protocol, &payload),
        }
    }

    /// A UDP datagram.
    #[must_use]
    pub fn udp(&self, src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
        self.summed(17, udp(src_port, dst_port, payload), 6)
    }

    /// A TCP segment.
    #[must_use]
    pub fn tcp(&self, src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
        self.summed(6, tcp(src_port, dst_port, payload), 16)
    }

    /// An ICMPv6 message.
    #[must_use]
    pub fn icmp(&self, kind: u8, code: u8, word: [u8; 4], body: &[u8]) -> Vec<u8> {
        let mut message = icmp(kind, code, word, body);
        let pseudo = pseudo_v6(self.src, self.dst, 58, message.len());
        put(&mut message, 2, 0, pseudo);
        self.raw(58, &message)
    }
}
