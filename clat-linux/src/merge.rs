//! Packets of one flow that leave in a row, put together into one super-packet: UDP datagrams into what
//! `UDP_SEGMENT` sends, TCP segments as generic receive offload does it.
//!
//! The number of TUN writes decides how fast a translator is, so a run of packets that differ in
//! payload only costs one. Nothing waits: the caller flushes when its queue is empty. Every packet was
//! translated by itself, and the kernel can restore each from the super-packet bit for bit but for the
//! IPv4 identification, which counts on from the first.
//!
//! A packet joins a run when
//! - all header bytes are equal that are not lengths, checksums, identification or TCP sequence
//!   (so: addresses, ports, TOS, TTL, DF, flow label, TCP acknowledgement, window, options);
//! - its payload is as large as the first one's, or smaller and then the last;
//! - its checksum is right: vouched for by the device, or verified here;
//! - TCP: it continues the sequence, and only the last has FIN or PSH.

use crate::virtio;
use clat_core::{Csum, Gso, GsoKind, MAX_HEAD, Offload};
use clat_offload::headers::{Family, Layout, Transport, low16, put_u16, u16_at, u32_at};
use std::io::IoSlice;
use std::ops::Range;

/// Most packets in a run: `UDP_MAX_SEGMENTS` of kernels before 6.9.
pub const MAX_SEGMENTS: usize = 64;

/// Flows that are put together at the same time.
const RUNS: usize = 8;

/// Largest super-packet in bytes, headers included.
const MAX_LEN: usize = 65_535;

/// Virtio header and packet header come first in a gathering write.
const MAX_SLICES: usize = MAX_SEGMENTS + 2;

const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;

/// Where packets go.
pub trait Sink {
    /// Takes a packet: its virtio-net header, then its bytes.
    fn send(&mut self, offload: Offload, frame: &[IoSlice<'_>]);
}

/// A translated packet: rewritten headers and the place of the rest in the arena that it was read into.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// The front of the packet. What it holds of the payload, the arena holds too, just before `tail`.
    pub head: &'a [u8],
    /// The rest of it, in bytes of the arena.
    pub tail: Range<usize>,
    /// What the device has to know.
    pub offload: Offload,
}

/// Which transports are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// TCP segments.
    pub tcp: bool,
    /// UDP datagrams.
    pub udp: bool,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It waits for more, or for [`Merger::flush`]; its bytes in the arena must stay.
    Held,
    /// It has to be sent by itself. All that must leave before it has left.
    Pass,
}

/// Runs of packets under way.
#[derive(Debug)]
pub struct Merger {
    allow: Allow,
    runs: Box<[Run; RUNS]>,
    /// How many of the runs are in use, from the front.
    used: usize,
}

/// Packets of one flow in a row.
#[derive(Clone, Debug)]
struct Run {
    /// Headers of the first packet.
    headers: [u8; MAX_HEAD],
    layout: Layout,
    offload: Offload,
    /// Payload of each packet, as (start, length) in the arena.
    payloads: [(u32, u16); MAX_SEGMENTS],
    count: usize,
    /// Payload bytes a packet.
    segment: usize,
    /// Payload bytes of all.
    total: usize,
    next_sequence: u32,
    closed: bool,
}

impl Merger {
    /// A merger without packets.
    #[must_use]
    pub fn new(allow: Allow) -> Self {
        Self { allow, runs: Box::new([const { Run::EMPTY }; RUNS]), used: 0 }
    }

    /// Changes what is put together from the next packet on.
    pub const fn allow(&mut self, allow: Allow) {
        self.allow = allow;
    }

    /// Whether no packet waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes a packet in.
    #[inline]
    pub fn push(&mut self, arena: &[u8], piece: &Piece<'_>, sink: &mut impl Sink) -> Push {
        if !self.allow.tcp && !self.allow.udp {
            return Push::Pass;
        }
        let mut front = [0; MAX_HEAD];
        let Some(candidate) = Candidate::of(arena, piece, &mut front) else {
            self.flush(arena, sink);
            return Push::Pass;
        };
        self.push_candidate(arena, &candidate, sink)
    }

    fn push_candidate(&mut self, arena: &[u8], new: &Candidate<'_>, sink: &mut impl Sink) -> Push {
        let used = self.runs.get_mut(..self.used).unwrap_or_default();
        if let Some((at, run)) = used.iter_mut().enumerate().find(|(_, run)| run.is_flow_of(new)) {
            if new.mergeable(self.allow) && run.take(arena, new) {
                return Push::Held;
            }
            self.flush_one(at, arena, sink);
        }
        if !new.mergeable(self.allow) || !new.can_be_first() {
            return Push::Pass;
        }
        if self.used == RUNS {
            self.flush(arena, sink);
        }
        let Some(run) = self.runs.get_mut(self.used) else { return Push::Pass };
        run.start(new);
        self.used += 1;
        Push::Held
    }

    /// Sends all that waits, in the order in which the runs began.
    pub fn flush(&mut self, arena: &[u8], sink: &mut impl Sink) {
        for run in self.runs.iter_mut().take(self.used) {
            run.send(arena, sink);
        }
        self.used = 0;
    }

    fn flush_one(&mut self, at: usize, arena: &[u8], sink: &mut impl Sink) {
        let Some(used) = self.runs.get_mut(..self.used) else { return };
        let Some(rest) = used.get_mut(at..) else { return };
        if let Some(run) = rest.first_mut() {
            run.send(arena, sink);
        }
        rest.rotate_left(1);
        self.used -= 1;
    }
}

/// A packet whose headers were found.
struct Candidate<'f> {
    /// All headers in one run.
    headers: &'f [u8],
    layout: Layout,
    offload: Offload,
    payload: Range<usize>,
    arena: &'f [u8],
}

impl<'f> Candidate<'f> {
    #[inline]
    fn of(arena: &'f [u8], piece: &Piece<'f>, front: &'f mut [u8; MAX_HEAD]) -> Option<Self> {
        let tail = arena.get(piece.tail.clone())?;
        let (from_head, from_tail) = front.split_at_mut_checked(piece.head.len())?;
        from_head.copy_from_slice(piece.head);
        let borrowed = from_tail.len().min(tail.len());
        from_tail.get_mut(..borrowed)?.copy_from_slice(tail.get(..borrowed)?);
        let whole = piece.head.len() + tail.len();
        let layout = Layout::of(front.get(..whole.min(MAX_HEAD))?)?;
        let start = (piece.tail.start + layout.header_len).checked_sub(piece.head.len())?;
        let headers = front.get(..layout.header_len)?;
        (layout.stated_len(headers) == whole).then_some(Self {
            headers,
            layout,
            offload: piece.offload,
            payload: start..piece.tail.end,
            arena,
        })
    }

    fn transport_byte(&self, at: usize) -> u8 {
        self.headers.get(self.layout.network_len + at).copied().unwrap_or(0)
    }

    fn sequence(&self) -> u32 {
        u32_at(self.headers, self.layout.network_len + TCP_SEQUENCE)
    }

    /// Whether this packet may be part of a run at all, its checksum left aside.
    #[inline]
    fn mergeable(&self, allow: Allow) -> bool {
        let whole = self.offload.gso.is_none() && !self.payload.is_empty();
        whole
            && match self.layout.transport {
                Transport::Udp => {
                    let stated = usize::from(u16_at(self.headers, self.layout.network_len + 4));
                    allow.udp && stated == 8 + self.payload.len()
                }
                Transport::Tcp => {
                    let flags = self.transport_byte(TCP_FLAGS);
                    allow.tcp && flags & ACK != 0 && flags & !(ACK | PSH | FIN | ECE) == 0
                }
            }
    }

    /// Whether a run may begin with it: more may follow, and its checksum is right.
    fn can_be_first(&self) -> bool {
        !self.ends_run() && self.checksum_is_right()
    }

    fn ends_run(&self) -> bool {
        self.layout.transport == Transport::Tcp && self.transport_byte(TCP_FLAGS) & (PSH | FIN) != 0
    }

    fn checksum_is_right(&self) -> bool {
        match self.offload.csum {
            Csum::Partial { start, offset } => {
                usize::from(start) == self.layout.network_len && offset == self.layout.transport.csum_offset()
            }
            Csum::Verified => !self.is_without_checksum(),
            Csum::Complete => {
                let payload = self.arena.get(self.payload.clone()).unwrap_or_default();
                !self.is_without_checksum() && self.layout.checksum_is_right(self.headers, payload)
            }
        }
    }

    /// An IPv4 UDP datagram without checksum would get one.
    fn is_without_checksum(&self) -> bool {
        let at = self.layout.network_len + usize::from(self.layout.transport.csum_offset());
        self.layout.transport == Transport::Udp && u16_at(self.headers, at) == 0
    }
}

impl Run {
    const EMPTY: Self = Self {
        headers: [0; MAX_HEAD],
        layout: Layout { family: Family::V6, transport: Transport::Udp, network_len: 0, header_len: 0 },
        offload: Offload::NONE,
        payloads: [(0, 0); MAX_SEGMENTS],
        count: 0,
        segment: 0,
        total: 0,
        next_sequence: 0,
        closed: false,
    };

    fn start(&mut self, first: &Candidate<'_>) {
        if let Some(room) = self.headers.get_mut(..first.headers.len()) {
            room.copy_from_slice(first.headers);
        }
        self.layout = first.layout;
        self.offload = first.offload;
        self.count = 0;
        self.segment = first.payload.len();
        self.total = 0;
        self.next_sequence = first.sequence();
        self.closed = false;
        self.append(first);
    }

    #[allow(clippy::cast_possible_truncation)]
    fn append(&mut self, new: &Candidate<'_>) {
        let len = new.payload.len();
        if let Some(slot) = self.payloads.get_mut(self.count) {
            *slot = (new.payload.start as u32, low16(len));
        }
        self.count += 1;
        self.total += len;
        self.next_sequence = self.next_sequence.wrapping_add(len as u32);
        self.closed = len < self.segment || new.ends_run() || self.count == MAX_SEGMENTS;
    }

    #[inline]
    fn is_flow_of(&self, new: &Candidate<'_>) -> bool {
        self.layout.family == new.layout.family
            && self.layout.transport == new.layout.transport
            && self.layout.flow(&self.headers) == new.layout.flow(new.headers)
    }

    /// Appends a packet of this flow if it may join.
    fn take(&mut self, arena: &[u8], new: &Candidate<'_>) -> bool {
        debug_assert!(std::ptr::eq(arena, new.arena));
        let joins = !self.closed
            && new.layout == self.layout
            && new.payload.len() <= self.segment
            && self.layout.header_len + self.total + new.payload.len() <= MAX_LEN
            && self.headers_agree(new)
            && new.checksum_is_right();
        if joins {
            self.append(new);
            if new.ends_run() {
                let at = self.layout.network_len + TCP_FLAGS;
                if let Some(flags) = self.headers.get_mut(at) {
                    *flags |= new.transport_byte(TCP_FLAGS);
                }
            }
        }
        joins
    }

    /// All header bytes are equal but those that differ between packets of a run by nature.
    #[inline]
    fn headers_agree(&self, new: &Candidate<'_>) -> bool {
        let (old_network, old_transport) = self.headers.split_at(self.layout.network_len);
        let (new_network, new_transport) = new.headers.split_at(self.layout.network_len);
        let same = |old: &[u8], new: &[u8], range: Range<usize>| old.get(range.clone()) == new.get(range);
        let network = match self.layout.family {
            // Not the total length (2..4), identification (4..6) and header checksum (10..12).
            Family::V4 => {
                same(old_network, new_network, 0..2)
                    && same(old_network, new_network, 6..10)
                    && same(old_network, new_network, 12..20)
            }
            // Not the payload length (4..6).
            Family::V6 => same(old_network, new_network, 0..4) && same(old_network, new_network, 6..40),
        };
        network
            && match self.layout.transport {
                Transport::Udp => same(old_transport, new_transport, 0..4),
                Transport::Tcp => {
                    new.sequence() == self.next_sequence
                        && same(old_transport, new_transport, 8..13)
                        && (old_transport[TCP_FLAGS] ^ new_transport[TCP_FLAGS]) & !(PSH | FIN) == 0
                        && same(old_transport, new_transport, 14..16)
                        && same(old_transport, new_transport, 18..new_transport.len())
                }
            }
    }

    /// Sends the run: one packet as it was, several as a super-packet.
    fn send(&mut self, arena: &[u8], sink: &mut impl Sink) {
        let offload = if self.count == 1 { self.offload } else { self.become_super_packet() };
        let header = virtio::emit(offload);
        let mut frame = [IoSlice::new(&[]); MAX_SLICES];
        let headers = self.headers.get(..self.layout.header_len).unwrap_or_default();
        let front = [IoSlice::new(&header), IoSlice::new(headers)];
        let payloads = self.payloads.iter().take(self.count).map(|&(start, len)| {
            let start = start as usize;
            IoSlice::new(arena.get(start..start + usize::from(len)).unwrap_or_default())
        });
        for (slot, slice) in frame.iter_mut().zip(front.into_iter().chain(payloads)) {
            *slot = slice;
        }
        sink.send(offload, frame.get(..2 + self.count).unwrap_or_default());
    }

    /// Turns the headers of the first packet into those of all.
    fn become_super_packet(&mut self) -> Offload {
        let layout = self.layout;
        layout.set_len(&mut self.headers, layout.header_len + self.total);
        let transport_len = layout.header_len - layout.network_len + self.total;
        let sum = layout.pseudo(&self.headers, transport_len).folded();
        let offset = layout.transport.csum_offset();
        put_u16(&mut self.headers, layout.network_len + usize::from(offset), sum);
        let kind = match (layout.transport, layout.family) {
            (Transport::Udp, _) => GsoKind::Udp,
            (Transport::Tcp, Family::V4) => GsoKind::TcpV4,
            (Transport::Tcp, Family::V6) => GsoKind::TcpV6,
        };
        let gso = Gso { kind, ecn: false, size: low16(self.segment), header_len: low16(layout.header_len) };
        Offload { csum: Csum::Partial { start: low16(layout.network_len), offset }, gso: Some(gso) }
    }
}

#[cfg(test)]
mod tests;
