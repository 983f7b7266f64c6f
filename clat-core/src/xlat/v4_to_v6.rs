//! RFC 7915 section 4.1: the IPv4 header becomes an IPv6 header.

use super::refusal::{self, Answer, Refusal};
use super::transport::{self, L4, Transport};
use super::{Fate, Translator, fragments, icmp_v4_to_v6, options};
use crate::addr::{destination_v4, is_private_v4, source_v4};
use crate::parts::{Rewrite, Span};
use crate::wire::checksum::{Sum, pseudo_v6};
use crate::wire::ipv4::{FragmentV4, Ipv4};
use crate::wire::ipv6::{self, FragmentV6, HeaderV6};
use crate::wire::{icmp, protocol};
use crate::{
    AddressMap, Csum, DropReason, Gso, GsoKind, Offload, Policy, PrivateV4, QueueState, Role, UdpZero,
};
use core::net::Ipv6Addr;

/// What leaves: the header without its length, the rewritten front of the payload, and the payload.
struct Outgoing {
    header: HeaderV6,
    fragment: FragmentV4,
    l4: L4,
    transport: Transport,
    payload: Span,
}

#[inline]
pub(super) fn fate<M: AddressMap>(
    translator: &Translator<M>,
    packet: &[u8],
    offload: Offload,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) -> Fate {
    match translate(translator, packet, offload, rewrite) {
        Ok(fate) => fate,
        Err(refusal) => refusal::refuse_v4(translator, packet, refusal, state, rewrite),
    }
}

#[inline]
fn translate<M: AddressMap>(
    translator: &Translator<M>,
    packet: &[u8],
    offload: Offload,
    rewrite: &mut Rewrite,
) -> Result<Fate, Refusal> {
    let ip = Ipv4::parse(packet)?;
    let (src, dst) = addresses(translator, &ip)?;
    if !ip.options().is_empty() {
        options::check(ip.options())?;
    }
    if ip.ttl() <= 1 {
        return Err(Refusal::new(DropReason::HopLimit, Answer::HopLimit));
    }
    let next_header = next_header(ip.protocol())?;
    let header = HeaderV6 {
        traffic_class: translator.policy.tos.of(ip.tos()),
        payload_len: 0,
        next_header,
        hop_limit: ip.ttl() - 1,
        src,
        dst,
    };
    if next_header == protocol::ICMPV6 && is_error(&ip) {
        return icmp_v4_to_v6::error(translator, packet, &ip, header, rewrite).map(|()| Fate::Forward);
    }
    let fragment = ip.fragment();
    check_fragment(fragment, ip.payload().len())?;
    let transport = Transport::of(ip.protocol(), ip.payload());
    let l4 = if next_header == protocol::ICMPV6 {
        icmp_v4_to_v6::echo(&ip, src, dst)?
    } else {
        transport_header(&translator.policy, &ip, transport, (src, dst), offload)?
    };
    let payload = Span::new(ip.header_len(), ip.total_len());
    let outgoing = Outgoing { header, fragment, l4, transport, payload };
    send(&translator.policy, packet, &outgoing, offload, rewrite)
}

/// Source and destination by the mapping (RFC 7915 section 6); martians and foreign sources dropped.
#[inline]
fn addresses<M: AddressMap>(
    translator: &Translator<M>,
    ip: &Ipv4<'_>,
) -> Result<(Ipv6Addr, Ipv6Addr), Refusal> {
    let (src, dst) = (ip.src(), ip.dst());
    let map = &translator.map;
    if !destination_v4(dst) || src == dst {
        return Err(DropReason::IllegalDestination.into());
    }
    let src6 = match map.to_v6(src, Role::Local) {
        Some(src6) if source_v4(src) => src6,
        found => foreign_source(found, ip, || map.to_v6(src, Role::Plat))?,
    };
    let private = is_private_v4(dst) && translator.policy.private_v4 == PrivateV4::Drop;
    if private && map.pref64().is_well_known() && map.to_v6(dst, Role::Local).is_none() {
        return Err(Refusal::prohibited(DropReason::PrivateAddress));
    }
    let dst6 = map.to_v6(dst, Role::Plat).ok_or(DropReason::IllegalDestination)?;
    Ok((src6, dst6))
}

/// RFC 7915 section 4.1: the source of an ICMPv4 error is translated even if it is illegal, or that
/// of a router behind the host. Whether the error is about a packet to this host decides.
#[cold]
fn foreign_source(
    local: Option<Ipv6Addr>,
    ip: &Ipv4<'_>,
    embed: impl FnOnce() -> Option<Ipv6Addr>,
) -> Result<Ipv6Addr, DropReason> {
    if ip.protocol() == protocol::ICMPV4 && is_error(ip) {
        return local.or_else(embed).ok_or(DropReason::SourceNotLocal);
    }
    Err(if source_v4(ip.src()) { DropReason::SourceNotLocal } else { DropReason::IllegalSource })
}

/// Whether an ICMPv4 packet reports an error. Fragments do not tell.
#[inline]
fn is_error(ip: &Ipv4<'_>) -> bool {
    !ip.fragment().is_fragment() && ip.payload().first().is_some_and(|t| icmp::v4::is_error(*t))
}

/// RFC 7915 section 4.1: the protocol number is copied, 1 becomes 58. Numbers that name something else
/// in an IPv6 header cannot be carried.
#[inline]
fn next_header(number: u8) -> Result<u8, Refusal> {
    match number {
        protocol::ICMPV4 => Ok(protocol::ICMPV6),
        protocol::IGMP => Err(DropReason::Protocol.into()),
        protocol::HOP_BY_HOP
        | protocol::ROUTING
        | protocol::FRAGMENT
        | protocol::ICMPV6
        | protocol::DESTINATION_OPTIONS => Err(Refusal::prohibited(DropReason::Protocol)),
        other => Ok(other),
    }
}

/// A fragment carries something, and nothing beyond 65535 (RFC 791 section 3.2). One with an uneven
/// length is left to the host that reassembles.
#[inline]
fn check_fragment(fragment: FragmentV4, len: usize) -> Result<(), DropReason> {
    let end = usize::from(fragment.offset()) * 8 + len;
    let impossible = len == 0 || end > usize::from(u16::MAX);
    if fragment.is_fragment() && impossible { Err(DropReason::BadFragment) } else { Ok(()) }
}

/// RFC 7915 section 4.5. Later fragments have no transport header.
#[inline]
fn transport_header(
    policy: &Policy,
    ip: &Ipv4<'_>,
    transport: Transport,
    (src, dst): (Ipv6Addr, Ipv6Addr),
    offload: Offload,
) -> Result<L4, Refusal> {
    let fragment = ip.fragment();
    if fragment.offset() != 0 {
        let overlaps = transport::overlaps_header(transport, fragment.offset());
        return if overlaps { Err(DropReason::TinyFragment.into()) } else { Ok(L4::None) };
    }
    if transport == Transport::Udp {
        let zero = ip.payload().get(6..8) == Some(&[0, 0]) && !matches!(offload.csum, Csum::Partial { .. });
        if fragment.is_fragment() {
            if zero {
                return Err(Refusal::prohibited(DropReason::FragmentedUdpZeroChecksum));
            }
        } else if offload.gso.is_none() {
            let len = transport::udp_len(ip.payload())?;
            if zero {
                return udp_without_checksum(policy, ip, len, src, dst);
            }
        }
    }
    let delta = Sum::ZERO.v6(src).v6(dst).sub(Sum::ZERO.v4(ip.src()).v4(ip.dst()));
    Ok(transport::rewrite(transport, ip.payload(), delta, offload.csum, fragment.is_fragment())?)
}

/// IPv6 has no UDP without checksum: it is computed (RFC 7915 section 4.5, erratum 6955), or the
/// datagram dropped.
#[cold]
fn udp_without_checksum(
    policy: &Policy,
    ip: &Ipv4<'_>,
    len: usize,
    src: Ipv6Addr,
    dst: Ipv6Addr,
) -> Result<L4, Refusal> {
    if policy.udp_zero == UdpZero::Drop {
        return Err(Refusal::prohibited(DropReason::UdpZeroChecksum));
    }
    let front = Transport::Udp.front(ip.payload()).ok_or(DropReason::TruncatedTransport)?;
    let datagram = ip.payload().get(..len).unwrap_or_default();
    // `len` comes from a 16-bit field.
    let pseudo = pseudo_v6(src, dst, u32::try_from(len).unwrap_or_default(), protocol::UDP);
    let sum = match pseudo.bytes(datagram).checksum() {
        0 => 0xffff,
        sum => sum,
    };
    Ok(front.with_checksum(sum))
}

/// Sizes: whole, in pieces, or not at all (RFC 7915 sections 4 and 4.1).
#[inline]
fn send(
    policy: &Policy,
    packet: &[u8],
    out: &Outgoing,
    offload: Offload,
    rewrite: &mut Rewrite,
) -> Result<Fate, Refusal> {
    let is_fragment = out.fragment.is_fragment();
    let fragment_len = if is_fragment { ipv6::FRAGMENT_LEN } else { 0 };
    let headers = ipv6::HEADER_LEN + fragment_len;
    let df = out.fragment.dont_fragment();
    let limit = if df { policy.v6_mtu } else { policy.lowest_v6_mtu } as usize;
    if let Some(gso) = offload.gso {
        return send_super_packet(policy, packet, out, offload, (gso, limit), rewrite);
    }
    if headers + out.payload.len() <= limit {
        whole(out, offload, None, rewrite);
        return Ok(Fate::Forward);
    }
    if df {
        // What the host may send is smaller by the header, and by the Fragment Header of a fragment.
        let mtu = policy.v6_mtu.saturating_sub(20 + fragment_len as u32);
        return Err(Refusal::new(DropReason::TooBig, Answer::TooBig(mtu)));
    }
    let l4 = out.transport.completed(out.l4, out.payload.of(packet), offload.csum);
    Ok(Fate::Fragment(fragments::Pieces {
        template: fragments::Template::V6(out.header, u32::from(out.fragment.ident)),
        l4,
        payload: out.payload,
        offset: out.fragment.offset(),
        more: out.fragment.more(),
        limit,
    }))
}

/// Super-packets leave whole: the next device cuts them. TCP segments are made smaller where the MTU
/// asks for it; the size of UDP datagrams is not ours to change.
fn send_super_packet(
    policy: &Policy,
    packet: &[u8],
    out: &Outgoing,
    offload: Offload,
    (gso, limit): (Gso, usize),
    rewrite: &mut Rewrite,
) -> Result<Fate, Refusal> {
    let Some(l4_len) = transport::super_header_len(out.transport, out.payload.of(packet)) else {
        return Err(DropReason::TruncatedTransport.into());
    };
    let room = limit.saturating_sub(ipv6::HEADER_LEN + l4_len);
    let size = usize::from(gso.size).min(room);
    let kind = match gso.kind {
        GsoKind::TcpV4 | GsoKind::TcpV6 if size > 0 => GsoKind::TcpV6,
        GsoKind::Udp if size == usize::from(gso.size) => GsoKind::Udp,
        GsoKind::Udp if out.fragment.dont_fragment() => {
            return Err(Refusal::new(DropReason::TooBig, Answer::TooBig(policy.v6_mtu.saturating_sub(20))));
        }
        GsoKind::TcpV4 | GsoKind::TcpV6 | GsoKind::Udp => return Ok(Fate::Segment),
    };
    let size = u16::try_from(size).unwrap_or(gso.size);
    let header_len = u16::try_from(ipv6::HEADER_LEN + l4_len).unwrap_or_default();
    let gso = Gso { kind, size, header_len, ..gso };
    whole(out, offload, Some(gso), rewrite);
    Ok(Fate::Forward)
}

#[inline]
#[allow(clippy::cast_possible_truncation)]
fn whole(out: &Outgoing, offload: Offload, gso: Option<Gso>, rewrite: &mut Rewrite) {
    rewrite.tail = Span::new(out.payload.start() + out.l4.len(), out.payload.start() + out.payload.len());
    let head = &mut rewrite.head;
    if out.fragment.is_fragment() {
        let payload_len = (out.payload.len() + ipv6::FRAGMENT_LEN) as u16;
        let next_header = protocol::FRAGMENT;
        head.push(&HeaderV6 { payload_len, next_header, ..out.header }.bytes());
        let fragment = FragmentV6 {
            next_header: out.header.next_header,
            offset: out.fragment.offset(),
            more: out.fragment.more(),
            ident: u32::from(out.fragment.ident),
        };
        head.push(&fragment.bytes());
    } else {
        let payload_len = out.payload.len() as u16;
        head.push(&HeaderV6 { payload_len, ..out.header }.bytes());
    }
    let csum = offload.csum.moved_to(head.len() as u16);
    out.l4.push_to(head);
    rewrite.offload = Offload { csum, gso };
}
