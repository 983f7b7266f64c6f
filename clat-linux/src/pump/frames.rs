//! The data thread where IPv6 goes as frames: IPv4 from the TUN, IPv6 from the wire.

use super::worker::{Counting, is_noise, now_ms, read_error, seed};
use super::{PumpError, Signals};
use crate::counters::Counters;
use crate::device::Queue;
use crate::frames::unfinished::{self, Unfinished};
use crate::frames::{Facts, Uplink, Wire, ethernet, filter_for, lost};
use crate::segment::Segments;
use crate::shared::{HostTranslator, Reader};
use crate::tap::{Passing, Tap};
use clat_core::{DropReason, Offload, Parts, QueueState, Verdict};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{self, Errno};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::Arc;

/// Largest IP packet of either family with its frame.
const MAX_READ: usize = 65_535 + 40 + 18;
/// Reads of one side between two looks at the other.
const BATCH: usize = 64;
/// Packets held while the router is being resolved (RFC 4861 section 7.2.2 asks for one at least).
const HELD: usize = 16;

/// The data thread.
#[derive(Debug)]
pub(super) struct FrameWorker<T> {
    reader: Reader,
    uplink: Arc<Uplink>,
    lane: Lane<T>,
    room: Box<[u8]>,
}

/// All of it but what is read and the translator.
#[derive(Debug)]
struct Lane<T> {
    queue: Queue,
    counting: Counting,
    tap: T,
    state: QueueState,
    mac: [u8; 6],
    facts: Facts,
    /// Packets for a router whose address is not known yet.
    held: VecDeque<Vec<u8>>,
    /// The frame that is being made.
    frame: Vec<u8>,
}

impl<T: Tap> FrameWorker<T> {
    pub(super) fn new(
        queue: Queue,
        uplink: Arc<Uplink>,
        reader: Reader,
        counters: Counters,
        tap: T,
    ) -> Result<Self, PumpError> {
        let lane = Lane {
            queue,
            counting: Counting::new(counters, 0),
            tap,
            state: QueueState::new(seed()?),
            mac: uplink.mac(),
            facts: Facts::default(),
            held: VecDeque::with_capacity(HELD),
            frame: Vec::with_capacity(MAX_READ),
        };
        Ok(Self { reader, uplink, lane, room: vec![0; MAX_READ].into_boxed_slice() })
    }

    /// Pumps until the stop.
    pub(super) fn run(mut self, signals: &Signals) -> Result<(), PumpError> {
        let uplink = Arc::clone(&self.uplink);
        let mut wire = uplink.wire();
        self.learn(&mut wire)?;
        while !signals.is_stopping() {
            self.reader.refresh();
            self.lane.state.tick(now_ms());
            let busy = self.read_device(&mut wire)? | self.read_wire(&mut wire)?;
            if !busy && self.wait(&wire, signals)? {
                self.learn(&mut wire)?;
            }
        }
        Ok(())
    }

    /// Takes over what the control thread says.
    fn learn(&mut self, wire: &mut Wire) -> Result<(), PumpError> {
        let facts = self.uplink.facts();
        if facts.address != self.lane.facts.address {
            wire.filter(&filter_for(facts.address)).map_err(|e| lost(&e))?;
        }
        self.lane.facts = facts;
        self.lane.send_held(wire);
        Ok(())
    }

    fn read_device(&mut self, wire: &mut Wire) -> Result<bool, PumpError> {
        for n in 0..BATCH {
            match io::read(&self.lane.queue, &mut *self.room) {
                Ok(0) => return Err(PumpError::Gone(Errno::NODEV)),
                Ok(len) => {
                    let packet = self.room.get(..len).unwrap_or_default();
                    self.lane.packet(self.reader.get(), packet, wire);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(n > 0),
                Err(e) => return Err(read_error(e)),
            }
        }
        Ok(true)
    }

    fn read_wire(&mut self, wire: &mut Wire) -> Result<bool, PumpError> {
        for n in 0..BATCH {
            let Some(bytes) = wire.receive().map_err(|e| lost(&e))? else { return Ok(n > 0) };
            let wanted = |frame: &ethernet::Frame<'_>| {
                let to = frame.packet.get(24..40).unwrap_or_default();
                frame.destination == self.lane.mac
                    && self.lane.facts.address.is_some_and(|address| address.octets() == *to)
            };
            let Some(frame) = ethernet::parse(bytes).filter(wanted) else { continue };
            // libpcap's buffer is taken while the answer is written: a copy.
            let Some(room) = self.room.get_mut(..frame.packet.len()) else { continue };
            room.copy_from_slice(frame.packet);
            let len = room.len();
            self.finish_and_take(len, wire);
        }
        Ok(true)
    }

    /// Takes a packet of the wire that lies at the front of the room.
    fn finish_and_take(&mut self, len: usize, wire: &mut Wire) {
        let Some(packet) = self.room.get_mut(..len) else { return };
        let translator = self.reader.get();
        match unfinished::look(packet, self.lane.facts.mtu) {
            Some(Unfinished::Super(offload)) => self.lane.cut(translator, packet, offload, wire),
            Some(Unfinished::Checksum) => {
                unfinished::finish(packet);
                self.lane.packet(translator, packet, wire);
            }
            None => self.lane.packet(translator, packet, wire),
        }
    }

    /// Blocks until there is something to do; whether the control thread has something to say.
    fn wait(&self, wire: &Wire, signals: &Signals) -> Result<bool, PumpError> {
        let wire = wire.as_fd();
        let fds = [self.lane.queue.as_fd(), wire, signals.stop.as_fd(), self.uplink.wake()];
        let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(source) => return Err(PumpError::System { what: "poll", source }),
        }
        if fds[0].revents() == PollFlags::ERR || fds[1].revents() == PollFlags::ERR {
            // A side is going away or down: the next read says so, or takes the error off it.
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(!fds[3].revents().is_empty())
    }
}

impl<T: Tap> Lane<T> {
    fn packet(&mut self, translator: Option<&HostTranslator>, packet: &[u8], wire: &mut Wire) {
        self.tap.packet(Passing::In, &[IoSlice::new(packet)]);
        if is_noise(packet) {
            self.counting.get().noise.add(1);
            return;
        }
        let Some(translator) = translator else {
            self.counting.get().inactive.add(1);
            return;
        };
        match translator.translate_offloaded(packet, Offload::NONE, &mut self.state) {
            Verdict::Forward(parts) => {
                count_forwarded(&self.counting, packet);
                self.write(&parts, wire);
            }
            Verdict::Fragment(fragments) => {
                count_forwarded(&self.counting, packet);
                for parts in fragments {
                    self.write(&parts, wire);
                }
            }
            Verdict::Reply(parts, reason) => {
                self.dropped(reason, packet);
                self.counting.get().replies.add(1);
                self.write(&parts, wire);
            }
            Verdict::Drop(reason) => self.dropped(reason, packet),
            // Only for super-packets; they are cut before.
            Verdict::Segment => self.counting.get().unreadable.add(1),
        }
    }

    #[cold]
    fn dropped(&mut self, reason: DropReason, packet: &[u8]) {
        self.counting.get().dropped(reason, packet);
        self.tap.dropped(reason);
    }

    fn cut(&mut self, translator: Option<&HostTranslator>, packet: &[u8], how: Offload, wire: &mut Wire) {
        let Some(mut segments) = Segments::of(packet, how) else {
            self.counting.get().unreadable.add(1);
            return;
        };
        self.counting.get().segmented.add(1);
        let mut room = vec![0; self.facts.mtu.clamp(1280, MAX_READ)];
        while let Some(len) = segments.next_into(&mut room) {
            self.packet(translator, room.get(..len).unwrap_or_default(), wire);
        }
    }

    /// IPv6 to the wire, IPv4 to the device.
    fn write(&mut self, parts: &Parts<'_>, wire: &mut Wire) {
        let slices = parts.slices();
        let pieces = slices.map(IoSlice::new);
        self.tap.packet(Passing::Out, &pieces);
        if parts.head().first().is_none_or(|b| b >> 4 != 6) {
            let counters = self.counting.get();
            match io::writev(&self.queue, &pieces) {
                Ok(_) => counters.writes.add(1),
                Err(_) => counters.write_errors.add(1),
            }
            return;
        }
        self.frame.clear();
        self.frame.extend_from_slice(&ethernet::header(self.facts.next_hop.unwrap_or_default(), self.mac));
        slices.iter().for_each(|piece| self.frame.extend_from_slice(piece));
        if self.facts.next_hop.is_some() {
            count_sent(&self.counting, wire.send(&self.frame).is_ok());
        } else if self.held.len() < HELD {
            self.held.push_back(self.frame.clone());
        } else {
            self.counting.get().write_errors.add(1);
        }
    }

    /// What waited for the router's address, in order.
    fn send_held(&mut self, wire: &mut Wire) {
        let Some(to) = self.facts.next_hop else { return };
        for mut frame in self.held.drain(..) {
            if let Some(destination) = frame.get_mut(..6) {
                destination.copy_from_slice(&to);
            }
            count_sent(&self.counting, wire.send(&frame).is_ok());
        }
    }
}

fn count_sent(counting: &Counting, sent: bool) {
    let counters = counting.get();
    if sent { counters.writes.add(1) } else { counters.write_errors.add(1) }
}

fn count_forwarded(counting: &Counting, packet: &[u8]) {
    let counters = counting.get();
    let is_v4 = packet.first().is_some_and(|b| b >> 4 == 4);
    let way = if is_v4 { &counters.v4_to_v6 } else { &counters.v6_to_v4 };
    way.packets.add(1);
    way.bytes.add(packet.len() as u64);
}
