//! Packets that are not translated, and the ICMP errors that say so (RFC 7915 sections 4.4 and 5.4).

use super::chain::Chain;
use super::{Fate, Translator};
use crate::parts::{Rewrite, Span};
use crate::wire::checksum::{Sum, pseudo_v6};
use crate::wire::icmp::{self, ErrorHeader};
use crate::wire::ipv4::{self, FragmentV4, HeaderV4, Ipv4};
use crate::wire::ipv6::{self, HeaderV6, Ipv6};
use crate::wire::protocol;
use crate::{DropReason, Errors, Policy, QueueState};

/// Most bytes of an ICMPv4 error (RFC 1812 section 4.3.2.3).
const MAX_ERROR_V4: u32 = 576;
/// Most bytes of an ICMPv6 error (RFC 4443 section 2.4 (c)).
pub(super) const MAX_ERROR_V6: usize = 1280;

/// Most bytes of an ICMPv4 error on its way to the next hop.
pub(super) fn max_error_v4(policy: &Policy) -> usize {
    policy.v4_mtu.min(MAX_ERROR_V4) as usize
}

/// TTL and hop limit of packets of our own.
const OWN_TTL: u8 = 64;
/// Internetwork control (RFC 1812 section 4.3.2.5).
const OWN_TOS: u8 = 0xc0;

/// Why a packet is dropped, and what its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: DropReason,
    answer: Option<Answer>,
}

/// What the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// ICMPv4 3/13 or ICMPv6 1/1: the answer where no other is named.
    Prohibited,
    /// ICMPv4 11/0 or ICMPv6 3/0.
    HopLimit,
    /// ICMPv4 3/4 or ICMPv6 2/0 with this MTU in bytes.
    TooBig(u32),
    /// ICMPv4 3/5.
    SourceRouteFailed,
    /// ICMPv6 4/0 with this pointer.
    ErroneousField(u32),
}

impl Refusal {
    pub(super) const fn new(reason: DropReason, answer: Answer) -> Self {
        Self { reason, answer: Some(answer) }
    }

    /// With the answer where no other is named.
    pub(super) const fn prohibited(reason: DropReason) -> Self {
        Self::new(reason, Answer::Prohibited)
    }
}

/// Dropped without a word.
impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self { reason, answer: None }
    }
}

impl Answer {
    #[allow(clippy::cast_possible_truncation)]
    const fn header_v4(self) -> ErrorHeader {
        use icmp::v4::{TIME_EXCEEDED, UNREACHABLE, unreachable as code};
        match self {
            Self::HopLimit => ErrorHeader::new(TIME_EXCEEDED, 0),
            Self::TooBig(mtu) => {
                let mtu = if mtu > 0xffff { 0xffff } else { mtu };
                ErrorHeader::with_word(UNREACHABLE, code::FRAGMENTATION_NEEDED, mtu)
            }
            Self::SourceRouteFailed => ErrorHeader::new(UNREACHABLE, code::SOURCE_ROUTE_FAILED),
            Self::Prohibited | Self::ErroneousField(_) => {
                ErrorHeader::new(UNREACHABLE, code::ADMINISTRATIVELY_PROHIBITED)
            }
        }
    }

    const fn header_v6(self) -> ErrorHeader {
        use icmp::v6::{PACKET_TOO_BIG, PARAMETER_PROBLEM, TIME_EXCEEDED, UNREACHABLE};
        match self {
            Self::HopLimit => ErrorHeader::new(TIME_EXCEEDED, 0),
            Self::TooBig(mtu) => ErrorHeader::with_word(PACKET_TOO_BIG, 0, mtu),
            Self::ErroneousField(pointer) => {
                ErrorHeader::with_word(PARAMETER_PROBLEM, icmp::v6::parameter::ERRONEOUS_FIELD, pointer)
            }
            Self::Prohibited | Self::SourceRouteFailed => {
                ErrorHeader::new(UNREACHABLE, icmp::v6::unreachable::ADMINISTRATIVELY_PROHIBITED)
            }
        }
    }
}

/// Drops an IPv4 packet whose addresses are in order, with an answer where one may be given.
#[cold]
pub(super) fn refuse_v4<M>(
    translator: &Translator<M>,
    packet: &[u8],
    refusal: Refusal,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) -> Fate {
    let Refusal { reason, answer } = refusal;
    let (Some(answer), Ok(ip)) = (answer, Ipv4::parse(packet)) else { return Fate::Drop(reason) };
    if !may_answer_v4(&ip) || !may_send(&translator.policy, state) {
        return Fate::Drop(reason);
    }
    reply_v4(&translator.policy, packet, &ip, answer, state, rewrite);
    Fate::Reply(reason)
}

/// Drops an IPv6 packet whose addresses are in order, with an answer where one may be given.
#[cold]
pub(super) fn refuse_v6<M>(
    translator: &Translator<M>,
    packet: &[u8],
    refusal: Refusal,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) -> Fate {
    let Refusal { reason, answer } = refusal;
    let (Some(answer), Ok(ip)) = (answer, Ipv6::parse(packet)) else { return Fate::Drop(reason) };
    let Ok(chain) = super::chain::walk(ip.next_header(), ip.payload()) else { return Fate::Drop(reason) };
    if !may_answer_v6(&ip, &chain) || !may_send(&translator.policy, state) {
        return Fate::Drop(reason);
    }
    reply_v6(&translator.policy, packet, &ip, answer, rewrite);
    Fate::Reply(reason)
}

fn may_send(policy: &Policy, state: &mut QueueState) -> bool {
    policy.errors == Errors::Send && state.may_send_error()
}

/// RFC 1122 section 3.2.2: never about an ICMP error or a later fragment. Sources and destinations
/// that stand for no single host were dropped before.
fn may_answer_v4(ip: &Ipv4<'_>) -> bool {
    ip.fragment().offset() == 0
        && match (ip.protocol(), ip.payload().first()) {
            (protocol::ICMPV4, Some(icmp_type)) => !icmp::v4::is_error(*icmp_type),
            (protocol::ICMPV4, None) => false,
            _ => true,
        }
}

/// RFC 4443 section 2.4 (e): never about an ICMPv6 error or redirect, nor about a later fragment.
fn may_answer_v6(ip: &Ipv6<'_>, chain: &Chain) -> bool {
    chain.fragment.is_none_or(|f| f.offset == 0)
        && match (chain.protocol, ip.payload().get(chain.len)) {
            (protocol::ICMPV6, Some(icmp_type)) => !icmp::v6::is_unanswerable(*icmp_type),
            (protocol::ICMPV6, None) => false,
            _ => true,
        }
}

#[allow(clippy::cast_possible_truncation)]
fn reply_v4(
    policy: &Policy,
    packet: &[u8],
    ip: &Ipv4<'_>,
    answer: Answer,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) {
    let (src, dst) = (policy.v4_error_source, ip.src());
    let headers = ipv4::HEADER_LEN + icmp::HEADER_LEN;
    let quote = Span::new(0, ip.total_len().min(max_error_v4(policy).saturating_sub(headers)));
    let error = answer.header_v4();
    let sum = Sum::ZERO.bytes(&error.bytes(0)).bytes(quote.of(packet));
    let header = HeaderV4 {
        tos: OWN_TOS,
        total_len: (headers + quote.len()) as u16,
        fragment: FragmentV4::whole(state.next_ident(src, dst, protocol::ICMPV4), false),
        ttl: OWN_TTL,
        protocol: protocol::ICMPV4,
        src,
        dst,
    };
    rewrite.tail = quote;
    rewrite.head.push(&header.bytes());
    rewrite.head.push(&error.bytes(sum.checksum()));
}

#[allow(clippy::cast_possible_truncation)]
fn reply_v6(policy: &Policy, packet: &[u8], ip: &Ipv6<'_>, answer: Answer, rewrite: &mut Rewrite) {
    let (src, dst) = (policy.v6_error_source.unwrap_or(ip.dst()), ip.src());
    let headers = ipv6::HEADER_LEN + icmp::HEADER_LEN;
    let whole = ipv6::HEADER_LEN + ip.payload().len();
    let quote = Span::new(0, whole.min(MAX_ERROR_V6 - headers));
    let error = answer.header_v6();
    let payload_len = (icmp::HEADER_LEN + quote.len()) as u16;
    let sum = pseudo_v6(src, dst, u32::from(payload_len), protocol::ICMPV6)
        .bytes(&error.bytes(0))
        .bytes(quote.of(packet));
    let header = HeaderV6 {
        traffic_class: 0,
        payload_len,
        next_header: protocol::ICMPV6,
        hop_limit: OWN_TTL,
        src,
        dst,
    };
    rewrite.tail = quote;
    rewrite.head.push(&header.bytes());
    rewrite.head.push(&error.bytes(sum.checksum()));
}
