//! The IPv6 header (RFC 8200 section 3) and the Fragment Header (section 4.5).
//!
//! ```text
//! |Version| Traffic Class |           Flow Label                  |
//! |         Payload Length        |  Next Header  |   Hop Limit   |
//! |                       Source Address (16)                     |
//! |                    Destination Address (16)                   |
//!
//! |  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
//! |                         Identification                        |
//! ```

use super::protocol;
use crate::DropReason;
use core::net::Ipv6Addr;

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 40;
/// Bytes of the Fragment Header.
pub(crate) const FRAGMENT_LEN: usize = 8;
/// Smallest MTU of a link (RFC 8200 section 5).
pub(crate) const MIN_MTU: u32 = 1280;

/// A packet whose header is complete and whose payload length agrees with its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ipv6<'p> {
    header: &'p [u8; HEADER_LEN],
    payload: &'p [u8],
}

impl<'p> Ipv6<'p> {
    /// Reads and checks the header; bytes beyond the payload length are link padding and left out.
    #[inline]
    pub(crate) fn parse(packet: &'p [u8]) -> Result<Self, DropReason> {
        let (header, rest) = packet.split_first_chunk::<HEADER_LEN>().ok_or(DropReason::Truncated)?;
        if header[0] >> 4 != 6 {
            return Err(DropReason::BadVersion);
        }
        let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let payload = rest.get(..len).ok_or(DropReason::Truncated)?;
        Ok(Self { header, payload })
    }

    #[inline]
    pub(crate) const fn traffic_class(&self) -> u8 {
        (self.header[0] << 4) | (self.header[1] >> 4)
    }

    #[inline]
    pub(crate) const fn payload(&self) -> &'p [u8] {
        self.payload
    }

    #[inline]
    pub(crate) const fn next_header(&self) -> u8 {
        self.header[6]
    }

    #[inline]
    pub(crate) const fn hop_limit(&self) -> u8 {
        self.header[7]
    }

    #[inline]
    pub(crate) fn src(&self) -> Ipv6Addr {
        addr_at::<8>(self.header)
    }

    #[inline]
    pub(crate) fn dst(&self) -> Ipv6Addr {
        addr_at::<24>(self.header)
    }
}

/// The address at a fixed place of the header.
#[inline]
fn addr_at<const AT: usize>(header: &[u8; HEADER_LEN]) -> Ipv6Addr {
    let octets = header.get(AT..).and_then(|rest| rest.first_chunk::<16>());
    Ipv6Addr::from_octets(*octets.unwrap_or(&[0; 16]))
}

/// What a header consists of. The flow label is always zero (RFC 7915 section 4.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderV6 {
    pub(crate) traffic_class: u8,
    pub(crate) payload_len: u16,
    pub(crate) next_header: u8,
    pub(crate) hop_limit: u8,
    pub(crate) src: Ipv6Addr,
    pub(crate) dst: Ipv6Addr,
}

impl HeaderV6 {
    #[inline]
    pub(crate) fn bytes(self) -> [u8; HEADER_LEN] {
        let [l0, l1] = self.payload_len.to_be_bytes();
        let class = self.traffic_class;
        let mut out = [0; HEADER_LEN];
        let first = [0x60 | (class >> 4), class << 4, 0, 0, l0, l1, self.next_header, self.hop_limit];
        if let Some((front, rest)) = out.split_first_chunk_mut::<8>() {
            *front = first;
            if let Some((src, rest)) = rest.split_first_chunk_mut::<16>() {
                *src = self.src.octets();
                if let Some(dst) = rest.first_chunk_mut::<16>() {
                    *dst = self.dst.octets();
                }
            }
        }
        out
    }
}

/// The Fragment Header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FragmentV6 {
    pub(crate) next_header: u8,
    /// In units of 8 bytes.
    pub(crate) offset: u16,
    pub(crate) more: bool,
    pub(crate) ident: u32,
}

impl FragmentV6 {
    /// Whether the packet is complete all the same: an atomic fragment (RFC 6946).
    #[inline]
    pub(crate) const fn is_atomic(self) -> bool {
        self.offset == 0 && !self.more
    }

    #[inline]
    pub(crate) const fn bytes(self) -> [u8; FRAGMENT_LEN] {
        let [o0, o1] = ((self.offset << 3) | self.more as u16).to_be_bytes();
        let [i0, i1, i2, i3] = self.ident.to_be_bytes();
        [self.next_header, 0, o0, o1, i0, i1, i2, i3]
    }
}

/// Whether a Next Header value names an extension header other than ESP (RFC 7045 section 4).
#[inline]
pub(crate) const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::AUTHENTICATION
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY
            | protocol::HIP
            | protocol::SHIM6
    )
}
