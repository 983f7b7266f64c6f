//! The data thread where packets come from a recording: translated as if they had just arrived, and what
//! comes out goes into the device, where there is one.
//!
//! The clock of the translator is the recording's, so that the rate limit of ICMP errors lets the same ones
//! pass at any speed.

use super::lane::{Lane, MAX_READ, Outlet, count_sent};
use super::worker::{Counting, read_error};
use super::{PumpError, Signals};
use crate::counters::Counters;
use crate::device::Queue;
use crate::shared::Reader;
use crate::tap::Tap;
use clat_core::Parts;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{self, Errno};
use std::io::IoSlice;
use std::time::{Duration, Instant};

/// How often it is looked whether there is a translator.
const LOOK: Duration = Duration::from_millis(2);

/// How long the host has to answer the last packet.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a translated packet may be longer than the IPv4 one: header and fragment header, in bytes.
const GROWTH: usize = 28;

/// IP packets, one after the other.
pub trait Recording: Send + 'static {
    /// Puts the next packet in place of what is in `packet`; when it was seen, since the Unix epoch. `None` at
    /// the end.
    fn next(&mut self, packet: &mut Vec<u8>) -> Option<Duration>;
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

/// The data thread.
pub(super) struct ReplayWorker<R, T> {
    reader: Reader,
    recording: R,
    schedule: Schedule,
    lane: Lane<T>,
    device: Device,
    packet: Vec<u8>,
    /// For what the host says through the device.
    room: Box<[u8]>,
}

/// Where everything goes; nowhere without a device.
#[derive(Debug)]
struct Device(Option<Queue>);

impl<R: Recording, T: Tap> ReplayWorker<R, T> {
    pub(super) fn new(
        device: Option<Queue>,
        (recording, pace): (R, Pace),
        reader: Reader,
        counters: Counters,
        tap: T,
    ) -> Result<Self, PumpError> {
        let (lane, room) = (Lane::new(counters, tap)?, vec![0; MAX_READ].into_boxed_slice());
        let (schedule, device) = (Schedule::new(pace), Device(device));
        Ok(Self { reader, recording, schedule, lane, device, packet: Vec::new(), room })
    }

    /// Plays to the end, or until the stop.
    pub(super) fn run(mut self, signals: &Signals) -> Result<(), PumpError> {
        self.wait_for_translator(signals)?;
        self.device.wait_until_up(signals)?;
        while let Some(time) = self.recording.next(&mut self.packet) {
            self.packet.truncate(MAX_READ);
            let due = self.schedule.due(Instant::now(), time);
            self.serve_device(due, signals)?;
            if signals.is_stopping() {
                return Ok(());
            }
            self.play(time);
        }
        match self.device.0 {
            Some(_) => self.serve_device(Instant::now() + LAST_WORDS, signals),
            None => Ok(()),
        }
    }

    fn play(&mut self, time: Duration) {
        self.reader.refresh();
        self.lane.state.tick(self.schedule.clock_ms());
        self.lane.tap.at(time);
        let translator = self.reader.get();
        let mtu = translator.and_then(|t| usize::try_from(t.policy().v6_mtu).ok()).unwrap_or(MAX_READ);
        // A super-packet of IPv4 is cut to what grows to the MTU (RFC 7915 section 1.4).
        let packet = &mut self.packet;
        let grows = packet.len() > mtu && packet.first().is_some_and(|b| b >> 4 == 4);
        let mtu = if grows { mtu.saturating_sub(GROWTH) } else { mtu };
        self.lane.finish_and_take(translator, packet, mtu, &mut self.device);
    }

    fn wait_for_translator(&mut self, signals: &Signals) -> Result<(), PumpError> {
        while self.reader.get().is_none() && !signals.is_stopping() {
            wait(&mut [PollFd::new(&signals.stop, PollFlags::IN)], Some(LOOK))?;
            self.reader.refresh();
        }
        Ok(())
    }

    /// Takes what the host says through the device until the next packet is due.
    fn serve_device(&mut self, due: Instant, signals: &Signals) -> Result<(), PumpError> {
        while !signals.is_stopping() {
            self.read_device()?;
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let stop = PollFd::new(&signals.stop, PollFlags::IN);
            match &self.device.0 {
                Some(queue) => wait(&mut [stop, PollFd::new(queue, PollFlags::IN)], Some(left))?,
                None => wait(&mut [stop], Some(left))?,
            }
        }
        Ok(())
    }

    fn read_device(&mut self) -> Result<(), PumpError> {
        while let Some(queue) = &self.device.0 {
            match io::read(queue, &mut *self.room) {
                Ok(0) => return Err(PumpError::Gone(Errno::NODEV)),
                Ok(len) => {
                    let packet = self.room.get(..len).unwrap_or_default();
                    self.lane.packet(self.reader.get(), packet, &mut self.device);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(e) => return Err(read_error(e)),
            }
        }
        Ok(())
    }
}

impl Device {
    /// Whoever opened the recording sets up the device; until then it takes no packet.
    fn wait_until_up(&self, signals: &Signals) -> Result<(), PumpError> {
        let Some(queue) = &self.0 else { return Ok(()) };
        let stop = PollFd::new(&signals.stop, PollFlags::IN);
        wait(&mut [stop, PollFd::new(queue, PollFlags::OUT)], None)
    }
}

impl Outlet for Device {
    fn write(&mut self, parts: &Parts<'_>, counting: &Counting) {
        if let Some(queue) = &self.0 {
            count_sent(counting, io::writev(queue, &parts.slices().map(IoSlice::new)).is_ok());
        }
    }
}

fn wait(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> Result<(), PumpError> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(fds, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(source) => Err(PumpError::System { what: "poll", source }),
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

    /// Milliseconds of the recording's clock; it wraps.
    fn clock_ms(&self) -> u32 {
        u32::try_from(self.latest.as_millis() & u128::from(u32::MAX)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(pace: Pace, times_ms: &[u64]) -> Vec<u128> {
        let (start, mut schedule) = (Instant::now(), Schedule::new(pace));
        let due =
            |ms: &u64| schedule.due(start, Duration::from_millis(*ms)).duration_since(start).as_millis();
        times_ms.iter().map(due).collect()
    }

    #[test]
    fn pauses_are_those_of_the_recording_or_none() {
        assert_eq!(offsets(Pace::Real, &[5000, 5010, 7000]), [0, 10, 2000]);
        assert_eq!(offsets(Pace::Max, &[5000, 5010, 7000]), [0, 0, 0]);
    }

    #[test]
    fn a_clock_that_goes_back_holds_nothing_up() {
        assert_eq!(offsets(Pace::Real, &[5000, 4000, 5001]), [0, 0, 1]);
        let mut schedule = Schedule::new(Pace::Max);
        for (ms, clock) in [(70, 70), (60, 70), (u64::from(u32::MAX) + 3, 2)] {
            schedule.due(Instant::now(), Duration::from_millis(ms));
            assert_eq!(schedule.clock_ms(), clock);
        }
    }
}
