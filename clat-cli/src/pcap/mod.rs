//! Capture files, pcap and pcapng, read and written as streams in constant memory.
//!
//! Own code, because the libraries fail where captures are imperfect: pcap-file 2.0 refuses records
//! cut by a snapshot length and takes every pcapng timestamp for nanoseconds; pcap-parser 0.17 wants
//! the file header in the first read (a pipe need not give it), loses timestamps in powers of two,
//! and swallows the rest of the file after one record with a length that lies.
//!
//! # Layout
//!
//! - [`reader`]: one record after the other from either format, over [`source`], [`classic`], [`ng`].
//! - [`link`]: from a frame to the IP packet in it.
//! - [`writer`]: both formats out.

mod classic;
pub(crate) mod link;
mod ng;
mod reader;
mod source;
pub(crate) mod writer;

#[cfg(test)]
mod corpus;

pub(crate) use reader::{ReadError, Reader};

use std::time::Duration;

/// One packet of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// Link type (<https://www.tcpdump.org/linktypes.html>).
    pub(crate) link: u16,
    /// Time since the epoch.
    pub(crate) time: Duration,
    /// The finest times among the interfaces of the capture so far.
    pub(crate) precision: Precision,
    /// Bytes that the packet had on the wire; the capture may hold fewer.
    pub(crate) wire_len: u32,
    /// The bytes that were captured.
    pub(crate) data: &'a [u8],
}

impl Record<'_> {
    /// Whether the capture holds less than was on the wire.
    pub(crate) fn is_cut(&self) -> bool {
        u64::from(self.wire_len) > self.data.len() as u64
    }
}

/// How fine the times of a capture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precision {
    /// Microseconds or coarser.
    Micro,
    /// Finer than microseconds.
    Nano,
}

/// Byte order of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// Takes numbers off the front of a slice; `None` past its end.
#[derive(Clone, Copy, Debug)]
struct Fields<'a> {
    rest: &'a [u8],
    order: Order,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], order: Order) -> Self {
        Self { rest: bytes, order }
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*front)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(front)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(self.order.u16(self.array()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(self.order.u32(self.array()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(self.order.u64(self.array()?))
    }
}
