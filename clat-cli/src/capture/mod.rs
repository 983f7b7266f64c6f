//! `run --capture`: both sides of the translation in one pcapng, each dropped packet with its reason
//! as its comment.
//!
//! Data threads hand copies to a writer thread and never wait for the disk: what the writer cannot
//! keep up with is left out and counted.
//!
//! # Layout
//!
//! - [`files`]: the file being written, and those before it.
//! - [`scribe`]: the writer thread.

mod files;
mod scribe;

use anyhow::Context;
use clat_core::DropReason;
#[cfg(target_os = "linux")]
use clat_linux::tap::{Passing, Tap};
#[cfg(windows)]
use clat_windows::tap::{Passing, Tap};
use files::Files;
use scribe::Scribe;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tracing::warn;

/// Packets that may wait for the writer.
const QUEUE: usize = 8192;
/// Bytes that may wait for the writer: an eighth of a second at 2 Gbit/s.
const QUEUE_BYTES: usize = 32 << 20;

/// How much disk a capture may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes after which a new file is begun.
    pub(crate) file_bytes: u64,
    /// Older files that are kept, as `NAME.1.pcapng` (the newest of them) and so on.
    pub(crate) old_files: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, old_files: 4 }
    }
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the translator.
    In,
    /// From the translator.
    Out,
}

/// A capture that is being written.
#[derive(Debug)]
pub(crate) struct Capture {
    /// Gone when the capture ends: the writer ends with the last of the senders.
    sender: Option<SyncSender<Message>>,
    writer: Writer,
    backlog: Arc<Backlog>,
    taps: usize,
}

/// The writer, before and after its thread is started.
#[derive(Debug)]
enum Writer {
    Waiting(Box<Scribe>, Receiver<Message>),
    Running(JoinHandle<()>),
    Gone,
}

/// What waits for the writer, and what could not.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    lost: AtomicU64,
}

/// What a data thread tells the writer.
#[derive(Debug)]
struct Message {
    tap: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Packet { time: Duration, way: Way, bytes: Vec<u8> },
    Dropped(DropReason),
}

impl Capture {
    /// Creates the file. A file of that name is kept as an older one.
    pub(crate) fn create(path: &Path, limits: Limits) -> anyhow::Result<Self> {
        let files = Files::create(path, limits)
            .with_context(|| format!("{}: no capture can be written there", path.display()))?;
        let (sender, receiver) = sync_channel(QUEUE);
        let backlog = Arc::new(Backlog::default());
        let scribe = Box::new(Scribe::new(files, Arc::clone(&backlog)));
        Ok(Self { sender: Some(sender), writer: Writer::Waiting(scribe, receiver), backlog, taps: 0 })
    }

    /// Starts the writer, once. Its thread has the rights of the thread that calls.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        self.writer = match std::mem::replace(&mut self.writer, Writer::Gone) {
            Writer::Waiting(mut scribe, receiver) => {
                let builder = std::thread::Builder::new().name("clat-capture".to_owned());
                Writer::Running(builder.spawn(move || scribe.run(&receiver))?)
            }
            writer @ (Writer::Running(_) | Writer::Gone) => writer,
        };
        Ok(())
    }

    /// What a data thread holds.
    pub(crate) fn tap(&mut self) -> CaptureTap {
        self.taps += 1;
        CaptureTap {
            number: self.taps,
            sender: self.sender.clone(),
            backlog: Arc::clone(&self.backlog),
            at: None,
        }
    }
}

/// Writes the rest. All taps must be gone by then, or the writer is waited for until they are.
impl Drop for Capture {
    fn drop(&mut self) {
        self.sender = None;
        if let Writer::Running(thread) = std::mem::replace(&mut self.writer, Writer::Gone) {
            // A panic of the writer has been told by itself.
            let _ = thread.join();
        }
        let lost = self.backlog.lost.load(Ordering::Relaxed);
        if lost > 0 {
            warn!("{lost} packets are missing in the capture: the disk is too slow for them");
        }
    }
}

/// Hands the packets of one data thread to the writer.
#[derive(Debug)]
pub(crate) struct CaptureTap {
    number: usize,
    sender: Option<SyncSender<Message>>,
    backlog: Arc<Backlog>,
    /// The time of what passes, where it is a recording. That waits for the disk.
    at: Option<Duration>,
}

impl CaptureTap {
    /// A packet passes.
    pub(crate) fn packet(&mut self, way: Way, pieces: &[IoSlice<'_>]) {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.at.is_some() {
            self.wait_for_room(len);
        }
        if self.backlog.bytes.fetch_add(len, Ordering::Relaxed) + len > QUEUE_BYTES {
            self.lose(len);
            return;
        }
        let mut bytes = Vec::with_capacity(len);
        pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = self.at.unwrap_or_else(now);
        if !self.send(What::Packet { time, way, bytes }) {
            self.lose(len);
        }
    }

    /// The last packet that went in was dropped.
    pub(crate) fn dropped(&mut self, reason: DropReason) {
        self.send(What::Dropped(reason));
    }

    fn send(&self, what: What) -> bool {
        let Some(sender) = &self.sender else { return false };
        let message = Message { tap: self.number, what };
        if self.at.is_some() {
            return sender.send(message).is_ok();
        }
        match sender.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// The writer takes bytes off the backlog for as long as it lives, and it lives as long as this tap.
    fn wait_for_room(&self, len: usize) {
        while self.backlog.bytes.load(Ordering::Relaxed) + len > QUEUE_BYTES {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn lose(&self, len: usize) {
        self.backlog.bytes.fetch_sub(len, Ordering::Relaxed);
        self.backlog.lost.fetch_add(1, Ordering::Relaxed);
    }
}

impl Tap for CaptureTap {
    fn packet(&mut self, passing: Passing, packet: &[IoSlice<'_>]) {
        let way = match passing {
            Passing::In => Way::In,
            Passing::Out => Way::Out,
        };
        self.packet(way, packet);
    }

    fn dropped(&mut self, reason: DropReason) {
        self.dropped(reason);
    }

    fn at(&mut self, time: Duration) {
        self.at = Some(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcap::Reader;
    use std::fs;
    use std::path::PathBuf;

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("clat-capture-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn packets(path: &Path) -> Vec<Vec<u8>> {
        let mut reader = Reader::open(fs::File::open(path).unwrap()).unwrap();
        let mut packets = Vec::new();
        while let Some(record) = reader.next().unwrap() {
            packets.push(record.data.to_vec());
        }
        packets
    }

    fn pass(tap: &mut CaptureTap, way: Way, bytes: &[u8]) {
        let (front, back) = bytes.split_at(bytes.len() / 2);
        tap.packet(way, &[IoSlice::new(front), IoSlice::new(back)]);
    }

    fn started(path: &Path, limits: Limits) -> Capture {
        let mut capture = Capture::create(path, limits).unwrap();
        capture.start().unwrap();
        capture
    }

    #[test]
    fn both_sides_in_order_with_the_reasons_of_drops() {
        let folder = folder("both");
        let path = folder.join("a.pcapng");
        let mut capture = started(&path, Limits::default());
        let mut tap = capture.tap();
        pass(&mut tap, Way::In, &[0x45; 30]);
        pass(&mut tap, Way::Out, &[0x60; 50]);
        pass(&mut tap, Way::In, &[0x46; 31]);
        tap.dropped(DropReason::HopLimit);
        pass(&mut tap, Way::Out, &[0x47; 32]);
        pass(&mut tap, Way::In, &[0x65; 51]);
        tap.dropped(DropReason::IcmpType);
        drop(tap);
        drop(capture);
        assert_eq!(
            packets(&path),
            [vec![0x45; 30], vec![0x60; 50], vec![0x46; 31], vec![0x47; 32], vec![0x65; 51]]
        );
        let file = fs::read(&path).unwrap();
        let holds = |text: &str| file.windows(text.len()).filter(|w| *w == text.as_bytes()).count();
        assert_eq!(holds("drop hop_limit (RFC 7915 sections 4.1 and 5.1)"), 1);
        assert_eq!(holds("drop icmp_type"), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_packet_is_in_the_file_soon_without_a_second_one() {
        let folder = folder("soon");
        let path = folder.join("a.pcapng");
        let mut capture = started(&path, Limits::default());
        let mut tap = capture.tap();
        pass(&mut tap, Way::In, &[0x45; 30]);
        let arrived = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            packets(&path).len() == 1
        });
        assert!(arrived, "still not in the file after five seconds");
        drop(tap);
        drop(capture);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn old_files_make_room_and_none_is_larger_than_allowed() {
        let folder = folder("rotate");
        let path = folder.join("a.pcapng");
        let limits = Limits { file_bytes: 4096, old_files: 2 };
        let mut capture = started(&path, limits);
        let mut tap = capture.tap();
        for n in 0..100 {
            pass(&mut tap, Way::Out, &[0x60, n, 0, 0, 0, 0, 0, 0, 0, 0].repeat(50));
        }
        drop(tap);
        drop(capture);
        let mut names: Vec<String> =
            fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["a.1.pcapng", "a.2.pcapng", "a.pcapng"]);
        let numbers: Vec<u8> = ["a.2.pcapng", "a.1.pcapng", "a.pcapng"]
            .iter()
            .inspect(|name| assert!(fs::metadata(folder.join(name)).unwrap().len() <= 4096))
            .flat_map(|name| packets(&folder.join(name)))
            .map(|packet| packet[1])
            .collect();
        assert!(numbers.len() > 10 && numbers.last() == Some(&99), "{numbers:?}");
        assert!(numbers.windows(2).all(|w| w[0] + 1 == w[1]), "{numbers:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_capture_of_the_last_run_is_kept() {
        let folder = folder("again");
        let path = folder.join("a.pcapng");
        for n in 1..=2 {
            let mut capture = started(&path, Limits::default());
            pass(&mut capture.tap(), Way::In, &[0x40 + n; 20]);
        }
        assert_eq!(packets(&path), [[0x42; 20]]);
        assert_eq!(packets(&folder.join("a.1.pcapng")), [[0x41; 20]]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder("mode");
        let path = folder.join("a.pcapng");
        drop(Capture::create(&path, Limits::default()).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_at_the_start() {
        let error = Capture::create(Path::new("/nonexistent/a.pcapng"), Limits::default()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/a.pcapng: no capture can be written there"));
    }
}
