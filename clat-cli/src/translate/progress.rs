//! The line that a person waits by. Nothing where standard error is no terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Packets between two looks at the clock.
const STRIDE: u64 = 4096;
const PERIOD: Duration = Duration::from_millis(200);

/// A progress line on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    enabled: bool,
    size: Option<u64>,
    last: Instant,
    shown: bool,
}

impl Progress {
    /// For an input of `size` bytes.
    pub(super) fn new(size: Option<u64>) -> Self {
        Self { enabled: io::stderr().is_terminal(), size, last: Instant::now(), shown: false }
    }

    /// Says where it stands, a few times a second.
    pub(super) fn tick(&mut self, packets: u64, offset: u64) {
        if !self.enabled || !packets.is_multiple_of(STRIDE) || self.last.elapsed() < PERIOD {
            return;
        }
        self.last = Instant::now();
        self.shown = true;
        // Nobody misses a progress line.
        let _ = write!(io::stderr(), "\r{}\x1b[K", line(packets, offset, self.size));
    }

    /// Wipes the line.
    pub(super) fn clear(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(packets: u64, offset: u64, size: Option<u64>) -> String {
    let mib = offset >> 20;
    match size.filter(|size| *size > 0) {
        Some(size) => {
            let percent = u128::from(offset) * 100 / u128::from(size);
            format!("{percent:3} %  {packets} packets, {mib} of {} MiB", size >> 20)
        }
        None => format!("{packets} packets, {mib} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn with_and_without_a_size() {
        assert_eq!(line(7, 3 << 20, Some(12 << 20)), " 25 %  7 packets, 3 of 12 MiB");
        assert_eq!(line(7, 3 << 20, None), "7 packets, 3 MiB");
    }
}
