//! RFC 7915 section 4.2: ICMPv4 becomes ICMPv6.

use super::transport::{self, L4};
use super::{Translator, icmp_error, quoted_v4_to_v6};
use crate::parts::{Rewrite, Span};
use crate::wire::checksum::{Sum, pseudo_v6};
use crate::wire::icmp::{self, ErrorHeader, v4, v6};
use crate::wire::ipv4::Ipv4;
use crate::wire::ipv6::{self, HeaderV6};
use crate::wire::protocol;
use crate::{AddressMap, DropReason, Policy};
use core::net::Ipv6Addr;

use super::refusal::Refusal;

/// Echo request and reply: the type changes and the pseudo-header comes into the checksum.
/// Every other informational message is dropped, and so is every fragment of any message.
pub(super) fn echo(ip: &Ipv4<'_>, src: Ipv6Addr, dst: Ipv6Addr) -> Result<L4, Refusal> {
    if ip.fragment().is_fragment() {
        return Err(Refusal::prohibited(DropReason::FragmentedIcmp));
    }
    let front = ip.payload().first_chunk::<8>().ok_or(DropReason::TruncatedTransport)?;
    let new_type = icmp::echo_v6(front[0]).ok_or(DropReason::IcmpType)?;
    // The payload of an IPv4 packet is shorter than 65536.
    let len = u32::try_from(ip.payload().len()).unwrap_or_default();
    Ok(transport::echo(*front, new_type, pseudo_v6(src, dst, len, protocol::ICMPV6)))
}

/// An error message: its header by the tables, the quoted packet translated, the checksum made anew.
#[cold]
pub(super) fn error<M: AddressMap>(
    translator: &Translator<M>,
    packet: &[u8],
    ip: &Ipv4<'_>,
    header: HeaderV6,
    rewrite: &mut Rewrite,
) -> Result<(), Refusal> {
    let message = ip.payload();
    let (front, quote) =
        message.split_first_chunk::<{ icmp::HEADER_LEN }>().ok_or(DropReason::TruncatedTransport)?;
    if Sum::ZERO.bytes(message).fold() != 0xffff {
        return Err(DropReason::BadIcmpChecksum.into());
    }
    let error = header_v6(&translator.policy, front, quote)?;
    let start = ip.header_len() + icmp::HEADER_LEN;
    let (quoted_len, extension) = icmp_error::split(packet, v4_length(front), start, ip.total_len());
    let quoted = quoted_v4_to_v6::translate(translator, quote.get(..quoted_len).unwrap_or_default())?;
    let body = icmp_error::Body {
        tail: Span::new(start + quoted.consumed, start + quoted_len),
        quoted: quoted.head,
        extension: if carries_extension(error.icmp_type) { extension } else { Span::default() },
        object: None,
    };
    icmp_error::emit_v6(packet, header, error, &body, rewrite);
    Ok(())
}

/// The length of the quoted packet where an extension follows, in bytes (RFC 4884 section 4.1).
const fn v4_length(front: &[u8; icmp::HEADER_LEN]) -> usize {
    match front[0] {
        v4::UNREACHABLE | v4::TIME_EXCEEDED | v4::PARAMETER_PROBLEM => front[5] as usize * 4,
        _ => 0,
    }
}

/// RFC 4884 section 4.4 and 4.5: destination unreachable and time exceeded.
const fn carries_extension(icmp_type: u8) -> bool {
    matches!(icmp_type, v6::UNREACHABLE | v6::TIME_EXCEEDED)
}

/// The tables of RFC 7915 section 4.2.
fn header_v6(policy: &Policy, front: &[u8; 8], quote: &[u8]) -> Result<ErrorHeader, DropReason> {
    let [icmp_type, code, _, _, pointer, _, mtu_hi, mtu_lo] = *front;
    match icmp_type {
        v4::UNREACHABLE => unreachable(policy, code, u16::from_be_bytes([mtu_hi, mtu_lo]), quote),
        v4::TIME_EXCEEDED => Ok(ErrorHeader::new(v6::TIME_EXCEEDED, code)),
        v4::PARAMETER_PROBLEM if matches!(code, 0 | 2) => {
            let pointer = pointer_v6(pointer).ok_or(DropReason::IcmpPointer)?;
            Ok(ErrorHeader::with_word(v6::PARAMETER_PROBLEM, v6::parameter::ERRONEOUS_FIELD, pointer))
        }
        _ => Err(DropReason::IcmpType),
    }
}

fn unreachable(policy: &Policy, code: u8, mtu: u16, quote: &[u8]) -> Result<ErrorHeader, DropReason> {
    use v6::unreachable::{ADMINISTRATIVELY_PROHIBITED, NO_ROUTE, PORT};
    let code = match code {
        v4::unreachable::PROTOCOL => {
            let (kind, code) = (v6::PARAMETER_PROBLEM, v6::parameter::UNRECOGNIZED_NEXT_HEADER);
            return Ok(ErrorHeader::with_word(kind, code, NEXT_HEADER_POINTER));
        }
        v4::unreachable::FRAGMENTATION_NEEDED => {
            let mtu = packet_too_big_mtu(policy, mtu, quote);
            return Ok(ErrorHeader::with_word(v6::PACKET_TOO_BIG, 0, mtu));
        }
        0 | 1 | 5..=8 | 11 | 12 => NO_ROUTE,
        v4::unreachable::PORT => PORT,
        9 | 10 | 13 | 15 => ADMINISTRATIVELY_PROHIBITED,
        _ => return Err(DropReason::IcmpType),
    };
    Ok(ErrorHeader::new(v6::UNREACHABLE, code))
}

/// Where the Next Header field stands in an IPv6 header.
const NEXT_HEADER_POINTER: u32 = 6;

/// RFC 7915 section 4.2, Figure 3.
const fn pointer_v6(pointer: u8) -> Option<u32> {
    match pointer {
        0 | 1 => Some(pointer as u32),
        2 | 3 => Some(4),
        8 => Some(7),
        9 => Some(6),
        12..=15 => Some(8),
        16..=19 => Some(24),
        _ => None,
    }
}

/// RFC 1191 section 7.1, as far as they are at least 1280.
const PLATEAUS: [u16; 7] = [65535, 32000, 17914, 8166, 4352, 2002, 1492];

/// The MTU of a Packet Too Big: what the message says, within what both next hops allow. An MTU of
/// zero comes from a router before RFC 1191: then the largest plateau below the quoted packet's size.
fn packet_too_big_mtu(policy: &Policy, mtu: u16, quote: &[u8]) -> u32 {
    let mtu = if mtu == 0 { plateau_below(quote) } else { mtu };
    (u32::from(mtu) + 20).min(policy.v6_mtu).min(policy.v4_mtu.saturating_add(20)).max(ipv6::MIN_MTU)
}

fn plateau_below(quote: &[u8]) -> u16 {
    let [_, _, hi, lo, ..] = quote else { return 0 };
    let quoted = u16::from_be_bytes([*hi, *lo]);
    PLATEAUS.into_iter().find(|plateau| *plateau < quoted).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7915_section_4_2_figure_3_pointers() {
        let expected = [
            (0, Some(0)),
            (1, Some(1)),
            (2, Some(4)),
            (3, Some(4)),
            (4, None),
            (5, None),
            (6, None),
            (7, None),
            (8, Some(7)),
            (9, Some(6)),
            (10, None),
            (11, None),
            (12, Some(8)),
            (15, Some(8)),
            (16, Some(24)),
            (19, Some(24)),
            (20, None),
            (255, None),
        ];
        for (v4, v6) in expected {
            assert_eq!(pointer_v6(v4), v6, "pointer {v4}");
        }
    }

    #[test]
    fn rfc7915_section_4_2_mtu_arithmetic() {
        let mut policy = Policy::new();
        let mtu = |policy: &Policy, mtu, quoted: u16| {
            let [hi, lo] = quoted.to_be_bytes();
            packet_too_big_mtu(policy, mtu, &[0x45, 0, hi, lo])
        };
        assert_eq!(mtu(&policy, 1400, 1500), 1420);
        assert_eq!(mtu(&policy, 576, 1500), 1280, "never below the IPv6 minimum");
        assert_eq!(mtu(&policy, 9000, 9001), 1500, "never above the next hop");
        assert_eq!(mtu(&policy, 65535, 65535), 1500, "no overflow");
        assert_eq!(mtu(&policy, 0, 1500), 1500, "plateau 1492 + 20, capped");
        assert_eq!(mtu(&policy, 0, 1492), 1280);
        policy.v6_mtu = 9000;
        policy.v4_mtu = 9000;
        assert_eq!(mtu(&policy, 0, 9000), 8186, "plateau 8166 + 20");
        assert_eq!(mtu(&policy, 0, 8166), 4372, "a plateau is smaller than the packet");
        policy.v4_mtu = 1400;
        assert_eq!(mtu(&policy, 9000, 9001), 1420);
    }
}
