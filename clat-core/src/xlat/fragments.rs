//! A packet that is too large for the other side, in pieces (RFC 7915 section 4, RFC 791 section 3.2).

use super::transport::L4;
use crate::Parts;
use crate::parts::{Head, Rewrite, Span};
use crate::wire::ipv4::{self, FragmentV4, HeaderV4};
use crate::wire::ipv6::{self, FragmentV6, HeaderV6};

/// The pieces of a packet that was too large, in order.
#[derive(Clone, Debug)]
pub struct Fragments<'p> {
    packet: &'p [u8],
    pieces: Pieces,
}

/// The header that every piece starts with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Template {
    V6(HeaderV6, u32),
    V4(HeaderV4),
}

/// What is left to send.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    pub(super) template: Template,
    /// The rewritten front of the payload, until the first piece has taken it.
    pub(super) l4: L4,
    /// The payload that is left, `l4` included.
    pub(super) payload: Span,
    /// Offset of the next piece in units of 8 bytes.
    pub(super) offset: u16,
    /// Whether the packet was itself a fragment that others follow.
    pub(super) more: bool,
    /// Most bytes of a piece, headers included.
    pub(super) limit: usize,
}

impl Template {
    const fn header_len(&self) -> usize {
        match self {
            Self::V6(..) => ipv6::HEADER_LEN + ipv6::FRAGMENT_LEN,
            Self::V4(_) => ipv4::HEADER_LEN,
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn push_to(&self, head: &mut Head, offset: u16, more: bool, payload: usize) {
        match *self {
            Self::V6(header, ident) => {
                let next_header = header.next_header;
                let payload_len = (payload + ipv6::FRAGMENT_LEN) as u16;
                let header = HeaderV6 { payload_len, next_header: crate::wire::protocol::FRAGMENT, ..header };
                head.push(&header.bytes());
                head.push(&FragmentV6 { next_header, offset, more, ident }.bytes());
            }
            Self::V4(header) => {
                let fragment = FragmentV4::piece(header.fragment.ident, offset, more);
                let total_len = (payload + ipv4::HEADER_LEN) as u16;
                head.push(&HeaderV4 { fragment, total_len, ..header }.bytes());
            }
        }
    }
}

impl<'p> Fragments<'p> {
    pub(super) const fn new(packet: &'p [u8], pieces: Pieces) -> Self {
        Self { packet, pieces }
    }
}

impl<'p> Iterator for Fragments<'p> {
    type Item = Parts<'p>;

    fn next(&mut self) -> Option<Parts<'p>> {
        self.pieces.next().map(|rewrite| Parts::new(self.packet, rewrite))
    }
}

impl Iterator for Pieces {
    type Item = Rewrite;

    #[allow(clippy::cast_possible_truncation)]
    fn next(&mut self) -> Option<Rewrite> {
        let left = self.payload.len();
        if left == 0 {
            return None;
        }
        let room = self.limit.saturating_sub(self.template.header_len());
        // All but the last piece carry a multiple of 8 bytes.
        let len = if left <= room { left } else { (room & !7).max(8) };
        let more = self.more || len < left;
        let mut rewrite = Rewrite::default();
        self.template.push_to(&mut rewrite.head, self.offset, more, len);
        let l4 = core::mem::replace(&mut self.l4, L4::None);
        l4.push_to(&mut rewrite.head);
        let (start, end) = (self.payload.start(), self.payload.start() + len);
        rewrite.tail = Span::new(start + l4.len(), end);
        self.payload = Span::new(end, start + left);
        self.offset = self.offset.wrapping_add((len / 8) as u16);
        Some(rewrite)
    }
}
