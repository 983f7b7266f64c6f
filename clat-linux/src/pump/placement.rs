//! On which CPU a data thread runs that is what limits the traffic.
//!
//! A translator is a stage between a program that sends and one that receives. The scheduler leaves a
//! thread that never sleeps where it is, and wakes it beside the sender; the receiver's CPU then idles
//! between two packets and has to be woken for each, which costs as much as all the copying
//! (docs/BENCHMARKS.md). Which CPU is the receiver's, nobody tells a TUN. So a thread that is busy for a
//! while tries each CPU it may use for some milliseconds, stays on the best for a second, and tries
//! again. A thread that is not busy is left to the scheduler.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Most CPUs that are tried. A machine with more has an idle one, and the scheduler finds it.
const MOST_CPUS: usize = 8;

/// Shortest window of a measurement, in nanoseconds.
const WINDOW: u64 = 10_000_000;

/// A thread has just come to a CPU, and the queues are still those of the other: so long nothing is
/// measured, in nanoseconds.
const SETTLE: u64 = 2_000_000;

/// How long the best CPU is kept until all are tried again, in nanoseconds.
const HOLD: u64 = 1_000_000_000;

/// Busy windows in a row before CPUs are tried.
const PATIENCE: u8 = 2;

/// What a window saw.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Nanoseconds of the clock.
    wall: u64,
    /// Nanoseconds of this thread on a CPU.
    cpu: u64,
    /// Bytes translated.
    bytes: u64,
}

impl Sample {
    /// The thread is what limits, or is near it.
    const fn is_busy(self) -> bool {
        self.cpu.saturating_mul(2) > self.wall
    }

    /// More bytes a second by a tenth and more, or as many for less of a CPU.
    const fn beats(self, other: Self) -> bool {
        let (ours, theirs) = in_proportion((self.bytes, self.wall), (other.bytes, other.wall));
        if ours * 10 >= theirs * 9 && theirs * 10 >= ours * 9 {
            let (ours, theirs) = in_proportion((self.bytes, self.cpu), (other.bytes, other.cpu));
            ours > theirs
        } else {
            ours > theirs
        }
    }

    /// Less than half of what the other carried in the time.
    const fn has_fallen_below(self, other: Self) -> bool {
        let (ours, theirs) = in_proportion((self.bytes, self.wall), (other.bytes, other.wall));
        ours * 2 < theirs
    }
}

/// Two numbers that stand to each other as two rates do, each given as (amount, time).
const fn in_proportion(a: (u64, u64), b: (u64, u64)) -> (u128, u128) {
    // Amounts and times of one window: far from 2^56 each.
    (a.0 as u128 * b.1 as u128, b.0 as u128 * a.1 as u128)
}

/// Where the thread shall run from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    Stay,
    /// To the CPU with this index in the list.
    To(usize),
    Anywhere,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The scheduler decides; so many busy windows were seen in a row.
    Free(u8),
    /// The CPU with this index is measured.
    Trying { at: usize, best: Option<(usize, Sample)> },
    /// The best one, chosen for what it carried, is kept for so many more nanoseconds.
    Holding { left: u64, chosen: Sample },
}

/// Decides from what the windows saw.
#[derive(Debug)]
struct Chooser {
    cpus: usize,
    phase: Phase,
}

impl Chooser {
    const fn new(cpus: usize) -> Self {
        Self { cpus, phase: Phase::Free(0) }
    }

    fn next(&mut self, sample: Sample) -> Go {
        let busy = sample.is_busy();
        let (phase, go) = match self.phase {
            Phase::Free(_) if !busy => (Phase::Free(0), Go::Stay),
            Phase::Trying { .. } | Phase::Holding { .. } if !busy => (Phase::Free(0), Go::Anywhere),
            Phase::Free(seen) if seen + 1 < PATIENCE => (Phase::Free(seen + 1), Go::Stay),
            Phase::Trying { at, best } => self.tried(at, best, sample),
            Phase::Holding { left, chosen } if sample.wall < left && !sample.has_fallen_below(chosen) => {
                (Phase::Holding { left: left - sample.wall, chosen }, Go::Stay)
            }
            Phase::Free(_) | Phase::Holding { .. } => (Phase::Trying { at: 0, best: None }, Go::To(0)),
        };
        self.phase = phase;
        go
    }

    fn tried(&self, at: usize, best: Option<(usize, Sample)>, sample: Sample) -> (Phase, Go) {
        let (cpu, chosen) = match best {
            Some((_, other)) if sample.beats(other) => (at, sample),
            Some(best) => best,
            None => (at, sample),
        };
        let next = at + 1;
        if next < self.cpus {
            (Phase::Trying { at: next, best: Some((cpu, chosen)) }, Go::To(next))
        } else {
            (Phase::Holding { left: HOLD, chosen }, Go::To(cpu))
        }
    }
}

/// Places the thread that owns it.
#[derive(Debug)]
pub(super) struct Placement {
    /// All CPUs that this process may use.
    all: CpuSet,
    cpus: Vec<usize>,
    chooser: Chooser,
    bound: bool,
    /// The window under way is not measured.
    settling: bool,
    /// Clock, CPU time and bytes when the window began.
    begin: (u64, u64, u64),
}

impl Placement {
    /// Reads which CPUs there are.
    pub(super) fn new() -> Self {
        let all = sched_getaffinity(None).unwrap_or_default();
        let mut cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
        if !(2..=MOST_CPUS).contains(&cpus.len()) {
            cpus.clear();
        }
        Self { all, chooser: Chooser::new(cpus.len()), cpus, bound: false, settling: true, begin: (0, 0, 0) }
    }

    /// Looks at the window once it is long enough. `bytes` counts all that this thread has translated.
    #[inline]
    pub(super) fn observe(&mut self, bytes: u64) {
        if self.cpus.is_empty() {
            return;
        }
        let now = nanoseconds(ClockId::Monotonic);
        let window = if self.settling { SETTLE } else { WINDOW };
        if now.saturating_sub(self.begin.0) >= window {
            self.end_window(now, bytes);
        }
    }

    fn end_window(&mut self, now: u64, bytes: u64) {
        let cpu = nanoseconds(ClockId::ThreadCPUTime);
        let sample = Sample {
            wall: now.saturating_sub(self.begin.0),
            cpu: cpu.saturating_sub(self.begin.1),
            bytes: bytes.saturating_sub(self.begin.2),
        };
        self.begin = (now, cpu, bytes);
        if std::mem::take(&mut self.settling) {
            return;
        }
        match self.chooser.next(sample) {
            Go::Stay => {}
            Go::Anywhere => self.leave_to_scheduler(),
            Go::To(index) => self.bind(index),
        }
    }

    fn bind(&mut self, index: usize) {
        let mut set = CpuSet::new();
        if let Some(cpu) = self.cpus.get(index) {
            set.set(*cpu);
        }
        self.bound = true;
        self.settling = true;
        if sched_setaffinity(None, &set).is_err() {
            // Somebody took the CPU away from this process, or forbids the call: never again.
            self.cpus.clear();
            self.leave_to_scheduler();
        }
    }

    /// Whether the thread is bound to a CPU: then it must not wait for long.
    pub(super) const fn is_bound(&self) -> bool {
        self.bound
    }

    /// The thread waits for packets: it may be woken on any CPU.
    pub(super) fn leave_to_scheduler(&mut self) {
        self.chooser = Chooser::new(self.cpus.len());
        self.settling = true;
        if std::mem::take(&mut self.bound) {
            // Who refuses it has chosen the CPUs of this process.
            let _ = sched_setaffinity(None, &self.all);
        }
    }
}

#[allow(clippy::cast_sign_loss)]
fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn busy(bytes: u64, cpu: u64) -> Sample {
        Sample { wall: WINDOW, cpu, bytes }
    }

    /// Goes on until the choice is made; each CPU carries what its sample says.
    fn choose(samples: &[Sample]) -> usize {
        let mut chooser = Chooser::new(samples.len());
        let mut at = 0;
        for _ in 0..100 {
            match chooser.next(samples[at]) {
                Go::To(cpu) => at = cpu,
                Go::Stay => {}
                Go::Anywhere => panic!("a busy thread is not let go"),
            }
            if matches!(chooser.phase, Phase::Holding { .. }) {
                return at;
            }
        }
        panic!("no choice");
    }

    #[test]
    fn the_cpu_that_carries_most_is_chosen() {
        assert_eq!(choose(&[busy(100, WINDOW), busy(130, WINDOW)]), 1);
        assert_eq!(choose(&[busy(130, WINDOW), busy(100, WINDOW)]), 0);
        assert_eq!(choose(&[busy(10, WINDOW), busy(30, WINDOW), busy(20, WINDOW)]), 1);
    }

    #[test]
    fn of_two_that_carry_as_much_the_cheaper_is_chosen() {
        assert_eq!(choose(&[busy(1000, WINDOW), busy(980, WINDOW * 6 / 10)]), 1);
        assert_eq!(choose(&[busy(1000, WINDOW * 6 / 10), busy(1020, WINDOW)]), 0);
    }

    #[test]
    fn a_thread_that_is_not_busy_is_left_to_the_scheduler() {
        let mut chooser = Chooser::new(2);
        let idle = busy(1000, WINDOW / 10);
        for _ in 0..10 {
            assert_eq!(chooser.next(idle), Go::Stay);
        }
        for _ in 0..PATIENCE {
            chooser.next(busy(1000, WINDOW));
        }
        assert!(matches!(chooser.phase, Phase::Trying { .. }));
        assert_eq!(chooser.next(idle), Go::Anywhere);
        assert_eq!(chooser.next(idle), Go::Stay);
    }

    #[test]
    fn all_cpus_are_tried_again_after_the_hold_and_when_the_traffic_changes() {
        let held = |sample: Sample| {
            let mut chooser = Chooser::new(2);
            while !matches!(chooser.phase, Phase::Holding { .. }) {
                chooser.next(busy(1000, WINDOW));
            }
            (1..).find(|_| chooser.next(sample) != Go::Stay).unwrap()
        };
        assert_eq!(held(busy(1000, WINDOW)), HOLD / WINDOW);
        assert_eq!(held(busy(400, WINDOW)), 1);
    }

    #[test]
    fn the_thread_is_bound_and_let_go() {
        let before = sched_getaffinity(None).unwrap();
        let mut placement = Placement::new();
        if placement.cpus.is_empty() {
            // One CPU, or so many that the scheduler finds an idle one: nothing may be bound.
            placement.observe(u64::MAX);
            assert!(!placement.is_bound());
            return;
        }
        placement.bind(1);
        assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
        assert!(placement.is_bound());
        placement.leave_to_scheduler();
        assert!(sched_getaffinity(None).unwrap() == before);
    }
}
