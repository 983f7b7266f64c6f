//! The data thread where IPv6 goes as frames: IPv4 from the TUN, IPv6 from the wire.

use super::lane::{Lane, MAX_READ, Outlet, count_sent};
use super::worker::{Counting, now_ms, read_error};
use super::{PumpError, Signals};
use crate::counters::Counters;
use crate::device::Queue;
use crate::frames::{Facts, Uplink, Wire, filter_for, lost};
use crate::shared::Reader;
use crate::tap::Tap;
use clat_core::Parts;
use clat_engine::ethernet;
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
    mac: [u8; 6],
    facts: Facts,
    /// Packets for a router whose address is not known yet.
    held: VecDeque<Vec<u8>>,
    /// The frame that is being made.
    frame: Vec<u8>,
}

/// IPv4 to the device, IPv6 to the wire.
struct Both<'a> {
    sides: &'a mut Sides,
    wire: &'a mut Wire,
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
            mac: uplink.mac(),
            facts: Facts::default(),
            held: VecDeque::with_capacity(HELD),
            frame: Vec::with_capacity(MAX_READ),
        };
        let (lane, room) = (Lane::new(counters, tap)?, vec![0; MAX_READ].into_boxed_slice());
        Ok(Self { reader, uplink, lane, sides, room })
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
            if busy {
                continue;
            }
            self.lane.counting.get().lost.set(wire.lost());
            if self.wait(&wire, signals)? {
                self.learn(&mut wire)?;
            }
        }
        Ok(())
    }

    /// Takes over what the control thread says.
    fn learn(&mut self, wire: &mut Wire) -> Result<(), PumpError> {
        let facts = self.uplink.facts();
        if facts.address != self.sides.facts.address {
            wire.filter(&filter_for(facts.address)).map_err(|e| lost(&e))?;
        }
        self.sides.facts = facts;
        self.sides.send_held(wire, &self.lane.counting);
        Ok(())
    }

    fn read_device(&mut self, wire: &mut Wire) -> Result<bool, PumpError> {
        for n in 0..BATCH {
            match io::read(&self.sides.queue, &mut *self.room) {
                Ok(0) => return Err(PumpError::Gone(Errno::NODEV)),
                Ok(len) => {
                    let packet = self.room.get(..len).unwrap_or_default();
                    let mut out = Both { sides: &mut self.sides, wire };
                    self.lane.packet(self.reader.get(), packet, &mut out);
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
                frame.destination == self.sides.mac
                    && self.sides.facts.address.is_some_and(|address| address.octets() == *to)
            };
            let Some(frame) = ethernet::parse(bytes).filter(wanted) else { continue };
            // libpcap's buffer is taken while the answer is written: a copy.
            let Some(packet) = self.room.get_mut(..frame.packet.len()) else { continue };
            packet.copy_from_slice(frame.packet);
            let mtu = self.sides.facts.mtu;
            let mut out = Both { sides: &mut self.sides, wire };
            self.lane.finish_and_take(self.reader.get(), packet, mtu, &mut out);
        }
        Ok(true)
    }

    /// Blocks until there is something to do; whether the control thread has something to say.
    fn wait(&self, wire: &Wire, signals: &Signals) -> Result<bool, PumpError> {
        let wire = wire.as_fd();
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

impl Outlet for Both<'_> {
    fn write(&mut self, parts: &Parts<'_>, counting: &Counting) {
        let slices = parts.slices();
        let Sides { queue, mac, facts, held, frame } = &mut *self.sides;
        if parts.head().first().is_none_or(|b| b >> 4 != 6) {
            count_sent(counting, io::writev(&*queue, &slices.map(IoSlice::new)).is_ok());
            return;
        }
        frame.clear();
        frame.extend_from_slice(&ethernet::header(facts.next_hop.unwrap_or_default(), *mac));
        slices.iter().for_each(|piece| frame.extend_from_slice(piece));
        if facts.next_hop.is_some() {
            count_sent(counting, self.wire.send(frame).is_ok());
        } else if held.len() < HELD {
            held.push_back(frame.clone());
        } else {
            count_sent(counting, false);
        }
    }
}

impl Sides {
    /// What waited for the router's address, in order.
    fn send_held(&mut self, wire: &mut Wire, counting: &Counting) {
        let Some(to) = self.facts.next_hop else { return };
        for mut frame in self.held.drain(..) {
            if let Some(destination) = frame.get_mut(..6) {
                destination.copy_from_slice(&to);
            }
            count_sent(counting, wire.send(&frame).is_ok());
        }
    }
}
