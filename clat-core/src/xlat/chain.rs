//! The chain of IPv6 extension headers (RFC 8200 section 4), as far as RFC 7915 section 5.1 goes
//! through it: Hop-by-Hop Options, Routing, Destination Options and one Fragment Header.

use crate::DropReason;
use crate::wire::ipv6::{self, FragmentV6};
use crate::wire::protocol;
use etherparse::{Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice};

/// Most headers that a chain may have (RFC 8504 section 5.3 lets a node set such a limit).
const MAX_HEADERS: usize = 8;

/// Where a chain ends and what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The first header that is not skipped: the protocol of the IPv4 packet.
    pub(super) protocol: u8,
    /// Bytes of all the headers that were skipped.
    pub(super) len: usize,
    pub(super) fragment: Option<FragmentV6>,
    /// Where the Segments Left octet of the first routing header with segments left is, in bytes from
    /// the start of the chain.
    pub(super) segments_left_at: Option<usize>,
    /// Whether an extension header follows the Fragment Header.
    pub(super) extension_after_fragment: bool,
}

/// Walks the chain that starts with `next_header` in `payload`.
#[inline]
pub(super) fn walk(next_header: u8, payload: &[u8]) -> Result<Chain, DropReason> {
    let chain = Chain {
        protocol: next_header,
        len: 0,
        fragment: None,
        segments_left_at: None,
        extension_after_fragment: false,
    };
    if ipv6::is_extension(next_header) { walk_headers(chain, payload) } else { Ok(chain) }
}

fn walk_headers(mut chain: Chain, payload: &[u8]) -> Result<Chain, DropReason> {
    for _ in 0..MAX_HEADERS {
        let rest = payload.get(chain.len..).ok_or(DropReason::ExtensionChain)?;
        match chain.protocol {
            // RFC 8200 section 4.1: only right after the IPv6 header.
            protocol::HOP_BY_HOP if chain.len > 0 => return Err(DropReason::ExtensionChain),
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS => {
                skip(&mut chain, rest)?;
            }
            protocol::FRAGMENT => return fragment(chain, rest),
            _ => return Ok(chain),
        }
    }
    if ipv6::is_extension(chain.protocol) { Err(DropReason::ExtensionChain) } else { Ok(chain) }
}

fn skip(chain: &mut Chain, rest: &[u8]) -> Result<(), DropReason> {
    let header = Ipv6RawExtHeaderSlice::from_slice(rest).map_err(|_| DropReason::ExtensionChain)?;
    let segments_left = header.payload().get(1).copied().unwrap_or_default();
    if chain.protocol == protocol::ROUTING && segments_left != 0 && chain.segments_left_at.is_none() {
        chain.segments_left_at = Some(chain.len + 3);
    }
    chain.len += header.slice().len();
    chain.protocol = header.next_header().0;
    Ok(())
}

/// The Fragment Header ends the walk: behind it is the fragmentable part, of which only a first
/// fragment has the start.
fn fragment(mut chain: Chain, rest: &[u8]) -> Result<Chain, DropReason> {
    let header = Ipv6FragmentHeaderSlice::from_slice(rest).map_err(|_| DropReason::ExtensionChain)?;
    chain.len += ipv6::FRAGMENT_LEN;
    chain.protocol = header.next_header().0;
    chain.extension_after_fragment = ipv6::is_extension(chain.protocol);
    chain.fragment = Some(FragmentV6 {
        next_header: chain.protocol,
        offset: header.fragment_offset().value(),
        more: header.more_fragments(),
        ident: header.identification(),
    });
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: u8 = protocol::UDP;

    #[test]
    fn rfc7915_section_5_1_extension_headers_are_skipped() {
        let chain = walk(
            0,
            &[[43, 0, 1, 4, 0, 0, 0, 0], [60, 0, 4, 0, 0, 0, 0, 0], [UDP, 0, 1, 4, 0, 0, 0, 0]].concat(),
        )
        .unwrap();
        assert_eq!((chain.protocol, chain.len, chain.segments_left_at), (UDP, 24, None));
    }

    #[test]
    fn rfc7915_section_5_1_segments_left_is_pointed_at() {
        let routing = [UDP, 0, 4, 1, 0, 0, 0, 0];
        assert_eq!(walk(43, &routing).unwrap().segments_left_at, Some(3));
        let chain = walk(0, &[[43, 0, 1, 4, 0, 0, 0, 0], routing].concat()).unwrap();
        assert_eq!(chain.segments_left_at, Some(11));
    }

    #[test]
    fn rfc8200_section_4_1_broken_chains_end() {
        for (next_header, bytes) in [
            (60, &[0, 0, 0, 0, 0, 0, 0, 0, UDP, 0, 0, 0, 0, 0, 0, 0][..]),
            (0, &[UDP, 1, 0, 0, 0, 0, 0, 0]),
            (43, &[UDP, 0, 0]),
            (44, &[UDP, 0, 0, 1]),
            (60, &[60, 0, 0, 0, 0, 0, 0, 0].repeat(100)),
        ] {
            assert_eq!(walk(next_header, bytes), Err(DropReason::ExtensionChain), "{next_header}");
        }
        let eight = [[60, 0, 0, 0, 0, 0, 0, 0]; 7].concat().into_iter().chain([UDP, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(walk(60, &eight.collect::<std::vec::Vec<u8>>()).map(|c| c.len), Ok(64));
    }

    #[test]
    fn rfc7915_section_5_1_1_headers_behind_the_fragment_header_are_seen() {
        for (next_header, expected) in
            [(UDP, false), (50, false), (51, true), (60, true), (44, true), (135, true)]
        {
            let chain = walk(44, &[next_header, 0, 0, 9, 1, 2, 3, 4]).unwrap();
            assert_eq!(chain.extension_after_fragment, expected, "{next_header}");
            let fragment = FragmentV6 { next_header, offset: 1, more: true, ident: 0x0102_0304 };
            assert_eq!(chain.fragment, Some(fragment));
        }
    }

    #[test]
    fn rfc7915_section_5_1_other_headers_are_not_skipped() {
        for next_header in [50, 51, 59, 132, 135] {
            assert_eq!(walk(next_header, &[]).map(|c| (c.protocol, c.len)), Ok((next_header, 0)));
        }
    }
}
