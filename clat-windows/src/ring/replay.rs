//! A recording in place of a network: a ring whose packets come from it, and from the device in the pauses.
//!
//! The clock of the translator is the recording's, so that the rate limit of ICMP errors lets the same ones pass at any
//! speed.

use super::{Moment, Ring, RingError, Wake};
use clat_core::Offload;
use clat_offload::segment::Segments;
use clat_offload::unfinished::{self, Unfinished};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often it is looked whether to begin.
const LOOK: Duration = Duration::from_millis(10);

/// How long the host has to answer the last packet.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a translated packet may be longer than the IPv4 one: header and fragment header, in bytes.
const GROWTH: usize = 28;

/// Largest IP packet of either family with its frame.
const MAX_PACKET: usize = 65_535 + 40 + 18;

/// IP packets, one after the other.
pub trait Recording: Send + 'static {
    /// Puts the next packet in place of what is in `packet`; when it was seen, since the Unix epoch. `None` at the end.
    fn next(&mut self, packet: &mut Vec<u8>) -> Option<Duration>;
}

impl Recording for Box<dyn Recording> {
    fn next(&mut self, packet: &mut Vec<u8>) -> Option<Duration> {
        (**self).next(packet)
    }
}

/// How fast a recording is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// With the pauses between packets that it has.
    Real,
    /// Without them.
    #[default]
    Max,
}

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
                Some(seen) => self.next = Some((self.schedule.due(now, seen), seen)),
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
        // A super-packet of IPv4 is cut to what grows to the MTU (RFC 7915 section 1.4).
        let grows = packet.len() > mtu && packet.first().is_some_and(|b| b >> 4 == 4);
        let mtu = if grows { mtu.saturating_sub(GROWTH) } else { mtu };
        match unfinished::look(&packet, mtu) {
            Some(Unfinished::Super(offload)) => self.cut(&packet, offload, mtu),
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

/// When each packet is due.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    pace: Pace,
    /// When the first packet was played, and its time.
    start: Option<(Instant, Duration)>,
    /// The latest time of the recording so far: clocks of captures go back at times.
    latest: Duration,
}

impl Schedule {
    const fn new(pace: Pace) -> Self {
        Self { pace, start: None, latest: Duration::ZERO }
    }

    fn due(&mut self, now: Instant, time: Duration) -> Instant {
        let (start, first) = *self.start.get_or_insert((now, time));
        self.latest = self.latest.max(time);
        match self.pace {
            Pace::Max => now,
            Pace::Real => start.checked_add(self.latest.saturating_sub(first)).unwrap_or(now),
        }
    }

    fn clock_ms(&self) -> u32 {
        u32::try_from(self.latest.as_millis() & u128::from(u32::MAX)).unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
