//! The writer thread.

use super::files::Files;
use super::{Backlog, Message, Way, What};
use clat_core::DropReason;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tracing::error;

/// How long a packet may wait for the news that it was dropped, and the file for its bytes.
const PATIENCE: Duration = Duration::from_millis(100);

/// Writes what the taps say.
#[derive(Debug)]
pub(super) struct Scribe {
    files: Files,
    backlog: Arc<Backlog>,
    /// The last packet of each tap that went in; whether it is dropped is not known yet.
    open: BTreeMap<usize, Packet>,
    has_failed: bool,
}

#[derive(Debug)]
struct Packet {
    time: Duration,
    way: Way,
    bytes: Vec<u8>,
}

impl Scribe {
    pub(super) fn new(files: Files, backlog: Arc<Backlog>) -> Self {
        Self { files, backlog, open: BTreeMap::new(), has_failed: false }
    }

    /// Writes until the last tap is gone.
    pub(super) fn run(&mut self, receiver: &Receiver<Message>) {
        loop {
            match receiver.recv_timeout(PATIENCE) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => self.settle(),
                Err(RecvTimeoutError::Disconnected) => return self.settle(),
            }
        }
    }

    fn take(&mut self, Message { tap, what }: Message) {
        match what {
            What::Dropped(reason) => {
                if let Some(packet) = self.open.remove(&tap) {
                    self.write(&packet, Some(reason));
                }
            }
            What::Packet { time, way, bytes } => {
                self.backlog.bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
                if let Some(packet) = self.open.remove(&tap) {
                    self.write(&packet, None);
                }
                let packet = Packet { time, way, bytes };
                match way {
                    Way::In => drop(self.open.insert(tap, packet)),
                    Way::Out => self.write(&packet, None),
                }
            }
        }
    }

    /// Nothing comes any more for a while: what is known goes to the file.
    fn settle(&mut self) {
        for packet in std::mem::take(&mut self.open).into_values() {
            self.write(&packet, None);
        }
        let flushed = self.files.flush();
        self.judge(flushed);
    }

    fn write(&mut self, packet: &Packet, reason: Option<DropReason>) {
        if self.has_failed {
            return;
        }
        let comment = reason.map(|r| format!("drop {} ({})", r.as_str(), r.section()));
        let written = self.files.packet(packet.time, packet.way, &packet.bytes, comment.as_deref());
        self.judge(written);
    }

    /// A full disk ends the capture and nothing else.
    fn judge(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && !self.has_failed
        {
            self.has_failed = true;
            error!("the capture ends here: {error}");
        }
    }
}
