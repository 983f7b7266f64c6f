//! RFC 7915 section 5.3: the packet quoted in an ICMPv6 error.
//!
//! It is translated like any packet, with three differences: the TTL stays, the addresses change roles
//! (this host sent it), and its lengths are those of the packet that was sent, whatever part of it is
//! quoted.

use super::chain::{self, Chain};
use super::icmp_error::Quoted;
use super::quoted_v4_to_v6::partial_icmp;
use super::transport::{self, L4, Transport};
use super::{Translator, fragment_field};
use crate::parts::Head;
use crate::wire::checksum::{Sum, pseudo_v6};
use crate::wire::ipv4::{self, HeaderV4};
use crate::wire::{icmp, ipv6, protocol};
use crate::{AddressMap, Csum, DropReason, Role};
use core::net::Ipv4Addr;
use etherparse::Ipv6HeaderSlice;

/// A quoted packet, as far as it is quoted.
struct Parsed<'q> {
    ip: Ipv6HeaderSlice<'q>,
    chain: Chain,
    payload: &'q [u8],
    /// Length of the payload that was sent, extension headers left out.
    payload_len: usize,
}

/// Whether the quoted packet has a Fragment Header, as far as can be seen.
pub(super) fn has_fragment_header(quote: &[u8]) -> bool {
    parse(quote).is_ok_and(|parsed| parsed.chain.fragment.is_some())
}

pub(super) fn translate<M: AddressMap>(
    translator: &Translator<M>,
    quote: &[u8],
) -> Result<Quoted, DropReason> {
    let parsed = parse(quote)?;
    let Parsed { ip, chain, payload, payload_len } = &parsed;
    if chain.extension_after_fragment {
        return Err(DropReason::QuotedUntranslatable);
    }
    let src = translator.map.to_v4(ip.source_addr(), Role::Local).ok_or(DropReason::QuotedNotOurs)?;
    let dst = translator.map.to_v4(ip.destination_addr(), Role::Plat);
    let dst = dst.ok_or(DropReason::QuotedUntranslatable)?;
    let (protocol, l4) = transport(&parsed, src, dst, payload)?;
    let total_len = u16::try_from(payload_len + ipv4::HEADER_LEN).map_err(|_| DropReason::QuotedMalformed)?;
    let fragment = match chain.fragment {
        Some(fragment) => fragment_field::of_fragment(fragment),
        None => fragment_field::of_whole(0, usize::from(total_len)),
    };
    let tos = translator.policy.tos.of(ip.traffic_class());
    let header = HeaderV4 { tos, total_len, fragment, ttl: ip.hop_limit(), protocol, src, dst };
    let mut head = Head::new();
    head.push(&header.bytes());
    l4.push_to(&mut head);
    Ok(Quoted { head, consumed: ipv6::HEADER_LEN + chain.len + l4.len() })
}

fn parse(quote: &[u8]) -> Result<Parsed<'_>, DropReason> {
    let ip = Ipv6HeaderSlice::from_slice(quote).map_err(|_| DropReason::QuotedMalformed)?;
    let rest = quote.get(ipv6::HEADER_LEN..).unwrap_or_default();
    let chain = chain::walk(ip.next_header().0, rest).map_err(|_| DropReason::QuotedMalformed)?;
    let payload = rest.get(chain.len..).unwrap_or_default();
    let payload_len = usize::from(ip.payload_length()).checked_sub(chain.len);
    let payload_len = payload_len.ok_or(DropReason::QuotedMalformed)?;
    Ok(Parsed { ip, chain, payload, payload_len })
}

/// The transport header as far as it is quoted. Later fragments have none.
fn transport(
    parsed: &Parsed<'_>,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    payload: &[u8],
) -> Result<(u8, L4), DropReason> {
    let first = parsed.chain.fragment.is_none_or(|f| f.offset == 0);
    match parsed.chain.protocol {
        protocol::ICMPV6 if first => Ok((protocol::ICMPV4, echo(parsed, payload)?)),
        protocol::ICMPV6 => Ok((protocol::ICMPV4, L4::None)),
        protocol::ICMPV4 | protocol::IGMP => Err(DropReason::QuotedUntranslatable),
        number if first => {
            let ip = &parsed.ip;
            let old = Sum::ZERO.v6(ip.source_addr()).v6(ip.destination_addr());
            let delta = Sum::ZERO.v4(src).v4(dst).sub(old);
            let transport = Transport::of(number, payload);
            let front = transport.front(payload).unwrap_or(L4::None);
            Ok((number, transport.adjusted(front, delta, Csum::Complete)))
        }
        number => Ok((number, L4::None)),
    }
}

/// An echo is translated; an error is not (RFC 7915 section 5.3: one embedded header at most).
fn echo(parsed: &Parsed<'_>, payload: &[u8]) -> Result<L4, DropReason> {
    let Some(front) = payload.first_chunk::<8>() else { return partial_icmp(payload) };
    let Some(new_type) = icmp::echo_v4(front[0]) else {
        let is_error = icmp::v6::is_error(front[0]);
        return Err(if is_error { DropReason::QuotedIcmpError } else { DropReason::QuotedUntranslatable });
    };
    let ip = &parsed.ip;
    let len = u32::try_from(parsed.payload_len).unwrap_or_default();
    let pseudo = pseudo_v6(ip.source_addr(), ip.destination_addr(), len, protocol::ICMPV6);
    Ok(transport::echo(*front, new_type, Sum::ZERO.sub(pseudo)))
}
