//! Receive, translate, take a slot of the exact length, send: one thread, one copy, nothing allocated per packet.

use super::{Ring, RingError, Wake};
use crate::live::{Counters, View, add};
use crate::tap::{Passing, Tap};
use clat_core::{DropReason, Parts, QueueState, Verdict};
use clat_engine::is_chatter;
use std::io::IoSlice;
use std::time::Instant;

/// Packets between two looks at the clock and at the translator in force.
const BURST: u32 = 64;

/// Looks at an empty ring before sleeping, while packets come in bursts. Waking up costs some microseconds; a look
/// costs nanoseconds.
const SPINS: u32 = 400;

/// A burst of this many packets makes it likely that more follow at once.
const BUSY: u32 = 8;

/// Tries for room in a full ring before a packet is dropped. The driver empties it in a thread of its own.
const FULL_TRIES: u32 = 64;

/// Why the pump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody asked for it.
    Stopped,
    /// The recording is at its end.
    Over,
    /// The adapter is gone or its ring is of no use: open it again.
    Adapter(RingError),
}

/// The data path of one adapter.
#[derive(Debug)]
pub struct Pump<R> {
    ring: R,
    view: View,
    state: QueueState,
    started: Instant,
    tap: Option<Box<dyn Tap>>,
}

impl<R: Ring> Pump<R> {
    /// A pump over `ring`. The seed should not be guessable from outside.
    pub fn new(ring: R, view: View, seed: u64) -> Self {
        Self { ring, view, state: QueueState::new(seed), started: Instant::now(), tap: None }
    }

    /// Lets somebody look at each packet.
    #[must_use]
    pub fn with_tap(self, tap: Option<Box<dyn Tap>>) -> Self {
        Self { tap, ..self }
    }

    /// Translates until somebody asks for the end or the ring ends.
    pub fn run(&mut self, counters: &Counters) -> Ended {
        loop {
            match self.busy(counters) {
                Err(error) => return Ended::Adapter(error),
                Ok(true) => {}
                Ok(false) => match self.ring.wait(None) {
                    Wake::Readable => {}
                    Wake::Stop => return Ended::Stopped,
                    Wake::Over => return Ended::Over,
                    Wake::Failed(code) => return Ended::Adapter(RingError::System(code)),
                },
            }
        }
    }

    /// Handles a burst; false when it is time to sleep.
    fn busy(&mut self, counters: &Counters) -> Result<bool, RingError> {
        let done = self.burst(counters)?;
        Ok(done == BURST || done >= BUSY && self.spin(counters)?)
    }

    /// Handles what is in the ring, at most [`BURST`] packets, and says how many there were.
    fn burst(&mut self, counters: &Counters) -> Result<u32, RingError> {
        self.tick();
        let mut done = 0;
        while done < BURST {
            let Some(packet) = self.ring.receive()? else { break };
            self.packet(packet.as_ref(), counters)?;
            done += 1;
        }
        Ok(done)
    }

    /// Looks at the empty ring for a short time; true when a packet came and was handled.
    fn spin(&mut self, counters: &Counters) -> Result<bool, RingError> {
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if let Some(packet) = self.ring.receive()? {
                self.packet(packet.as_ref(), counters)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[allow(clippy::cast_possible_truncation)]
    fn tick(&mut self) {
        if self.ring.is_live() {
            self.state.tick(self.started.elapsed().as_millis() as u32);
        }
    }

    fn packet(&mut self, packet: &[u8], counters: &Counters) -> Result<(), RingError> {
        if let Some(moment) = self.ring.moment() {
            self.state.tick(moment.clock_ms);
            if let Some(tap) = &mut self.tap {
                tap.at(moment.seen);
            }
        }
        if let Some(tap) = &mut self.tap {
            tap.packet(Passing::In, &[IoSlice::new(packet)]);
        }
        self.translate(packet, counters)
    }

    fn translate(&mut self, packet: &[u8], counters: &Counters) -> Result<(), RingError> {
        let Some(translator) = self.view.get() else {
            add(if is_chatter(packet) { &counters.noise } else { &counters.idle }, 1);
            return Ok(());
        };
        match translator.translate(packet, &mut self.state) {
            Verdict::Forward(parts) => {
                if send(&mut self.ring, &mut self.tap, &parts, counters)? {
                    counters.forwarded(packet, parts.len());
                }
            }
            Verdict::Fragment(fragments) => {
                let mut bytes = 0;
                for parts in fragments {
                    if send(&mut self.ring, &mut self.tap, &parts, counters)? {
                        bytes += parts.len();
                    }
                }
                if bytes > 0 {
                    counters.forwarded(packet, bytes);
                }
            }
            Verdict::Reply(..) | Verdict::Drop(_) if is_chatter(packet) => add(&counters.noise, 1),
            Verdict::Reply(parts, reason) => {
                dropped(&mut self.tap, packet, reason, counters);
                if send(&mut self.ring, &mut self.tap, &parts, counters)? {
                    add(&counters.replies, 1);
                }
            }
            Verdict::Drop(reason) => dropped(&mut self.tap, packet, reason, counters),
            // Wintun hands over no super-packets.
            Verdict::Segment => {}
        }
        Ok(())
    }
}

fn dropped(tap: &mut Option<Box<dyn Tap>>, packet: &[u8], reason: DropReason, counters: &Counters) {
    counters.dropped(packet, reason);
    if let Some(tap) = tap {
        tap.dropped(reason);
    }
}

/// Sends a packet; false when the driver's ring stayed full.
fn send<R: Ring>(
    ring: &mut R,
    tap: &mut Option<Box<dyn Tap>>,
    parts: &Parts<'_>,
    counters: &Counters,
) -> Result<bool, RingError> {
    let Ok(len) = u16::try_from(parts.len()) else { return Ok(false) };
    for _ in 0..FULL_TRIES {
        let sent = ring.send(len, |slot| {
            // The slot has the packet's length, so it fits.
            let _ = parts.copy_to(slot);
        });
        match sent {
            Ok(()) => {
                if let Some(tap) = tap {
                    tap.packet(Passing::Out, &parts.slices().map(IoSlice::new));
                }
                return Ok(true);
            }
            Err(RingError::Full) => std::thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
    add(&counters.ring_full, 1);
    Ok(false)
}

#[cfg(test)]
#[path = "pump_tests.rs"]
mod tests;
