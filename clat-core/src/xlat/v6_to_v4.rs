//! RFC 7915 section 5.1: the IPv6 header becomes an IPv4 header.

use super::chain::{self, Chain};
use super::icmp_v6_to_v4::Message;
use super::refusal::{self, Answer, Refusal};
use super::transport::{self, L4, Transport};
use super::{Fate, Translator, fragment_field, fragments, icmp_v6_to_v4};
use crate::addr::{is_private_v4, source_v4, source_v6};
use crate::parts::{Rewrite, Span};
use crate::wire::checksum::Sum;
use crate::wire::ipv4::{self, FragmentV4, HeaderV4};
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::{icmp, protocol};
use crate::{
    AddressMap, DropReason, Gso, GsoKind, NativeSource, Offload, Policy, PrivateV4, QueueState, Role,
};
use core::net::{Ipv4Addr, Ipv6Addr};

/// What leaves: the header without length and fragment field, the rewritten front of the payload, and
/// the payload.
struct Outgoing {
    header: HeaderV4,
    l4: L4,
    transport: Transport,
    payload: Span,
}

/// The source of the IPv4 packet.
struct Source {
    v4: Ipv4Addr,
    /// Set when no mapping covers the IPv6 source.
    native: Option<Ipv6Addr>,
}

#[inline]
pub(super) fn fate<M: AddressMap>(
    translator: &Translator<M>,
    packet: &[u8],
    offload: Offload,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) -> Fate {
    match translate(translator, packet, offload, state, rewrite) {
        Ok(fate) => fate,
        Err(refusal) => refusal::refuse_v6(translator, packet, refusal, state, rewrite),
    }
}

#[inline]
fn translate<M: AddressMap>(
    translator: &Translator<M>,
    packet: &[u8],
    offload: Offload,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) -> Result<Fate, Refusal> {
    let ip = Ipv6::parse(packet)?;
    let chain = chain::walk(ip.next_header(), ip.payload())?;
    let payload = ip.payload().get(chain.len..).unwrap_or_default();
    let (source, dst) = addresses(translator, &ip, &chain, payload)?;
    check_chain(&chain, payload.len())?;
    if ip.hop_limit() <= 1 {
        return Err(Refusal::new(DropReason::HopLimit, Answer::HopLimit));
    }
    let header = HeaderV4 {
        tos: translator.policy.tos.of(ip.traffic_class()),
        total_len: 0,
        fragment: FragmentV4::default(),
        ttl: ip.hop_limit() - 1,
        protocol: protocol_v4(chain.protocol)?,
        src: source.v4,
        dst,
    };
    if chain.protocol == protocol::ICMPV6 {
        let message = Message { ip: &ip, chain: &chain, bytes: payload, native: source.native };
        return icmp(translator, packet, &message, header, offload, state, rewrite);
    }
    let transport = Transport::of(chain.protocol, payload);
    let l4 = transport_header(&ip, &chain, transport, payload, (source.v4, dst), offload)?;
    let payload = span(&chain, payload);
    let out = Outgoing { header, l4, transport, payload };
    send(&translator.policy, packet, &chain, out, offload, state, rewrite)
}

/// Where the payload behind the chain stands in the packet.
fn span(chain: &Chain, payload: &[u8]) -> Span {
    let start = ipv6::HEADER_LEN + chain.len;
    Span::new(start, start + payload.len())
}

/// Source and destination by the mapping (RFC 7915 section 6); whoever pretends to be this host or
/// writes to somebody else is dropped.
#[inline]
fn addresses<M: AddressMap>(
    translator: &Translator<M>,
    ip: &Ipv6<'_>,
    chain: &Chain,
    payload: &[u8],
) -> Result<(Source, Ipv4Addr), Refusal> {
    let map = &translator.map;
    let (src6, dst6) = (ip.src(), ip.dst());
    let Some(dst) = map.to_v4(dst6, Role::Local) else {
        let multicast = dst6.is_multicast();
        return Err(
            if multicast { DropReason::IllegalDestination } else { DropReason::DestinationNotLocal }.into()
        );
    };
    if !source_v6(src6) {
        return Err(DropReason::IllegalSource.into());
    }
    let Some(src) = map.to_v4(src6, Role::Plat) else {
        let v4 = native_source(&translator.policy, chain, payload)?;
        return Ok((Source { v4, native: Some(src6) }, dst));
    };
    if !source_v4(src) {
        return Err(DropReason::IllegalSource.into());
    }
    // An address of this side may come from what its rows cover, never embedded in the prefix.
    let own = map.to_v6(src, Role::Local);
    if src == dst || own.is_some() && map.to_v4(src6, Role::Local).is_none() {
        return Err(DropReason::SpoofedSource.into());
    }
    let private = is_private_v4(src) && translator.policy.private_v4 == PrivateV4::Drop;
    if private && map.pref64().is_well_known() && own.is_none() {
        return Err(Refusal::prohibited(DropReason::PrivateAddress));
    }
    Ok((Source { v4: src, native: None }, dst))
}

/// Routers on the way may have no IPv4 address; what they report must arrive all the same.
#[cold]
fn native_source(policy: &Policy, chain: &Chain, payload: &[u8]) -> Result<Ipv4Addr, DropReason> {
    let whole = chain.fragment.is_none_or(|f| f.is_atomic());
    let is_error = payload.first().is_some_and(|t| icmp::v6::is_error(*t));
    match policy.native_source {
        NativeSource::Dummy(v4) if chain.protocol == protocol::ICMPV6 && whole && is_error => Ok(v4),
        NativeSource::Dummy(_) | NativeSource::Drop => Err(DropReason::SourceNotMapped),
    }
}

/// What RFC 7915 sections 5.1 and 5.1.1 refuse of a chain.
#[inline]
fn check_chain(chain: &Chain, payload_len: usize) -> Result<(), Refusal> {
    if let Some(at) = chain.segments_left_at {
        // A chain is shorter than an IPv6 packet.
        let pointer = u32::try_from(ipv6::HEADER_LEN + at).unwrap_or_default();
        return Err(Refusal::new(DropReason::RoutingHeader, Answer::ErroneousField(pointer)));
    }
    let Some(fragment) = chain.fragment else { return Ok(()) };
    if chain.extension_after_fragment {
        return Err(Refusal::prohibited(DropReason::ExtensionAfterFragment));
    }
    let end = usize::from(fragment.offset) * 8 + payload_len;
    let empty = payload_len == 0 && !fragment.is_atomic();
    if empty || end > usize::from(u16::MAX) {
        return Err(DropReason::BadFragment.into());
    }
    Ok(())
}

/// RFC 7915 section 5.1: the Next Header value is copied, 58 becomes 1. Numbers that mean something
/// else in an IPv4 header cannot be carried.
#[inline]
fn protocol_v4(next_header: u8) -> Result<u8, Refusal> {
    match next_header {
        protocol::ICMPV6 => Ok(protocol::ICMPV4),
        protocol::ICMPV4 => Err(Refusal::prohibited(DropReason::Protocol)),
        protocol::IGMP => Err(DropReason::Protocol.into()),
        other => Ok(other),
    }
}

/// RFC 7915 section 5.2: whole messages only; an atomic fragment is one.
fn icmp<M: AddressMap>(
    translator: &Translator<M>,
    packet: &[u8],
    message: &Message<'_>,
    mut header: HeaderV4,
    offload: Offload,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) -> Result<Fate, Refusal> {
    let chain = message.chain;
    if chain.fragment.is_some_and(|f| !f.is_atomic()) {
        return Err(Refusal::prohibited(DropReason::FragmentedIcmp));
    }
    if message.bytes.first().is_some_and(|t| icmp::v6::is_error(*t)) {
        header.fragment = match chain.fragment {
            Some(fragment) => fragment_field::of_fragment(fragment),
            // No error is longer than what may be fragmented.
            None => fragment_field::of_whole(state.next_ident(header.src, header.dst, header.protocol), 0),
        };
        return icmp_v6_to_v4::error(translator, packet, message, header, rewrite).map(|()| Fate::Forward);
    }
    let l4 = icmp_v6_to_v4::echo(message.ip, message.bytes)?;
    let payload = span(chain, message.bytes);
    let out = Outgoing { header, l4, transport: Transport::Opaque, payload };
    send(&translator.policy, packet, chain, out, offload, state, rewrite)
}

/// RFC 7915 section 5.5. Later fragments have no transport header; a UDP checksum of zero (RFC 6935)
/// says "none" in IPv4 too.
#[inline]
fn transport_header(
    ip: &Ipv6<'_>,
    chain: &Chain,
    transport: Transport,
    payload: &[u8],
    (src, dst): (Ipv4Addr, Ipv4Addr),
    offload: Offload,
) -> Result<L4, DropReason> {
    let first_fragment = match chain.fragment {
        Some(f) if f.offset != 0 => {
            let overlaps = transport::overlaps_header(transport, f.offset);
            return if overlaps { Err(DropReason::TinyFragment) } else { Ok(L4::None) };
        }
        Some(f) => f.more,
        None => false,
    };
    if transport == Transport::Udp && !first_fragment && offload.gso.is_none() {
        transport::udp_len(payload)?;
    }
    let delta = Sum::ZERO.v4(src).v4(dst).sub(Sum::ZERO.v6(ip.src()).v6(ip.dst()));
    transport::rewrite(transport, payload, delta, offload.csum, first_fragment)
}

/// Sizes and the fragment field: whole, in pieces, or not at all (RFC 7915 sections 5.1 and 5.1.1).
#[inline]
#[allow(clippy::cast_possible_truncation)]
fn send(
    policy: &Policy,
    packet: &[u8],
    chain: &Chain,
    mut out: Outgoing,
    offload: Offload,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) -> Result<Fate, Refusal> {
    let total_len = ipv4::HEADER_LEN + out.payload.len();
    let segment_len = match offload.gso {
        None => total_len,
        Some(gso) => {
            let l4_len = transport::super_header_len(out.transport, out.payload.of(packet));
            ipv4::HEADER_LEN + l4_len.ok_or(DropReason::TruncatedTransport)? + usize::from(gso.size)
        }
    };
    out.header.fragment = match chain.fragment {
        Some(fragment) => fragment_field::of_fragment(fragment),
        None => {
            let ident = state.next_ident(out.header.src, out.header.dst, out.header.protocol);
            fragment_field::of_whole(ident, segment_len)
        }
    };
    if let Some(gso) = offload.gso {
        return send_super_packet(policy, out, offload, gso, segment_len, rewrite);
    }
    if total_len <= policy.v4_mtu as usize && total_len <= usize::from(u16::MAX) {
        out.header.total_len = total_len as u16;
        whole(&out, offload, None, rewrite);
        return Ok(Fate::Forward);
    }
    if out.header.fragment.dont_fragment() {
        return Err(Refusal::new(DropReason::TooBig, Answer::TooBig(mtu_v6(policy))));
    }
    Ok(Fate::Fragment(pieces(policy, packet, out, offload)))
}

/// The MTU that the sender is told: what fits once the header has become smaller.
const fn mtu_v6(policy: &Policy) -> u32 {
    let mtu = policy.v4_mtu.saturating_add(20);
    if mtu < ipv6::MIN_MTU { ipv6::MIN_MTU } else { mtu }
}

fn pieces(policy: &Policy, packet: &[u8], out: Outgoing, offload: Offload) -> fragments::Pieces {
    let l4 = out.transport.completed(out.l4, out.payload.of(packet), offload.csum);
    fragments::Pieces {
        template: fragments::Template::V4(out.header),
        l4,
        payload: out.payload,
        offset: out.header.fragment.offset(),
        more: out.header.fragment.more(),
        limit: policy.v4_mtu as usize,
    }
}

/// Super-packets leave whole: the next device cuts them. TCP segments are made smaller where the MTU
/// asks for it; the size of UDP datagrams is not ours to change.
#[allow(clippy::cast_possible_truncation)]
fn send_super_packet(
    policy: &Policy,
    mut out: Outgoing,
    offload: Offload,
    gso: Gso,
    segment_len: usize,
    rewrite: &mut Rewrite,
) -> Result<Fate, Refusal> {
    let total_len = ipv4::HEADER_LEN + out.payload.len();
    let header_len = segment_len.saturating_sub(usize::from(gso.size));
    let size = usize::from(gso.size).min((policy.v4_mtu as usize).saturating_sub(header_len));
    let fits = size == usize::from(gso.size);
    let kind = match gso.kind {
        _ if total_len > usize::from(u16::MAX) => return Ok(Fate::Segment),
        GsoKind::TcpV4 | GsoKind::TcpV6 if size > 0 => GsoKind::TcpV4,
        GsoKind::Udp if fits => GsoKind::Udp,
        GsoKind::Udp if out.header.fragment.dont_fragment() => {
            return Err(Refusal::new(DropReason::TooBig, Answer::TooBig(mtu_v6(policy))));
        }
        GsoKind::TcpV4 | GsoKind::TcpV6 | GsoKind::Udp => return Ok(Fate::Segment),
    };
    let gso = Gso { kind, size: size as u16, header_len: header_len as u16, ..gso };
    out.header.total_len = total_len as u16;
    whole(&out, offload, Some(gso), rewrite);
    Ok(Fate::Forward)
}

#[inline]
fn whole(out: &Outgoing, offload: Offload, gso: Option<Gso>, rewrite: &mut Rewrite) {
    let (start, end) = (out.payload.start(), out.payload.start() + out.payload.len());
    rewrite.tail = Span::new(start + out.l4.len(), end);
    rewrite.head.push(&out.header.bytes());
    out.l4.push_to(&mut rewrite.head);
    let csum = offload.csum.moved_to(ipv4::HEADER_LEN as u16);
    rewrite.offload = Offload { csum, gso };
}
