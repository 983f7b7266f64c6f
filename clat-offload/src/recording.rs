//! A recording in place of a network: what it gives, and when each packet of it is due. Its packets were seen before a
//! card had finished them.

use alloc::vec::Vec;
use core::time::Duration;

/// How long the host has to answer the last packet.
pub const LAST_WORDS: Duration = Duration::from_millis(200);

/// IP packets, one after the other.
pub trait Recording: Send + 'static {
    /// Puts the next packet in place of what is in `packet`; when it was seen, since the Unix epoch. `None` at the end.
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

/// When each packet is due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pace: Pace,
    /// The time of the first packet.
    first: Option<Duration>,
    /// The latest time of the recording so far: clocks of captures go back at times.
    latest: Duration,
}

impl Schedule {
    /// Before the first packet.
    #[must_use]
    pub const fn new(pace: Pace) -> Self {
        Self { pace, first: None, latest: Duration::ZERO }
    }

    /// How long after the first packet the next one is due, which was seen at `time` since the Unix epoch.
    pub fn after_first(&mut self, time: Duration) -> Duration {
        let first = *self.first.get_or_insert(time);
        self.latest = self.latest.max(time);
        match self.pace {
            Pace::Max => Duration::ZERO,
            Pace::Real => self.latest.saturating_sub(first),
        }
    }

    /// Milliseconds of the recording's clock, which never goes back; it wraps.
    #[must_use]
    pub fn clock_ms(&self) -> u32 {
        u32::try_from(self.latest.as_millis() & u128::from(u32::MAX)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(pace: Pace, times_ms: &[u64]) -> Vec<u128> {
        let mut schedule = Schedule::new(pace);
        times_ms.iter().map(|ms| schedule.after_first(Duration::from_millis(*ms)).as_millis()).collect()
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
            schedule.after_first(Duration::from_millis(ms));
            assert_eq!(schedule.clock_ms(), clock);
        }
    }
}
