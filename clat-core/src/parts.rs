//! A translated packet: a rewritten head, then bytes of the packet that came in.

use crate::Offload;
use heapless::Vec;

/// Most bytes a head can have: IPv6, Fragment Header, ICMPv6, quoted IPv6, quoted Fragment Header and
/// the quoted TCP header come to 124.
pub const MAX_HEAD: usize = 128;

/// Most bytes of own RFC 4884 extension: its header and a Node Identification object.
const MAX_OWN: usize = 28;

/// Most bytes by which the tail is padded before an RFC 4884 extension.
const MAX_PAD: usize = 128;

static ZEROS: [u8; MAX_PAD] = [0; MAX_PAD];

/// A run of bytes of the packet that came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(crate) const fn start(self) -> usize {
        self.start
    }

    pub(crate) const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    #[inline]
    pub(crate) fn of(self, packet: &[u8]) -> &[u8] {
        packet.get(self.start..self.end).unwrap_or_default()
    }
}

/// A translation before it is tied to the packet's bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewrite {
    pub(crate) head: Head,
    pub(crate) tail: Span,
    pub(crate) extra: Extra,
    pub(crate) offload: Offload,
}

/// What only an ICMP error with an RFC 4884 extension has, behind the tail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// Zeros that fill the quoted packet up to its unit.
    pub(crate) pad: u8,
    /// An extension header of our own, and an object that goes behind `extension`.
    pub(crate) own: Vec<u8, MAX_OWN>,
    /// The extension of the packet that came in, without its header where `own` has one.
    pub(crate) extension: Span,
}

impl Extra {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.pad) + self.own.len() + self.extension.len()
    }

    /// The runs behind the tail, in order.
    #[inline]
    pub(crate) fn slices<'s>(&'s self, packet: &'s [u8]) -> [&'s [u8]; 4] {
        let (header, object) = self.own.split_at_checked(4).unwrap_or_default();
        let pad = ZEROS.get(..usize::from(self.pad)).unwrap_or_default();
        [pad, header, self.extension.of(packet), object]
    }
}

impl Rewrite {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.tail.len() + self.extra.len()
    }
}

/// The rewritten head of a packet, at most [`MAX_HEAD`] bytes.
///
/// An array and not a `heapless::Vec`: that one appends byte by byte, and this is the hot path.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    bytes: [u8; MAX_HEAD],
    len: usize,
}

impl Head {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; MAX_HEAD], len: 0 }
    }

    /// Appends bytes. What does not fit is left out: the callers' lengths are bounded by [`MAX_HEAD`].
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let rest = self.bytes.get_mut(self.len..).unwrap_or_default();
        let place = rest.get_mut(..bytes.len());
        debug_assert!(place.is_some(), "head overflow");
        if let Some(place) = place {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// What will stand behind the first `N` bytes, before anything was appended.
    #[inline(always)]
    pub(crate) fn behind_mut<const N: usize>(&mut self) -> Option<&mut [u8]> {
        self.bytes.get_mut(N..)
    }

    /// A head of `len` bytes, all but the first `N` of which are written; returns those.
    #[inline(always)]
    pub(crate) fn of_len<const N: usize>(&mut self, len: usize) -> Option<&mut [u8; N]> {
        self.len = len;
        self.bytes.first_chunk_mut()
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

/// A packet to send: a head of its own, then up to four more runs of bytes.
///
/// All packets but ICMP errors with RFC 4884 extensions consist of [`head`](Self::head) and
/// [`tail`](Self::tail) only.
#[derive(Clone, Debug)]
pub struct Parts<'p> {
    packet: &'p [u8],
    rewrite: Rewrite,
}

impl<'p> Parts<'p> {
    pub(crate) const fn new(packet: &'p [u8], rewrite: Rewrite) -> Self {
        Self { packet, rewrite }
    }

    /// The rewritten headers.
    #[must_use]
    #[inline]
    pub fn head(&self) -> &[u8] {
        self.rewrite.head.as_slice()
    }

    /// The bytes of the input that follow the head unchanged.
    #[must_use]
    #[inline]
    pub fn tail(&self) -> &'p [u8] {
        self.rewrite.tail.of(self.packet)
    }

    /// All runs in order, for a gathering write. Those after the tail are empty but for ICMP errors
    /// with RFC 4884 extensions.
    #[must_use]
    pub fn slices(&self) -> [&[u8]; 6] {
        let [pad, header, extension, object] = self.rewrite.extra.slices(self.packet);
        [self.head(), self.tail(), pad, header, extension, object]
    }

    /// Length of the whole packet in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        self.rewrite.len()
    }

    /// Checksum and segmentation state, to be handed to the device with the packet.
    #[must_use]
    #[inline]
    pub const fn offload(&self) -> Offload {
        self.rewrite.offload
    }

    /// Copies the packet to the front of `buf` and returns its length, or `None` when it does not fit.
    #[inline]
    pub fn copy_to(&self, buf: &mut [u8]) -> Option<usize> {
        let rest = push(buf.get_mut(..self.len())?, self.head())?;
        let mut rest = push(rest, self.tail())?;
        if !rest.is_empty() {
            for slice in self.rewrite.extra.slices(self.packet) {
                rest = push(rest, slice)?;
            }
        }
        Some(self.len())
    }
}

/// Copies bytes to the front of `buf` and returns what is behind them.
#[inline]
fn push<'b>(buf: &'b mut [u8], bytes: &[u8]) -> Option<&'b mut [u8]> {
    let (front, rest) = buf.split_at_mut_checked(bytes.len())?;
    front.copy_from_slice(bytes);
    Some(rest)
}
