//! The loop of a data thread.

use super::output::Output;
use super::placement::Placement;
use super::{PumpError, Signals};
use crate::counters::{Counters, QueueCounters};
use crate::device::Queue;
use crate::merge::{Merger, Piece, Push};
use crate::shared::{HostTranslator, Reader};
use crate::tap::{Passing, Tap};
use crate::virtio::{self, HEADER_LEN};
use clat_core::{Csum, DropReason, Gso, GsoKind, Offload, Parts, QueueState, Verdict};
use clat_engine::is_chatter;
use clat_offload::segment::Segments;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{self, Errno};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::io::IoSlice;
use std::ops::Range;

/// Largest read: virtio-net header and the largest IP packet.
const MAX_READ: usize = HEADER_LEN + 65_535;

/// Bytes of packets that may wait to be put together: two full runs of 1500 bytes.
const HELD: usize = 192 * 1024;

/// Reads between two looks at stop, clock and translator.
const BATCH: usize = 256;

/// A thread without packets for so long is let go from the CPU it is bound to.
const BOUND_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Batches of one packet in a row from which on the next is taken for one as well.
const LONE: u8 = 2;

/// So many packets are taken for lone ones until one batch looks again.
const LONE_AT_MOST: u8 = 32;

/// The counters of this thread's queue.
#[derive(Debug)]
pub(super) struct Counting(Counters, usize);

impl Counting {
    pub(super) const fn new(counters: Counters, index: usize) -> Self {
        Self(counters, index)
    }

    #[inline]
    pub(super) fn get(&self) -> &QueueCounters {
        &self.0.0[self.1]
    }
}

/// A data thread.
#[derive(Debug)]
pub(super) struct Worker<T> {
    reader: Reader,
    arena: Box<[u8]>,
    lane: Lane<T>,
    placement: Placement,
    /// Batches of one packet in a row.
    lone: u8,
}

/// All of a data thread but the bytes it reads and the translator.
#[derive(Debug)]
struct Lane<T> {
    state: QueueState,
    merger: Merger,
    output: Output<T>,
    /// Room for one segment; empty until the translator asks for segmentation.
    segment: Vec<u8>,
}

/// How a batch ended.
enum Batch {
    /// There may be more to read.
    More,
    /// The queue is empty.
    Empty,
}

impl<T: Tap> Worker<T> {
    pub(super) fn new(
        queue: Queue,
        reader: Reader,
        (counters, index): (Counters, usize),
        tap: T,
    ) -> Result<Self, PumpError> {
        let output = Output::new(queue, Counting::new(counters, index), tap);
        let merger = Merger::new(output.allow());
        let state = QueueState::new(seed()?);
        let lane = Lane { state, merger, output, segment: Vec::new() };
        let arena = vec![0; HELD + MAX_READ].into_boxed_slice();
        Ok(Self { reader, arena, lane, placement: Placement::new(), lone: 0 })
    }

    /// Pumps until the stop.
    pub(super) fn run(mut self, signals: &Signals) -> Result<(), PumpError> {
        while !signals.is_stopping() {
            let end = self.batch()?;
            self.placement.observe(self.lane.output.counting.get().bytes());
            match end {
                Batch::More => {}
                Batch::Empty => self.wait(signals)?,
            }
        }
        Ok(())
    }

    /// Reads and translates until the queue is empty or the batch is full.
    fn batch(&mut self) -> Result<Batch, PumpError> {
        self.reader.refresh();
        let translator = self.reader.get();
        self.lane.state.tick(now_ms());
        self.lane.merger.allow(self.lane.output.allow());
        let mut at = 0;
        let mut end = Batch::More;
        let mut count = 0;
        let most = if self.lone >= LONE { 1 } else { BATCH };
        while count < most {
            let room = self.arena.get_mut(at..).unwrap_or_default();
            match io::read(&self.lane.output.queue, room) {
                Ok(0) => return Err(PumpError::Gone(Errno::NODEV)),
                Ok(len) => {
                    count += 1;
                    self.lane.packet(translator, &self.arena, at..at + len);
                    at = if self.lane.merger.is_empty() { 0 } else { at + len };
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    end = Batch::Empty;
                    break;
                }
                Err(e) => {
                    self.lane.merger.flush(&self.arena, &mut self.lane.output);
                    return Err(read_error(e));
                }
            }
            if self.arena.len() - at < MAX_READ {
                self.lane.merger.flush(&self.arena, &mut self.lane.output);
                at = 0;
            }
        }
        self.lane.merger.flush(&self.arena, &mut self.lane.output);
        self.lone = if count == 1 && self.lone < LONE_AT_MOST { self.lone + 1 } else { 0 };
        // A question and its answer: the read that would only say "empty" is left out.
        Ok(if most == 1 { Batch::Empty } else { end })
    }

    /// Blocks until there is a packet or the stop.
    fn wait(&mut self, signals: &Signals) -> Result<(), PumpError> {
        let queue = &self.lane.output.queue;
        let mut fds = [PollFd::new(queue, PollFlags::IN), PollFd::new(&signals.stop, PollFlags::IN)];
        let patience = if self.placement.is_bound() { Some(&BOUND_WAIT) } else { None };
        match poll(&mut fds, patience) {
            Ok(0) => {
                self.placement.leave_to_scheduler();
                Ok(())
            }
            Ok(_) if fds[0].revents() == PollFlags::ERR => {
                // The interface is going away: the next read says so.
                std::thread::sleep(std::time::Duration::from_millis(1));
                Ok(())
            }
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(source) => Err(PumpError::System { what: "poll", source }),
        }
    }
}

impl<T: Tap> Lane<T> {
    /// Takes what one read returned.
    #[inline]
    fn packet(&mut self, translator: Option<&HostTranslator>, arena: &[u8], read: Range<usize>) {
        let skip = if self.output.queue.features().vnet_header { HEADER_LEN } else { 0 };
        let frame = arena.get(read).unwrap_or_default();
        let parsed = frame.split_at_checked(skip).and_then(|(header, packet)| {
            let offload = header.first_chunk().map_or(Some(Offload::NONE), virtio::parse)?;
            Some((offload, packet))
        });
        let Some((offload, packet)) = parsed else {
            self.output.counting.get().unreadable.add(1);
            return;
        };
        self.output.tap.packet(Passing::In, &[IoSlice::new(packet)]);
        if is_chatter(packet) {
            self.output.counting.get().noise.add(1);
        } else if let Some(translator) = translator {
            self.translate(translator, arena, packet, offload);
        } else {
            self.output.counting.get().inactive.add(1);
        }
    }

    #[inline]
    fn translate(&mut self, translator: &HostTranslator, arena: &[u8], packet: &[u8], offload: Offload) {
        match translator.translate_offloaded(packet, offload, &mut self.state) {
            Verdict::Forward(parts) => {
                self.count_forwarded(packet, offload);
                self.forward(arena, &parts);
            }
            Verdict::Fragment(fragments) => {
                self.count_forwarded(packet, offload);
                self.merger.flush(arena, &mut self.output);
                for parts in fragments {
                    self.write(&parts);
                }
            }
            Verdict::Reply(parts, reason) => {
                self.dropped(reason, packet);
                self.output.counting.get().replies.add(1);
                self.write(&parts);
            }
            Verdict::Drop(reason) => self.dropped(reason, packet),
            Verdict::Segment => {
                self.merger.flush(arena, &mut self.output);
                self.segment(translator, packet, offload);
            }
        }
    }

    #[cold]
    fn dropped(&mut self, reason: DropReason, packet: &[u8]) {
        self.output.counting.get().dropped(reason, packet);
        self.output.tap.dropped(reason);
    }

    /// Cuts a super-packet that cannot be translated whole, and translates each segment. No packet of the
    /// arena waits meanwhile: the segments have a buffer of their own.
    #[cold]
    fn segment(&mut self, translator: &HostTranslator, packet: &[u8], offload: Offload) {
        let Some(mut segments) = Segments::of(packet, offload) else {
            self.output.counting.get().unreadable.add(1);
            return;
        };
        self.output.counting.get().segmented.add(1);
        let mut room = std::mem::take(&mut self.segment);
        room.resize(MAX_READ, 0);
        while let Some(len) = segments.next_into(&mut room) {
            let segment = room.get(..len).unwrap_or_default();
            self.translate(translator, segment, segment, Offload::NONE);
            self.merger.flush(segment, &mut self.output);
        }
        self.segment = room;
    }

    /// Sends a translated packet, or keeps it to be put together with others.
    #[inline]
    fn forward(&mut self, arena: &[u8], parts: &Parts<'_>) {
        let tail = place_of(parts.tail(), arena);
        let piece = Piece { head: parts.head(), tail, offload: parts.offload() };
        if self.merger.push(arena, &piece, &mut self.output) == Push::Pass {
            self.write(parts);
        }
    }

    #[inline]
    fn write(&mut self, parts: &Parts<'_>) {
        let header = virtio::emit(parts.offload());
        let [a, b, c, d, e, f] = parts.slices().map(IoSlice::new);
        let frame = [IoSlice::new(&header), a, b, c, d, e, f];
        let used = if c.len() + d.len() + e.len() + f.len() == 0 { 3 } else { 7 };
        self.output.write(parts.offload(), frame.get(..used).unwrap_or_default());
    }

    #[inline]
    fn count_forwarded(&self, packet: &[u8], offload: Offload) {
        let counters = self.output.counting.get();
        let packets = offload.gso.map_or(1, |gso| {
            counters.super_packets.add(1);
            packets_in(packet, offload.csum, gso)
        });
        counters.forwarded(packet, packets as u64);
    }
}

/// How many packets a super-packet stands for.
fn packets_in(packet: &[u8], csum: Csum, gso: Gso) -> usize {
    let Csum::Partial { start, .. } = csum else { return 1 };
    let start = usize::from(start);
    let header = match gso.kind {
        GsoKind::Udp => 8,
        GsoKind::TcpV4 | GsoKind::TcpV6 => packet.get(start + 12).map_or(20, |b| usize::from(b >> 4) * 4),
    };
    packet.len().saturating_sub(start + header).div_ceil(usize::from(gso.size.max(1)))
}

/// Where a run of bytes of the arena is.
#[inline]
fn place_of(run: &[u8], arena: &[u8]) -> Range<usize> {
    let start = run.as_ptr().addr().wrapping_sub(arena.as_ptr().addr());
    if start <= arena.len() { start..start + run.len() } else { 0..0 }
}

pub(super) fn read_error(source: Errno) -> PumpError {
    match source {
        Errno::BADFD | Errno::FAULT | Errno::IO | Errno::NODEV => PumpError::Gone(source),
        _ => PumpError::System { what: "read from the TUN interface", source },
    }
}

/// A number that nobody outside can guess.
pub(super) fn seed() -> Result<u64, PumpError> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|source| PumpError::System { what: "getrandom", source })?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Milliseconds of a clock that does not go back; it wraps.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn now_ms() -> u32 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    (now.tv_sec as u32).wrapping_mul(1000).wrapping_add(now.tv_nsec as u32 / 1_000_000)
}
