//! RFC 7915 section 4.3: the packet quoted in an ICMPv4 error.
//!
//! It is translated like any packet, with three differences: the hop limit stays, the addresses change
//! roles (this host received it), and its lengths are those of the packet that was sent, whatever part
//! of it is quoted.

use super::Translator;
use super::icmp_error::Quoted;
use super::transport::{self, L4, Transport};
use crate::parts::Head;
use crate::wire::checksum::{Sum, pseudo_v6};
use crate::wire::ipv4::FragmentV4;
use crate::wire::ipv6::{self, FragmentV6, HeaderV6};
use crate::wire::{icmp, protocol};
use crate::{AddressMap, Csum, DropReason, Role};
use core::net::{Ipv4Addr, Ipv6Addr};
use etherparse::Ipv4HeaderSlice;

/// What of the quoted IPv4 header matters.
struct Header {
    tos: u8,
    len: usize,
    payload_len: usize,
    fragment: FragmentV4,
    ttl: u8,
    protocol: u8,
    src: Ipv4Addr,
    dst: Ipv4Addr,
}

pub(super) fn translate<M: AddressMap>(
    translator: &Translator<M>,
    quote: &[u8],
) -> Result<Quoted, DropReason> {
    let ip = parse(quote)?;
    let src = translator.map.to_v6(ip.src, Role::Plat).ok_or(DropReason::QuotedUntranslatable)?;
    let dst = translator.map.to_v6(ip.dst, Role::Local).ok_or(DropReason::QuotedNotOurs)?;
    let payload = quote.get(ip.len..).unwrap_or_default();
    let (next_header, l4) = transport(&ip, src, dst, payload)?;
    let is_fragment = ip.fragment.is_fragment();
    let payload_len = ip.payload_len + if is_fragment { ipv6::FRAGMENT_LEN } else { 0 };
    let header = HeaderV6 {
        traffic_class: translator.policy.tos.of(ip.tos),
        // An IPv4 payload is at most 65515 bytes.
        payload_len: u16::try_from(payload_len).unwrap_or_default(),
        next_header: if is_fragment { protocol::FRAGMENT } else { next_header },
        hop_limit: ip.ttl,
        src,
        dst,
    };
    let mut head = Head::new();
    head.push(&header.bytes());
    if is_fragment {
        let (offset, more) = (ip.fragment.offset(), ip.fragment.more());
        let ident = u32::from(ip.fragment.ident);
        head.push(&FragmentV6 { next_header, offset, more, ident }.bytes());
    }
    l4.push_to(&mut head);
    Ok(Quoted { head, consumed: ip.len + l4.len() })
}

/// Reads the header leniently: neither its checksum nor its options decide anything.
fn parse(quote: &[u8]) -> Result<Header, DropReason> {
    let ip = Ipv4HeaderSlice::from_slice(quote).map_err(|_| DropReason::QuotedMalformed)?;
    let len = ip.slice().len();
    let payload_len = usize::from(ip.total_len()).checked_sub(len).ok_or(DropReason::QuotedMalformed)?;
    let [_, tos, _, _, i0, i1, f0, f1, ..] = *ip.slice() else { return Err(DropReason::QuotedMalformed) };
    Ok(Header {
        tos,
        len,
        payload_len,
        fragment: FragmentV4::from_words(u16::from_be_bytes([i0, i1]), u16::from_be_bytes([f0, f1])),
        ttl: ip.ttl(),
        protocol: ip.protocol().0,
        src: ip.source_addr(),
        dst: ip.destination_addr(),
    })
}

/// The transport header as far as it is quoted. Later fragments have none.
fn transport(ip: &Header, src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Result<(u8, L4), DropReason> {
    let first = ip.fragment.offset() == 0;
    match ip.protocol {
        protocol::ICMPV4 if first => Ok((protocol::ICMPV6, echo(ip, src, dst, payload)?)),
        protocol::ICMPV4 => Ok((protocol::ICMPV6, L4::None)),
        protocol::IGMP
        | protocol::HOP_BY_HOP
        | protocol::ROUTING
        | protocol::FRAGMENT
        | protocol::ICMPV6
        | protocol::DESTINATION_OPTIONS => Err(DropReason::QuotedUntranslatable),
        number if first => {
            let delta = Sum::ZERO.v6(src).v6(dst).sub(Sum::ZERO.v4(ip.src).v4(ip.dst));
            let transport = Transport::of(number, payload);
            let front = transport.front(payload).unwrap_or(L4::None);
            Ok((number, transport.adjusted(front, delta, Csum::Complete)))
        }
        number => Ok((number, L4::None)),
    }
}

/// An echo is translated; an error is not (RFC 7915 section 4.3: one embedded header at most).
fn echo(ip: &Header, src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Result<L4, DropReason> {
    let Some(front) = payload.first_chunk::<8>() else { return partial_icmp(payload) };
    let Some(new_type) = icmp::echo_v6(front[0]) else {
        let is_error = icmp::v4::is_error(front[0]);
        return Err(if is_error { DropReason::QuotedIcmpError } else { DropReason::QuotedUntranslatable });
    };
    let len = u32::try_from(ip.payload_len).unwrap_or_default();
    Ok(transport::echo(*front, new_type, pseudo_v6(src, dst, len, protocol::ICMPV6)))
}

/// A quoted ICMP header is complete (RFC 792: 64 bits are quoted) or left out.
pub(super) const fn partial_icmp(payload: &[u8]) -> Result<L4, DropReason> {
    if payload.is_empty() { Ok(L4::None) } else { Err(DropReason::QuotedMalformed) }
}
