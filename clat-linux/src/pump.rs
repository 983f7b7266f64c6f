//! The data threads: one a queue, each reads packets, has them translated and writes them back.
//!
//! A thread blocks in `poll` while there is nothing to do; no timer wakes it. It never takes a lock that
//! another thread can hold for long, and allocates nothing per packet.

mod frames;
mod lane;
mod output;
mod placement;
mod replay;
mod worker;

use crate::counters::Counters;
use crate::device::Queue;
use crate::frames::Uplink;
use crate::shared::{Reader, SharedTranslator};
use crate::tap::{NoTap, Tap};
use clat_offload::recording::{Pace, Recording};
use frames::FrameWorker;
use replay::ReplayWorker;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use worker::Worker;

/// Stack of a data thread in bytes: the deepest frame holds a translated head and 66 slices.
const STACK: usize = 128 * 1024;

/// Why a data thread ended by itself, or could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PumpError {
    /// The interface was deleted.
    #[error("the TUN interface was removed by another program: {0}")]
    Gone(Errno),
    /// A system call failed that has no reason to.
    #[error("data path: {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// The system refused to make a thread.
    #[error("data path: no thread: {0}")]
    Thread(std::io::Error),
    /// A thread panicked, which is a bug.
    #[error("data path: a thread ended by a bug in the program; please report it")]
    Bug,
}

/// The running data path.
#[derive(Debug)]
pub struct Pump {
    threads: Vec<JoinHandle<Result<(), PumpError>>>,
    signals: Arc<Signals>,
    counters: Counters,
}

/// What control and data threads tell each other.
#[derive(Debug)]
struct Signals {
    stopping: AtomicBool,
    /// Readable from the moment of the stop on.
    stop: OwnedFd,
    /// Readable once a data thread has ended.
    ended: OwnedFd,
}

impl Signals {
    fn new() -> Result<Self, PumpError> {
        let make = || {
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(|source| PumpError::System { what: "eventfd", source })
        };
        Ok(Self { stopping: AtomicBool::new(false), stop: make()?, ended: make()? })
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        raise(&self.stop);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

fn raise(eventfd: &OwnedFd) {
    // It fails only when the counter is full, and then the descriptor is readable already.
    let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
}

impl Pump {
    /// Starts a data thread for each queue.
    ///
    /// # Errors
    /// [`PumpError`] when the system refuses threads or descriptors.
    pub fn spawn(queues: Vec<Queue>, translator: &Arc<SharedTranslator>) -> Result<Self, PumpError> {
        Self::spawn_with(queues, translator, || NoTap)
    }

    /// As [`spawn`](Self::spawn), with a tap in each thread.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_with<T: Tap>(
        queues: Vec<Queue>,
        translator: &Arc<SharedTranslator>,
        mut tap: impl FnMut() -> T,
    ) -> Result<Self, PumpError> {
        let counters = Counters::new(queues.len());
        let mut pump = Self { threads: Vec::new(), signals: Arc::new(Signals::new()?), counters };
        for (index, queue) in queues.into_iter().enumerate() {
            let reader = Reader::new(Arc::clone(translator));
            let worker = Worker::new(queue, reader, (pump.counters.clone(), index), tap())?;
            pump.start(index, move |signals| worker.run(signals))?;
        }
        Ok(pump)
    }

    /// Starts one data thread that exchanges IPv4 with the queue, which must be without virtio-net header,
    /// and IPv6 as frames with the uplink.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_frames<T: Tap>(
        queue: Queue,
        uplink: &Arc<Uplink>,
        translator: &Arc<SharedTranslator>,
        tap: T,
    ) -> Result<Self, PumpError> {
        let counters = Counters::new(1);
        let mut pump = Self { threads: Vec::new(), signals: Arc::new(Signals::new()?), counters };
        let reader = Reader::new(Arc::clone(translator));
        let worker = FrameWorker::new(queue, Arc::clone(uplink), reader, pump.counters.clone(), tap)?;
        pump.start(0, move |signals| worker.run(signals))?;
        Ok(pump)
    }

    /// Starts one data thread that plays a recording: what the translator makes of it goes into the queue,
    /// which must be without virtio-net header, and what the host answers is translated too. It ends with the
    /// recording. Without a queue only the tap sees what comes out. It begins when there is a translator and
    /// the device is up.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_replay<T: Tap>(
        queue: Option<Queue>,
        recording: (impl Recording, Pace),
        translator: &Arc<SharedTranslator>,
        tap: T,
    ) -> Result<Self, PumpError> {
        let counters = Counters::new(1);
        let mut pump = Self { threads: Vec::new(), signals: Arc::new(Signals::new()?), counters };
        let reader = Reader::new(Arc::clone(translator));
        let worker = ReplayWorker::new(queue, recording, reader, pump.counters.clone(), tap)?;
        pump.start(0, move |signals| worker.run(signals))?;
        Ok(pump)
    }

    fn start(
        &mut self,
        index: usize,
        run: impl FnOnce(&Signals) -> Result<(), PumpError> + Send + 'static,
    ) -> Result<(), PumpError> {
        let signals = Arc::clone(&self.signals);
        let thread = Builder::new()
            .name(format!("clat-data-{index}"))
            .stack_size(STACK)
            .spawn(move || {
                let _announce = AnnounceEnd(&signals);
                run(&signals)
            })
            .map_err(PumpError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// What the threads count.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Stops all threads and waits for them. Packets that were read are written first.
    ///
    /// # Errors
    /// The reason for which a thread had ended before.
    pub fn stop(mut self) -> Result<(), PumpError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), PumpError> {
        self.signals.stop();
        let mut result = Ok(());
        for thread in self.threads.drain(..) {
            let ended = thread.join().unwrap_or(Err(PumpError::Bug));
            result = result.and(ended);
        }
        result
    }
}

/// Becomes readable when a data thread ends by itself: then [`Pump::stop`] tells why.
impl AsFd for Pump {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.ended.as_fd()
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // Who wants the reason calls `stop`.
        let _ = self.join();
    }
}

/// Tells the control thread that a data thread has ended, by whatever way.
struct AnnounceEnd<'s>(&'s Signals);

impl Drop for AnnounceEnd<'_> {
    fn drop(&mut self) {
        raise(&self.0.ended);
    }
}

#[cfg(test)]
mod tests;
