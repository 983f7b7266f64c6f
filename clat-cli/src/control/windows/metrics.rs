//! The door for metrics: a port of the loopback, opened only where the configuration names one.

use crate::control::protocol::{Answer, MAX_REQUEST, Request};
use crate::metrics;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A scraper has this long to ask and to take the answer; one is served at a time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread writes one document and recurses nowhere.
const STACK: usize = 256 << 10;

/// An open door. It is shut when this is dropped.
#[derive(Debug)]
pub(super) struct MetricsDoor {
    at: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsDoor {
    /// Listens at `at`. `ask` gets the answer to each request, and may wait for it.
    pub(super) fn open(at: SocketAddr, ask: impl Fn(Request) -> Answer + Send + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind(at)?;
        // The system chose where the configuration says port 0.
        let at = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let body = move || {
            for stream in listener.incoming() {
                if asked.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(e) = stream.and_then(|s| serve(s, &ask)) {
                    tracing::debug!("metrics: {e}");
                }
            }
        };
        let thread = std::thread::Builder::new().name("clat metrics".to_owned()).stack_size(STACK);
        Ok(Self { at, stop, thread: Some(thread.spawn(body)?) })
    }
}

impl Drop for MetricsDoor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The thread waits for a scraper: this one only wakes it up.
        let woken = TcpStream::connect_timeout(&self.at, Duration::from_millis(500)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, ask: &impl Fn(Request) -> Answer) -> io::Result<()> {
    let answer = match request(&mut stream, Instant::now() + PATIENCE)? {
        Ok(request) => ask(request),
        Err(refusal) => refusal,
    };
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&metrics::response(&answer))?;
    stream.shutdown(Shutdown::Write)
}

/// Reads one request, until its empty line or until it is too long or too late.
fn request(stream: &mut TcpStream, until: Instant) -> io::Result<Result<Request, Answer>> {
    let mut input = Vec::new();
    let mut chunk = [0; MAX_REQUEST];
    while metrics::request_end(&input).is_none() {
        if input.len() > MAX_REQUEST {
            return Ok(Err(Answer::Error("the request is too long".to_owned())));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => input.extend_from_slice(chunk.get(..n).unwrap_or_default()),
        }
    }
    Ok(metrics::request(&input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::model::tests::sample;

    fn door() -> MetricsDoor {
        let answer = |_| Answer::Status(Box::new(sample()));
        MetricsDoor::open("127.0.0.1:0".parse().unwrap(), answer).unwrap()
    }

    fn say(at: SocketAddr, words: &str) -> String {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_scraper_gets_open_metrics_and_everybody_else_404() {
        let door = door();
        let text = say(door.at, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(text.starts_with("HTTP/1.0 200 OK") && text.ends_with("# EOF\n"), "{text}");
        assert!(say(door.at, "POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.0 404"));
        assert!(say(door.at, &"x".repeat(2 * MAX_REQUEST)).contains("too long"));
    }

    #[test]
    fn a_door_that_is_dropped_listens_no_more() {
        let door = door();
        let at = door.at;
        drop(door);
        assert!(TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_err());
    }
}
