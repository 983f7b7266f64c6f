//! The IPv4 header (RFC 791 section 3.1).
//!
//! ```text
//! |Version|  IHL  |Type of Service|          Total Length         |
//! |         Identification        |Flags|      Fragment Offset    |
//! |  Time to Live |    Protocol   |         Header Checksum       |
//! |                       Source Address                          |
//! |                    Destination Address                        |
//! |                    Options                    |    Padding    |
//! ```

use super::checksum::{self, Sum};
use crate::DropReason;
use core::net::Ipv4Addr;

/// Bytes of a header without options.
pub(crate) const HEADER_LEN: usize = 20;

/// Smallest MTU of a link (RFC 791).
pub(crate) const MIN_MTU: u32 = 68;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// A packet whose header is complete and whose length fields agree with its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ipv4<'p> {
    header: &'p [u8; HEADER_LEN],
    options: &'p [u8],
    payload: &'p [u8],
}

impl<'p> Ipv4<'p> {
    /// Reads and checks the header; bytes beyond the total length are link padding and left out.
    #[inline]
    pub(crate) fn parse(packet: &'p [u8]) -> Result<Self, DropReason> {
        let header = packet.first_chunk::<HEADER_LEN>().ok_or(DropReason::Truncated)?;
        let [version_ihl, _, len_hi, len_lo, ..] = *header;
        if version_ihl >> 4 != 4 {
            return Err(DropReason::BadVersion);
        }
        let header_len = usize::from(version_ihl & 0xf) * 4;
        let total_len = usize::from(u16::from_be_bytes([len_hi, len_lo]));
        if header_len < HEADER_LEN || total_len < header_len {
            return Err(DropReason::BadHeaderLength);
        }
        let packet = packet.get(..total_len).ok_or(DropReason::Truncated)?;
        let (all, payload) = packet.split_at_checked(header_len).ok_or(DropReason::Truncated)?;
        let options = all.get(HEADER_LEN..).unwrap_or_default();
        if !checksum::is_in_order(all) {
            return Err(DropReason::BadHeaderChecksum);
        }
        Ok(Self { header, options, payload })
    }

    pub(crate) const fn options(&self) -> &'p [u8] {
        self.options
    }

    #[inline]
    pub(crate) const fn payload(&self) -> &'p [u8] {
        self.payload
    }

    #[inline]
    pub(crate) const fn header_len(&self) -> usize {
        HEADER_LEN + self.options.len()
    }

    #[inline]
    pub(crate) const fn total_len(&self) -> usize {
        self.header_len() + self.payload.len()
    }

    #[inline]
    pub(crate) const fn tos(&self) -> u8 {
        self.header[1]
    }

    #[inline]
    pub(crate) const fn fragment(&self) -> FragmentV4 {
        let h = self.header;
        FragmentV4::from_words(u16::from_be_bytes([h[4], h[5]]), u16::from_be_bytes([h[6], h[7]]))
    }

    #[inline]
    pub(crate) const fn ttl(&self) -> u8 {
        self.header[8]
    }

    #[inline]
    pub(crate) const fn protocol(&self) -> u8 {
        self.header[9]
    }

    #[inline]
    pub(crate) const fn src(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.header[12], self.header[13], self.header[14], self.header[15])
    }

    #[inline]
    pub(crate) const fn dst(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.header[16], self.header[17], self.header[18], self.header[19])
    }
}

/// Identification, flags and fragment offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct FragmentV4 {
    pub(crate) ident: u16,
    flags: u16,
}

impl FragmentV4 {
    /// An unfragmented packet.
    #[inline]
    pub(crate) const fn whole(ident: u16, dont_fragment: bool) -> Self {
        Self { ident, flags: if dont_fragment { DONT_FRAGMENT } else { 0 } }
    }

    /// A fragment at `offset` in units of 8 bytes, Don't Fragment clear.
    #[inline]
    pub(crate) const fn piece(ident: u16, offset: u16, more: bool) -> Self {
        Self { ident, flags: (offset & OFFSET_MASK) | if more { MORE_FRAGMENTS } else { 0 } }
    }

    pub(crate) const fn from_words(ident: u16, flags: u16) -> Self {
        Self { ident, flags }
    }

    #[inline]
    pub(crate) const fn dont_fragment(self) -> bool {
        self.flags & DONT_FRAGMENT != 0
    }

    #[inline]
    pub(crate) const fn more(self) -> bool {
        self.flags & MORE_FRAGMENTS != 0
    }

    /// In units of 8 bytes.
    #[inline]
    pub(crate) const fn offset(self) -> u16 {
        self.flags & OFFSET_MASK
    }

    #[inline]
    pub(crate) const fn is_fragment(self) -> bool {
        self.flags & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }
}

/// What a header without options consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderV4 {
    pub(crate) tos: u8,
    pub(crate) total_len: u16,
    pub(crate) fragment: FragmentV4,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) src: Ipv4Addr,
    pub(crate) dst: Ipv4Addr,
}

impl HeaderV4 {
    /// The header with its checksum.
    #[inline(always)]
    pub(crate) fn bytes(self) -> [u8; HEADER_LEN] {
        let words = [
            0x4500_0000 | (u32::from(self.tos) << 16) | u32::from(self.total_len),
            (u32::from(self.fragment.ident) << 16) | u32::from(self.fragment.flags),
            (u32::from(self.ttl) << 24) | (u32::from(self.protocol) << 16),
            self.src.to_bits(),
            self.dst.to_bits(),
        ];
        let [w0, w1, w2, src, dst] = words;
        let sum = Sum::ZERO.word(w0).word(w1).word(w2).word(src).word(dst).checksum();
        let mut out = [0; HEADER_LEN];
        for (place, word) in
            out.as_chunks_mut::<4>().0.iter_mut().zip([w0, w1, w2 | u32::from(sum), src, dst])
        {
            *place = word.to_be_bytes();
        }
        out
    }
}
