//! The data thread where IPv6 goes as frames: IPv4 from the TUN, IPv6 from the wire.

use super::lane::{Lane, Outlet, count_sent};
use super::worker::{Counting, now_ms, read_error};
use super::{PumpError, Signals};
use crate::counters::Counters;
use crate::device::Queue;
use crate::frames::{Facts, Station, Uplink, filter_for};
use crate::shared::Reader;
use crate::tap::Tap;
use clat_core::Parts;
use clat_engine::ethernet;
use clat_offload::MAX_PACKET;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{self, Errno};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::Arc;

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
    sides: Sides,
    room: Box<[u8]>,
}

/// The device and what is known of the link.
#[derive(Debug)]
struct Sides {
    queue: Queue,
    /// None while there is no uplink.
    station: Option<Station>,
    facts: Facts,
    /// Frames that those before had no room for.
    lost: u64,
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
        let sides = Sides {
            queue,
            station: None,
            facts: Facts::default(),
            lost: 0,
            held: VecDeque::with_capacity(HELD),
            frame: Vec::with_capacity(MAX_PACKET),
        };
        let (lane, room) = (Lane::new(counters, tap)?, vec![0; MAX_PACKET].into_boxed_slice());
        Ok(Self { reader, uplink, lane, sides, room })
    }

    /// Pumps until the stop.
    pub(super) fn run(mut self, signals: &Signals) -> Result<(), PumpError> {
        self.learn();
        while !signals.is_stopping() {
            self.reader.refresh();
            self.lane.state.tick(now_ms());
            let busy = self.read_device()? | self.read_wire();
            if busy {
                continue;
            }
            self.lane.counting.get().lost.set(self.sides.lost());
            if self.wait(signals)? {
                self.learn();
            }
        }
        Ok(())
    }

    /// Takes over what the control thread says.
    fn learn(&mut self) {
        let (facts, fresh) = self.uplink.orders();
        let changed = fresh.is_some() || facts.address != self.sides.facts.address;
        self.sides.facts = facts;
        if let Some(station) = fresh {
            self.sides.lost = self.sides.lost();
            self.sides.station = station;
        }
        if changed {
            // What is held is from an address, or for a link, that is not ours any more.
            self.sides.give_up_held(&self.lane.counting);
            let hear = |station: &mut Station| station.wire.filter(&filter_for(facts.address));
            if self.sides.station.as_mut().is_some_and(|station| hear(station).is_err()) {
                self.lose_wire();
            }
        }
        self.sides.send_held(&self.lane.counting);
    }

    /// It went away. The control thread has another one when there is one.
    fn lose_wire(&mut self) {
        self.sides.lost = self.sides.lost();
        self.sides.station = None;
        self.uplink.note_lost();
    }

    fn read_device(&mut self) -> Result<bool, PumpError> {
        for n in 0..BATCH {
            match io::read(&self.sides.queue, &mut *self.room) {
                Ok(0) => return Err(PumpError::Gone(Errno::NODEV)),
                Ok(len) => {
                    let packet = self.room.get(..len).unwrap_or_default();
                    self.lane.packet(self.reader.get(), packet, &mut self.sides);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(n > 0),
                Err(e) => return Err(read_error(e)),
            }
        }
        Ok(true)
    }

    fn read_wire(&mut self) -> bool {
        for n in 0..BATCH {
            let Some(station) = &mut self.sides.station else { return false };
            let bytes = match station.wire.receive() {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return n > 0,
                Err(_) => {
                    self.lose_wire();
                    return false;
                }
            };
            let (mac, facts) = (station.mac, &self.sides.facts);
            let wanted = |frame: &ethernet::Frame<'_>| {
                let to = frame.packet.get(24..40).unwrap_or_default();
                frame.destination == mac && facts.address.is_some_and(|address| address.octets() == *to)
            };
            let Some(frame) = ethernet::parse(bytes).filter(wanted) else { continue };
            // libpcap's buffer is taken while the answer is written: a copy.
            let Some(packet) = self.room.get_mut(..frame.packet.len()) else { continue };
            packet.copy_from_slice(frame.packet);
            self.lane.finish_and_take(self.reader.get(), packet, facts.mtu, &mut self.sides);
        }
        true
    }

    /// Blocks until there is something to do; whether the control thread has something to say.
    fn wait(&self, signals: &Signals) -> Result<bool, PumpError> {
        // Without a wire, something else that is waited for stands in its place.
        let wire = self.sides.station.as_ref().map_or(signals.stop.as_fd(), |station| station.wire.as_fd());
        let fds = [self.sides.queue.as_fd(), wire, signals.stop.as_fd(), self.uplink.wake()];
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

impl Outlet for Sides {
    fn write(&mut self, parts: &Parts<'_>, counting: &Counting) {
        let slices = parts.slices();
        let Self { queue, station, facts, held, frame, .. } = self;
        if parts.head().first().is_none_or(|b| b >> 4 != 6) {
            count_sent(counting, io::writev(&*queue, &slices.map(IoSlice::new)).is_ok());
            return;
        }
        let Some(Station { wire, mac }) = station else { return count_sent(counting, false) };
        frame.clear();
        frame.extend_from_slice(&ethernet::header(facts.next_hop.unwrap_or_default(), *mac));
        slices.iter().for_each(|piece| frame.extend_from_slice(piece));
        if facts.next_hop.is_some() {
            count_sent(counting, wire.send(frame).is_ok());
        } else if held.len() < HELD {
            held.push_back(frame.clone());
        } else {
            count_sent(counting, false);
        }
    }
}

impl Sides {
    /// Frames that there was no room for.
    fn lost(&mut self) -> u64 {
        self.lost + self.station.as_mut().map_or(0, |station| station.wire.lost())
    }

    /// What waited for the router's address, in order.
    fn send_held(&mut self, counting: &Counting) {
        let (Some(to), Some(station)) = (self.facts.next_hop, &mut self.station) else { return };
        for mut frame in self.held.drain(..) {
            if let Some(destination) = frame.get_mut(..6) {
                destination.copy_from_slice(&to);
            }
            count_sent(counting, station.wire.send(&frame).is_ok());
        }
    }

    fn give_up_held(&mut self, counting: &Counting) {
        self.held.drain(..).for_each(|_| count_sent(counting, false));
    }
}
