//! A recording in place of a network: a ring whose packets come from it, and from the device in the pauses.
//!
//! The clock of the translator is the recording's, so that the rate limit of ICMP errors lets the same ones pass at any
//! speed.

use super::{Moment, Ring, RingError, Wake};
use clat_core::Offload;
use clat_offload::MAX_PACKET;
use clat_offload::recording::{LAST_WORDS, Pace, Recording, Schedule};
use clat_offload::segment::Segments;
use clat_offload::unfinished::{self, Unfinished};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often it is looked whether to begin.
const LOOK: Duration = Duration::from_millis(10);

/// Says when to begin, and how large packets are on the IPv6 side. Clones speak of the same recording.
#[derive(Clone, Debug, Default)]
pub struct Begin(Arc<AtomicU32>);

impl Begin {
    /// There is a translator for this MTU in bytes, and the device takes packets.
    pub fn with_mtu(&self, mtu: u32) {
        self.0.store(mtu.max(1), Ordering::Release);
    }

    fn mtu(&self) -> Option<usize> {
        usize::try_from(self.0.load(Ordering::Acquire)).ok().filter(|mtu| *mtu > 0)
    }
}

/// A recording and where it goes.
#[derive(Debug)]
pub struct Replay<D, R> {
    device: D,
    recording: R,
    begin: Begin,
    schedule: Schedule,
    /// When the first packet was due.
    start: Option<Instant>,
    /// Read, and not due yet.
    packet: Vec<u8>,
    next: Option<(Instant, Duration)>,
    /// What a due packet was cut into.
    pieces: VecDeque<Vec<u8>>,
    moment: Option<Moment>,
    /// When nobody is listened to any more: the recording is at its end.
    over: Option<Instant>,
}

/// A packet of the recording or of the device.
#[derive(Debug)]
pub enum Packet<P> {
    /// What the host says.
    Device(P),
    /// What was seen once.
    Played(Vec<u8>),
}

impl<P: AsRef<[u8]>> AsRef<[u8]> for Packet<P> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Device(packet) => packet.as_ref(),
            Self::Played(packet) => packet,
        }
    }
}

impl<D: Ring, R: Recording> Replay<D, R> {
    /// What `recording` has goes to `device`.
    pub fn new(device: D, (recording, pace): (R, Pace), begin: Begin) -> Self {
        Self {
            device,
            recording,
            begin,
            schedule: Schedule::new(pace),
            start: None,
            packet: Vec::new(),
            next: None,
            pieces: VecDeque::new(),
            moment: None,
            over: None,
        }
    }

    /// When the next packet is due and when it was seen; `None` at the end.
    fn next(&mut self, now: Instant) -> Option<(Instant, Duration)> {
        if self.next.is_none() && self.over.is_none() {
            match self.recording.next(&mut self.packet) {
                Some(seen) => {
                    let start = *self.start.get_or_insert(now);
                    let due = start.checked_add(self.schedule.after_first(seen)).unwrap_or(now);
                    self.next = Some((due, seen));
                }
                None => self.over = Some(if self.device.speaks() { now + LAST_WORDS } else { now }),
            }
        }
        self.next
    }

    /// The next packet, if it is due and nobody asked for the end.
    fn play(&mut self, mtu: usize) -> Option<Vec<u8>> {
        let now = Instant::now();
        let (due, seen) = self.next(now)?;
        if due > now || matches!(self.device.wait(Some(Duration::ZERO)), Wake::Stop | Wake::Failed(_)) {
            return None;
        }
        self.next = None;
        self.moment = Some(Moment { seen, clock_ms: self.schedule.clock_ms() });
        self.packet.truncate(MAX_PACKET);
        self.finish(mtu);
        self.pieces.pop_front()
    }

    /// Does what the card of the sender would have done.
    fn finish(&mut self, mtu: usize) {
        let mut packet = std::mem::take(&mut self.packet);
        let limit = unfinished::limit(&packet, mtu);
        match unfinished::look(&packet, limit) {
            Some(Unfinished::Super(offload)) => self.cut(&packet, offload, limit),
            Some(Unfinished::Checksum) => {
                unfinished::finish(&mut packet);
                self.pieces.push_back(packet);
            }
            None => self.pieces.push_back(packet),
        }
    }

    fn cut(&mut self, packet: &[u8], how: Offload, mtu: usize) {
        let Some(mut segments) = Segments::of(packet, how) else { return };
        let mut room = vec![0; mtu.clamp(1280, MAX_PACKET)];
        while let Some(len) = segments.next_into(&mut room) {
            self.pieces.push_back(room.get(..len).unwrap_or_default().to_vec());
        }
    }
}

impl<D: Ring, R: Recording> Ring for Replay<D, R> {
    type Packet = Packet<D::Packet>;

    fn is_live(&self) -> bool {
        false
    }

    fn receive(&mut self) -> Result<Option<Self::Packet>, RingError> {
        if let Some(piece) = self.pieces.pop_front() {
            return Ok(Some(Packet::Played(piece)));
        }
        if let Some(packet) = self.device.receive()? {
            return Ok(Some(Packet::Device(packet)));
        }
        let Some(mtu) = self.begin.mtu() else { return Ok(None) };
        Ok(self.play(mtu).map(Packet::Played))
    }

    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
        self.device.send(len, fill)
    }

    fn wait(&mut self, _: Option<Duration>) -> Wake {
        let now = Instant::now();
        let until = match (self.begin.mtu(), self.over, self.next) {
            (None, ..) => now + LOOK,
            (_, Some(over), _) if over <= now => return Wake::Over,
            (_, Some(over), _) => over,
            (.., Some((due, _))) => due,
            // It has not been looked at yet.
            (.., None) => now,
        };
        self.device.wait(Some(until.saturating_duration_since(now)))
    }

    fn moment(&self) -> Option<Moment> {
        self.moment
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
