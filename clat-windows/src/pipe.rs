//! The two doors of a running instance: named pipes of lines.
//!
//! Their names lie under a prefix that only administrators may create pipes in, so that no other program can be there
//! first and be asked in our place.

use crate::device::Stop;
use crate::sddl;
use crate::sys::pipe::Pipe;
use crate::sys::security::Descriptor;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A client has this long to ask, and as long again to take the answer, however it spends the time.
const PATIENCE: Duration = Duration::from_secs(5);

/// At the end of the program a client that is being served has this long to take the answer.
const FAREWELL: Duration = Duration::from_secs(1);

const STACK: usize = 128 << 10;

/// `ERROR_PIPE_BUSY`: another client is being served.
const PIPE_BUSY: i32 = 231;

/// Looks for a free pipe, 20 ms apart: longer than one client can hold it.
const TRIES: u32 = 600;

/// `SECURITY_IDENTIFICATION`: whoever serves the pipe may see who asks, and not act in their place.
const IDENTIFICATION: u32 = 0x1_0000;

/// Which door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// For administrators: every request.
    Control,
    /// For everybody: requests that change nothing.
    Status,
}

impl Door {
    /// The pipe's name. Instances with a state folder of their own have pipes of their own.
    #[must_use]
    pub fn name(self, instance: Option<&Path>) -> String {
        let door = match self {
            Self::Control => "control",
            Self::Status => "status",
        };
        let folder =
            instance.map(|p| format!("{:08x}-", crate::guid::adapter_guid(&p.to_string_lossy()) >> 96));
        format!(r"\\.\pipe\ProtectedPrefix\Administrators\CLAT\{}{door}", folder.unwrap_or_default())
    }

    const fn sddl(self) -> &'static str {
        match self {
            Self::Control => sddl::CONTROL_PIPE,
            Self::Status => sddl::STATUS_PIPE,
        }
    }
}

/// A door with a thread that serves it. Dropping it ends the thread.
#[derive(Debug)]
pub struct PipeServer {
    stop: Stop,
    busy: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PipeServer {
    /// Opens a door. `answer` gets each line without its end and returns the line to send back, with its end.
    ///
    /// # Errors
    /// Access denied without administrator's rights, or where another instance serves the pipe.
    pub fn open(
        door: Door,
        instance: Option<&Path>,
        longest: usize,
        answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        Self::open_for(door, instance, Desk { longest, patience: PATIENCE, answer })
    }

    fn open_for(
        door: Door,
        instance: Option<&Path>,
        desk: Desk<impl Fn(&[u8]) -> Vec<u8> + Send + 'static>,
    ) -> io::Result<Self> {
        let descriptor = Descriptor::parse(door.sddl())?;
        let pipe = Pipe::create(&door.name(instance), &descriptor)?;
        let stop = Stop::new().map_err(io::Error::other)?;
        let (asked, busy) = (stop.clone(), Arc::new(AtomicBool::new(false)));
        let serving = Arc::clone(&busy);
        let body = move || serve(&pipe, &asked, &serving, &desk);
        let thread =
            std::thread::Builder::new().name("clat pipe".to_owned()).stack_size(STACK).spawn(body)?;
        Ok(Self { stop, busy, thread: Some(thread) })
    }
}

impl Drop for PipeServer {
    fn drop(&mut self) {
        // Whoever asked for the end gets the answer.
        let end = Instant::now() + FAREWELL;
        while self.busy.load(Ordering::Acquire) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            // A panic there ends with the process at the latest.
            let _ = thread.join();
        }
    }
}

/// How a client is served.
struct Desk<A> {
    /// Longest request in bytes.
    longest: usize,
    patience: Duration,
    answer: A,
}

fn serve(pipe: &Pipe, stop: &Stop, busy: &AtomicBool, desk: &Desk<impl Fn(&[u8]) -> Vec<u8>>) {
    loop {
        match pipe.connect(stop.event()) {
            Ok(true) => {}
            Ok(false) => return,
            Err(e) => {
                tracing::debug!("pipe: {e}");
                if stop.wait(Duration::from_millis(100)) {
                    return;
                }
                pipe.disconnect();
                continue;
            }
        }
        busy.store(true, Ordering::Release);
        if let Err(e) = desk.client(pipe, stop) {
            tracing::debug!("pipe client: {e}");
        }
        pipe.disconnect();
        busy.store(false, Ordering::Release);
    }
}

impl<A: Fn(&[u8]) -> Vec<u8>> Desk<A> {
    fn client(&self, pipe: &Pipe, stop: &Stop) -> io::Result<()> {
        let mut line = Vec::new();
        let mut chunk = [0; 512];
        let asked = Instant::now() + self.patience;
        let end = loop {
            if let Some(end) = line.iter().position(|b| *b == b'\n') {
                break end;
            }
            if line.len() > self.longest {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let n = pipe.read(&mut chunk, left(asked)?, stop.event())?;
            line.extend_from_slice(chunk.get(..n).unwrap_or_default());
        };
        let answer = (self.answer)(line.get(..end).unwrap_or_default());
        let taken = Instant::now() + self.patience;
        pipe.write(&answer, self.patience, stop.event())?;
        // A disconnection throws away what the client has not read: wait until it hangs up, which ends the read.
        while pipe.read(&mut chunk, left(taken)?, stop.event()).is_ok_and(|n| n > 0) {}
        Ok(())
    }
}

/// The time until then.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Opens a door as a client.
///
/// # Errors
/// Not found when nothing serves it, access denied for those whom it is not for.
pub fn connect(door: Door, instance: Option<&Path>) -> io::Result<File> {
    let mut tries = 0;
    loop {
        let opened = OpenOptions::new()
            .access_mode(sddl::CLIENT_ACCESS)
            .security_qos_flags(IDENTIFICATION)
            .open(door.name(instance));
        match opened {
            Err(e) if e.raw_os_error() == Some(PIPE_BUSY) && tries < TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn ask(mut pipe: File, line: &[u8]) -> Vec<u8> {
        pipe.write_all(line).unwrap();
        let mut answer = vec![0; line.len()];
        pipe.read_exact(&mut answer).unwrap();
        answer
    }

    /// Writes byte by byte until it is sent away.
    fn drip(pipe: &mut File) -> bool {
        (0..3000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            pipe.write_all(b"x").is_err()
        })
    }

    #[test]
    fn a_client_that_drips_is_sent_away_before_and_after_its_question() {
        let instance = Some(Path::new(r"C:\clat-test-of-dripping"));
        let echo = |line: &[u8]| [line, b"\n"].concat();
        let desk = Desk { longest: 1 << 20, patience: Duration::from_millis(300), answer: echo };
        let _server = PipeServer::open_for(Door::Status, instance, desk).unwrap();
        let mut slow = connect(Door::Status, instance).unwrap();
        assert!(drip(&mut slow), "it may ask for ever");
        let mut slow = connect(Door::Status, instance).unwrap();
        slow.write_all(b"asked\n").unwrap();
        assert!(drip(&mut slow), "it may stay for ever");
        assert_eq!(ask(connect(Door::Status, instance).unwrap(), b"next\n"), b"next\n");
    }

    #[test]
    fn a_request_without_an_end_is_refused_and_the_next_one_answered() {
        let instance = Some(Path::new(r"C:\clat-test-of-garbage"));
        let server = PipeServer::open(Door::Status, instance, 64, |line| [line, b"\n"].concat()).unwrap();
        let mut garbage = connect(Door::Status, instance).unwrap();
        // The pipe takes this much before anybody reads it; then the server has hung up.
        while garbage.write_all(&[0xff; 512]).is_ok() {}
        let many: Vec<_> = (0..8_u8)
            .map(|n| {
                let line = [b'0' + n, b'\n'];
                std::thread::spawn(move || ask(connect(Door::Status, instance).unwrap(), &line) == line)
            })
            .collect();
        assert!(many.into_iter().all(|one| one.join().unwrap()));
        drop(server);
        assert_eq!(connect(Door::Status, instance).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
