//! The writing side of a queue.

use super::worker::Counting;
use crate::device::Queue;
use crate::merge::{Allow, Sink};
use crate::tap::{Passing, Tap};
use crate::virtio;
use clat_core::{Gso, GsoKind, Offload};
use clat_offload::segment::Segments;
use rustix::io::{self, Errno};
use std::io::IoSlice;

/// Super-packets of a kind refused in a row until no more are tried.
const REFUSALS: u8 = 8;

/// Room for a refused super-packet and for a segment of it, in bytes.
const SCRATCH: usize = 2 * 65_600;

/// Writes packets to a queue, and keeps account of what the kernel refuses.
#[derive(Debug)]
pub(super) struct Output<T> {
    pub(super) queue: Queue,
    pub(super) counting: Counting,
    pub(super) tap: T,
    refused: [u8; 3],
    /// Empty until a super-packet is refused.
    scratch: Vec<u8>,
}

impl<T: Tap> Output<T> {
    pub(super) const fn new(queue: Queue, counting: Counting, tap: T) -> Self {
        Self { queue, counting, tap, refused: [0; 3], scratch: Vec::new() }
    }

    /// What may be put together for this device.
    pub(super) fn allow(&self) -> Allow {
        let features = self.queue.features();
        let tcp = self.accepts(GsoKind::TcpV4) && self.accepts(GsoKind::TcpV6);
        Allow { tcp: features.tso && tcp, udp: features.uso && self.accepts(GsoKind::Udp) }
    }

    /// Writes a packet: its virtio-net header, then its bytes.
    #[inline]
    pub(super) fn write(&mut self, offload: Offload, frame: &[IoSlice<'_>]) {
        self.tap.packet(Passing::Out, frame.get(1..).unwrap_or_default());
        if let Some(gso) = offload.gso {
            self.write_super_packet(gso, offload, frame);
        } else if self.try_write(frame).is_ok() {
            self.counting.get().writes.add(1);
        } else {
            self.counting.get().write_errors.add(1);
        }
    }

    fn write_super_packet(&mut self, gso: Gso, offload: Offload, frame: &[IoSlice<'_>]) {
        if !self.accepts(gso.kind) {
            self.write_segments(offload, frame);
            return;
        }
        match self.try_write(frame) {
            Ok(()) => {
                self.counting.get().writes.add(1);
                self.set_refused(gso.kind, 0);
            }
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                self.set_refused(gso.kind, self.refused(gso.kind).saturating_add(1));
                self.write_segments(offload, frame);
            }
            Err(_) => self.counting.get().write_errors.add(1),
        }
    }

    /// Cuts a super-packet that the kernel does not take.
    fn write_segments(&mut self, offload: Offload, frame: &[IoSlice<'_>]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(SCRATCH, 0);
        let len = copy_to(frame.get(1..).unwrap_or_default(), &mut scratch);
        let (packet, room) = scratch.split_at_mut(len);
        match Segments::of(packet, offload) {
            None => self.counting.get().write_errors.add(1),
            Some(mut segments) => {
                self.counting.get().segmented.add(1);
                let header = virtio::emit(Offload::NONE);
                while let Some(segment) = segments.next_into(room).and_then(|len| room.get(..len)) {
                    let result = self.try_write(&[IoSlice::new(&header), IoSlice::new(segment)]);
                    let counters = self.counting.get();
                    if result.is_ok() { counters.writes.add(1) } else { counters.write_errors.add(1) }
                }
            }
        }
        self.scratch = scratch;
    }

    #[inline]
    fn try_write(&self, frame: &[IoSlice<'_>]) -> io::Result<()> {
        let skip = usize::from(!self.queue.features().vnet_header);
        let frame = frame.get(skip..).unwrap_or_default();
        loop {
            match io::writev(&self.queue, frame) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn accepts(&self, kind: GsoKind) -> bool {
        self.queue.features().vnet_header && self.refused(kind) < REFUSALS
    }

    fn refused(&self, kind: GsoKind) -> u8 {
        self.refused.get(index(kind)).copied().unwrap_or(0)
    }

    fn set_refused(&mut self, kind: GsoKind, times: u8) {
        if let Some(slot) = self.refused.get_mut(index(kind)) {
            *slot = times;
        }
    }
}

/// What the merger sends.
impl<T: Tap> Sink for Output<T> {
    fn send(&mut self, offload: Offload, frame: &[IoSlice<'_>]) {
        if offload.gso.is_some() {
            self.counting.get().merged.add(1);
        }
        self.write(offload, frame);
    }
}

const fn index(kind: GsoKind) -> usize {
    match kind {
        GsoKind::TcpV4 => 0,
        GsoKind::TcpV6 => 1,
        GsoKind::Udp => 2,
    }
}

/// Copies runs of bytes one behind the other and returns their length; what does not fit is left out.
fn copy_to(slices: &[IoSlice<'_>], buf: &mut [u8]) -> usize {
    let mut at = 0;
    for slice in slices {
        let Some(room) = buf.get_mut(at..at + slice.len()) else { break };
        room.copy_from_slice(slice);
        at += slice.len();
    }
    at
}
