//! RFC 7915 section 5.2: ICMPv6 becomes ICMPv4.

use super::chain::Chain;
use super::refusal::{Refusal, max_error_v4};
use super::transport::{self, L4};
use super::{Translator, icmp_error, quoted_v6_to_v4};
use crate::parts::{Rewrite, Span};
use crate::wire::checksum::{Sum, pseudo_v6};
use crate::wire::icmp::{self, ErrorHeader, v4, v6};
use crate::wire::ipv4::{self, HeaderV4};
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::protocol;
use crate::{AddressMap, DropReason, Policy};
use core::net::Ipv6Addr;

/// An ICMPv6 message and the packet around it.
pub(super) struct Message<'p> {
    pub(super) ip: &'p Ipv6<'p>,
    pub(super) chain: &'p Chain,
    pub(super) bytes: &'p [u8],
    /// The source, where no mapping covers it.
    pub(super) native: Option<Ipv6Addr>,
}

/// Echo request and reply: the type changes and the pseudo-header leaves the checksum.
/// Every other informational message is dropped: MLD, Neighbour Discovery, the unknown.
pub(super) fn echo(ip: &Ipv6<'_>, message: &[u8]) -> Result<L4, Refusal> {
    let front = message.first_chunk::<8>().ok_or(DropReason::TruncatedTransport)?;
    let new_type = icmp::echo_v4(front[0]).ok_or(DropReason::IcmpType)?;
    let pseudo = Sum::ZERO.sub(pseudo(ip, message));
    Ok(transport::echo(*front, new_type, pseudo))
}

fn pseudo(ip: &Ipv6<'_>, message: &[u8]) -> Sum {
    // The payload of an IPv6 packet is shorter than 65536.
    let len = u32::try_from(message.len()).unwrap_or_default();
    pseudo_v6(ip.src(), ip.dst(), len, protocol::ICMPV6)
}

/// An error message: its header by the tables, the quoted packet translated, the checksum made anew.
#[cold]
pub(super) fn error<M: AddressMap>(
    translator: &Translator<M>,
    packet: &[u8],
    message: &Message<'_>,
    header: HeaderV4,
    rewrite: &mut Rewrite,
) -> Result<(), Refusal> {
    let (ip, chain) = (message.ip, message.chain);
    let (front, quote) =
        message.bytes.split_first_chunk::<{ icmp::HEADER_LEN }>().ok_or(DropReason::TruncatedTransport)?;
    if pseudo(ip, message.bytes).bytes(message.bytes).fold() != 0xffff {
        return Err(DropReason::BadIcmpChecksum.into());
    }
    let fragmented = quoted_v6_to_v4::has_fragment_header(quote);
    let error = header_v4(&translator.policy, front, fragmented)?;
    let start = ipv6::HEADER_LEN + chain.len + icmp::HEADER_LEN;
    let end = ipv6::HEADER_LEN + ip.payload().len();
    let (quoted_len, extension) = icmp_error::split(packet, v6_length(front), start, end);
    let quoted = quoted_v6_to_v4::translate(translator, quote.get(..quoted_len).unwrap_or_default())?;
    let carries = carries_extension(&error);
    let body = icmp_error::Body {
        tail: Span::new(start + quoted.consumed, start + quoted_len),
        quoted: quoted.head,
        extension: if carries { extension } else { Span::default() },
        object: message.native.filter(|_| carries),
    };
    icmp_error::emit_v4(packet, header, error, &body, max_error_v4(&translator.policy), rewrite);
    Ok(())
}

/// The length of the quoted packet where an extension follows, in bytes (RFC 4884 section 4.4).
const fn v6_length(front: &[u8; icmp::HEADER_LEN]) -> usize {
    match front[0] {
        v6::UNREACHABLE | v6::TIME_EXCEEDED => front[4] as usize * 8,
        _ => 0,
    }
}

/// RFC 4884 sections 4.1 to 4.3. Type 3 code 4 is left without: its readers look for an MTU only.
const fn carries_extension(error: &ErrorHeader) -> bool {
    match error.icmp_type {
        v4::UNREACHABLE => error.code != v4::unreachable::FRAGMENTATION_NEEDED,
        v4::TIME_EXCEEDED | v4::PARAMETER_PROBLEM => true,
        _ => false,
    }
}

/// The tables of RFC 7915 section 5.2.
fn header_v4(policy: &Policy, front: &[u8; 8], fragmented: bool) -> Result<ErrorHeader, DropReason> {
    let [icmp_type, code, _, _, word @ ..] = *front;
    let word = u32::from_be_bytes(word);
    match (icmp_type, code) {
        (v6::UNREACHABLE, _) => unreachable(code),
        (v6::PACKET_TOO_BIG, _) => {
            let mtu = fragmentation_needed_mtu(policy, word, fragmented);
            let code = v4::unreachable::FRAGMENTATION_NEEDED;
            Ok(ErrorHeader::with_word(v4::UNREACHABLE, code, mtu))
        }
        (v6::TIME_EXCEEDED, _) => Ok(ErrorHeader::new(v4::TIME_EXCEEDED, code)),
        (v6::PARAMETER_PROBLEM, v6::parameter::ERRONEOUS_FIELD) => {
            let pointer = pointer_v4(word).ok_or(DropReason::IcmpPointer)?;
            let rest = [pointer, 0, 0, 0];
            Ok(ErrorHeader { icmp_type: v4::PARAMETER_PROBLEM, code: 0, rest })
        }
        (v6::PARAMETER_PROBLEM, v6::parameter::UNRECOGNIZED_NEXT_HEADER) => {
            Ok(ErrorHeader::new(v4::UNREACHABLE, v4::unreachable::PROTOCOL))
        }
        _ => Err(DropReason::IcmpType),
    }
}

const fn unreachable(code: u8) -> Result<ErrorHeader, DropReason> {
    use v4::unreachable::{HOST, HOST_PROHIBITED, PORT};
    let code = match code {
        v6::unreachable::NO_ROUTE | 2 | 3 => HOST,
        v6::unreachable::ADMINISTRATIVELY_PROHIBITED => HOST_PROHIBITED,
        v6::unreachable::PORT => PORT,
        _ => return Err(DropReason::IcmpType),
    };
    Ok(ErrorHeader::new(v4::UNREACHABLE, code))
}

/// RFC 7915 section 5.2, Figure 6.
#[allow(clippy::cast_possible_truncation)]
const fn pointer_v4(pointer: u32) -> Option<u8> {
    match pointer {
        0 | 1 => Some(pointer as u8),
        4 | 5 => Some(2),
        6 => Some(9),
        7 => Some(8),
        8..=23 => Some(12),
        24..=39 => Some(16),
        _ => None,
    }
}

/// The MTU of a Fragmentation Needed: what the message says and what both next hops allow, less what
/// the headers differ by. A Fragment Header in the quoted packet is part of that difference.
fn fragmentation_needed_mtu(policy: &Policy, mtu: u32, fragmented: bool) -> u32 {
    let difference = 20 + if fragmented { ipv6::FRAGMENT_LEN as u32 } else { 0 };
    let v6_mtu = mtu.max(ipv6::MIN_MTU).min(policy.v6_mtu);
    v6_mtu.saturating_sub(difference).min(policy.v4_mtu).clamp(ipv4::MIN_MTU, u32::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7915_section_5_2_figure_6_pointers() {
        let expected = [
            (0, Some(0)),
            (1, Some(1)),
            (2, None),
            (3, None),
            (4, Some(2)),
            (5, Some(2)),
            (6, Some(9)),
            (7, Some(8)),
            (8, Some(12)),
            (23, Some(12)),
            (24, Some(16)),
            (39, Some(16)),
            (40, None),
            (256, None),
            (1 << 31, None),
            (u32::MAX, None),
        ];
        for (v6, v4) in expected {
            assert_eq!(pointer_v4(v6), v4, "pointer {v6}");
        }
    }

    #[test]
    fn rfc7915_section_5_2_mtu_arithmetic() {
        let mut policy = Policy::new();
        assert_eq!(fragmentation_needed_mtu(&policy, 1400, false), 1380);
        assert_eq!(fragmentation_needed_mtu(&policy, 1400, true), 1372, "the Fragment Header counts");
        assert_eq!(fragmentation_needed_mtu(&policy, 0, false), 1260, "below the IPv6 minimum");
        assert_eq!(fragmentation_needed_mtu(&policy, u32::MAX, false), 1480, "next hop");
        policy.v6_mtu = 100_000;
        policy.v4_mtu = 100_000;
        assert_eq!(fragmentation_needed_mtu(&policy, u32::MAX, false), 65535, "the field has 16 bits");
        policy.v4_mtu = 1000;
        assert_eq!(fragmentation_needed_mtu(&policy, 1500, false), 1000);
    }
}
