//! The IP headers, and IPv6 extension headers up to the transport.

use super::slot::Slot;
use super::transport::{Transport, transport};
use super::{Fields, sum, u8_at, u16_at, u32_at};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Extension headers that are shown before it is enough.
const MAX_EXTENSIONS: usize = 16;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// The fields of a packet. A quoted one may be cut off without being wrong.
pub(super) fn packet(fields: &mut Fields, packet: &[u8], is_quoted: bool) {
    match packet.first().map(|b| b >> 4) {
        Some(4) => v4(fields, packet, is_quoted),
        Some(6) => v6(fields, packet, is_quoted),
        Some(version) => fields.put(Slot::Version, version.to_string()),
        None => fields.put(Slot::Version, "cut off"),
    }
}

fn v4(fields: &mut Fields, packet: &[u8], is_quoted: bool) {
    let ihl = usize::from(packet.first().map_or(0, |b| b & 0xf)) * 4;
    let flags = u16_at(packet, 6);
    let total_len = u16_at(packet, 2);
    let protocol = u8_at(packet, 9);
    fields.put(Slot::Version, "4");
    fields.put(Slot::HeaderLength, format!("{ihl} bytes"));
    fields.put_some(Slot::TrafficClass, u8_at(packet, 1).map(|v| format!("0x{v:02x}")));
    fields.put_some(Slot::Length, total_len.map(|v| format!("{v} in all")));
    fields.put_some(Slot::Identification, u16_at(packet, 4).map(|v| format!("0x{v:04x}")));
    fields.put_some(Slot::DontFragment, flags.map(|v| yes(v & 0x4000 != 0)));
    fields.put_some(Slot::MoreFragments, flags.map(|v| yes(v & 0x2000 != 0)));
    fields.put_some(Slot::FragmentOffset, flags.map(|v| format!("{}", (v & 0x1fff) * 8)));
    fields.put_some(Slot::Hops, u8_at(packet, 8).map(|v| v.to_string()));
    fields.put_some(Slot::Protocol, protocol.map(named_protocol));
    let header = packet.get(..ihl.max(20));
    let checksum = u16_at(packet, 10).map(|v| sum::judge(v, header.map(|h| [h]).as_ref().map(|h| &h[..])));
    fields.put_some(Slot::HeaderChecksum, checksum);
    let (src, dst) = (address_v4(packet, 12), address_v4(packet, 16));
    fields.put_some(Slot::Source, src.map(|a| a.to_string()));
    fields.put_some(Slot::Destination, dst.map(|a| a.to_string()));
    if let Some(options) = packet.get(20..ihl).filter(|o| !o.is_empty()) {
        fields.put(Slot::Options, format!("{} bytes: {}", options.len(), hex(options)));
    }
    let (Some(src), Some(dst), Some(protocol), Some(flags)) = (src, dst, protocol, flags) else { return };
    let end = usize::from(total_len.unwrap_or_default());
    let payload = packet.get(ihl.max(20)..).unwrap_or_default();
    let payload = &payload[..payload.len().min(end.saturating_sub(ihl))];
    let declared = end.saturating_sub(ihl);
    transport(
        fields,
        &Transport {
            protocol,
            payload,
            pseudo: [&src.octets()[..], &dst.octets()].concat(),
            is_whole: flags & 0x3fff == 0 && payload.len() == declared,
            is_first: flags & 0x1fff == 0,
            is_quoted,
        },
    );
}

fn v6(fields: &mut Fields, packet: &[u8], is_quoted: bool) {
    let first = u32_at(packet, 0);
    let payload_len = u16_at(packet, 4);
    let rest = packet.get(40..).unwrap_or_default();
    let declared = usize::from(payload_len.unwrap_or_default());
    let rest = &rest[..rest.len().min(declared)];
    let chain = Chain::walk(u8_at(packet, 6), rest);
    fields.put(Slot::Version, "6");
    fields.put_some(Slot::TrafficClass, first.map(|v| format!("0x{:02x}", (v >> 20) & 0xff)));
    fields.put_some(Slot::FlowLabel, first.map(|v| format!("0x{:05x}", v & 0xf_ffff)));
    fields.put_some(Slot::Length, payload_len.map(|v| format!("{v} of payload")));
    if let Some(fragment) = &chain.fragment {
        fields.put(Slot::Identification, format!("0x{:08x}", fragment.identification));
        fields.put(Slot::MoreFragments, yes(fragment.more));
        fields.put(Slot::FragmentOffset, fragment.offset.to_string());
    }
    fields.put_some(Slot::Hops, u8_at(packet, 7).map(|v| v.to_string()));
    fields.put_some(Slot::Protocol, chain.protocol.map(named_protocol));
    let (src, dst) = (address_v6(packet, 8), address_v6(packet, 24));
    fields.put_some(Slot::Source, src.map(|a| a.to_string()));
    fields.put_some(Slot::Destination, dst.map(|a| a.to_string()));
    if !chain.names.is_empty() {
        fields.put(Slot::Options, chain.names.join(", "));
    }
    let (Some(src), Some(dst), Some(protocol)) = (src, dst, chain.protocol) else { return };
    let is_fragment = chain.fragment.as_ref().is_some_and(|f| f.more || f.offset != 0);
    transport(
        fields,
        &Transport {
            protocol,
            payload: rest.get(chain.len..).unwrap_or_default(),
            pseudo: [&src.octets()[..], &dst.octets()].concat(),
            is_whole: !is_fragment && rest.len() == declared,
            is_first: chain.fragment.is_none_or(|f| f.offset == 0),
            is_quoted,
        },
    );
}

/// The extension headers of an IPv6 packet.
#[derive(Default)]
struct Chain {
    names: Vec<String>,
    fragment: Option<Fragment>,
    protocol: Option<u8>,
    len: usize,
}

struct Fragment {
    identification: u32,
    offset: u16,
    more: bool,
}

impl Chain {
    fn walk(next_header: Option<u8>, bytes: &[u8]) -> Self {
        let mut chain = Self { protocol: next_header, ..Self::default() };
        while chain.names.len() < MAX_EXTENSIONS && chain.step(bytes).is_some() {}
        chain
    }

    /// Takes one extension header; `None` where there is none, or no more of it.
    fn step(&mut self, bytes: &[u8]) -> Option<()> {
        let header = bytes.get(self.len..)?;
        let protocol = self.protocol?;
        let units = usize::from(u8_at(header, 1)?) + 1;
        let (name, len) = match protocol {
            HOP_BY_HOP => (format!("hop-by-hop ({} bytes)", units * 8), units * 8),
            DESTINATION_OPTIONS => (format!("destination options ({} bytes)", units * 8), units * 8),
            ROUTING => (format!("routing, {} segments left", u8_at(header, 3)?), units * 8),
            FRAGMENT => (self.take_fragment(header)?, 8),
            _ => return None,
        };
        self.names.push(name);
        self.protocol = u8_at(header, 0);
        self.len += len;
        // Behind a later fragment's header nothing is a header.
        self.fragment.as_ref().is_none_or(|f| f.offset == 0).then_some(())
    }

    fn take_fragment(&mut self, header: &[u8]) -> Option<String> {
        let word = u16_at(header, 2)?;
        let identification = u32_at(header, 4)?;
        self.fragment = Some(Fragment { identification, offset: word & 0xfff8, more: word & 1 != 0 });
        Some("fragment (8 bytes)".to_owned())
    }
}

fn address_v4(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    u32_at(packet, at).map(Ipv4Addr::from_bits)
}

fn address_v6(packet: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = *packet.get(at..)?.first_chunk()?;
    Some(octets.into())
}

fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn named_protocol(number: u8) -> String {
    let name = match number {
        1 => "ICMPv4",
        2 => "IGMP",
        6 => "TCP",
        17 => "UDP",
        33 => "DCCP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        59 => "no next header",
        132 => "SCTP",
        136 => "UDP-Lite",
        _ => return number.to_string(),
    };
    format!("{number} ({name})")
}
