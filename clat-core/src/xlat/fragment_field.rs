//! Identification, flags and offset of the IPv4 header (RFC 7915 sections 5.1 and 5.1.1).

use crate::wire::ipv4::FragmentV4;
use crate::wire::ipv6::FragmentV6;

/// Above this size nothing can have come through a smaller IPv6 link: 1280 - 20.
const DONT_FRAGMENT_ABOVE: usize = 1260;

/// Of a packet without Fragment Header: Don't Fragment by its size in bytes.
#[inline]
pub(super) const fn of_whole(ident: u16, total_len: usize) -> FragmentV4 {
    FragmentV4::whole(ident, total_len > DONT_FRAGMENT_ABOVE)
}

/// Of a packet with Fragment Header: the low-order 16 bits of its identification, Don't Fragment clear.
#[inline]
#[allow(clippy::cast_possible_truncation)]
pub(super) const fn of_fragment(fragment: FragmentV6) -> FragmentV4 {
    FragmentV4::piece(fragment.ident as u16, fragment.offset, fragment.more)
}
