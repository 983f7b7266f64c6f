//! The data thread where packets come from a recording: translated as if they had just arrived, and what
//! comes out goes into the device, where there is one.
//!
//! The clock of the translator is the recording's, so that the rate limit of ICMP errors lets the same ones
//! pass at any speed.

use super::lane::{Lane, Outlet, count_sent};
use super::worker::{Counting, read_error};
use super::{PumpError, Signals};
use crate::counters::Counters;
use crate::device::Queue;
use crate::shared::Reader;
use crate::tap::Tap;
use clat_core::Parts;
use clat_offload::recording::{LAST_WORDS, Pace, Recording, Schedule};
use clat_offload::{MAX_PACKET, unfinished};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{self, Errno};
use std::io::IoSlice;
use std::time::{Duration, Instant};

/// How often it is looked whether there is a translator.
const LOOK: Duration = Duration::from_millis(2);

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
        let (lane, room) = (Lane::new(counters, tap)?, vec![0; MAX_PACKET].into_boxed_slice());
        let (schedule, device) = (Schedule::new(pace), Device(device));
        Ok(Self { reader, recording, schedule, lane, device, packet: Vec::new(), room })
    }

    /// Plays to the end, or until the stop.
    pub(super) fn run(mut self, signals: &Signals) -> Result<(), PumpError> {
        self.wait_for_translator(signals)?;
        self.device.wait_until_up(signals)?;
        let start = Instant::now();
        while let Some(time) = self.recording.next(&mut self.packet) {
            self.packet.truncate(MAX_PACKET);
            let due = start.checked_add(self.schedule.after_first(time)).unwrap_or(start);
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
        let mtu = translator.and_then(|t| usize::try_from(t.policy().v6_mtu).ok()).unwrap_or(MAX_PACKET);
        let limit = unfinished::limit(&self.packet, mtu);
        self.lane.finish_and_take(translator, &mut self.packet, limit, &mut self.device);
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
