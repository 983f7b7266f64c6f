//! Servers of the lab: HTTP with bodies that can be checked, UDP echo.

use crate::Ns;
use anyhow::{Context as _, Result};
use socket2::SockRef;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a waiting server looks whether it shall end.
const LOOK: Duration = Duration::from_millis(100);
/// How long a connection may stand still: longer than any outage that a scene makes.
const PATIENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 16 * 1024;

/// Ends its threads when it is dropped.
#[derive(Debug, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.flag.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Answers each datagram with what `reply` makes of it, on a thread of its own.
///
/// # Errors
/// When the socket takes no timeout.
pub fn datagram_loop(
    stop: &mut Stop,
    socket: UdpSocket,
    reply: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> Result<()> {
    socket.set_read_timeout(Some(LOOK))?;
    let flag = Arc::clone(&stop.flag);
    stop.threads.push(std::thread::spawn(move || {
        let mut buf = vec![0; 65536];
        while !flag.load(Ordering::Relaxed) {
            let Ok((len, from)) = socket.recv_from(&mut buf) else { continue };
            if let Some(reply) = reply(&buf[..len]) {
                // A route that is missing for the moment: the client asks again.
                let _ = socket.send_to(&reply, from);
            }
        }
    }));
    Ok(())
}

/// Hands each connection to `serve` on a thread of its own.
///
/// # Errors
/// When the socket takes no timeout.
pub fn accept_loop(
    stop: &mut Stop,
    listener: TcpListener,
    serve: impl Fn(TcpStream) + Clone + Send + 'static,
) -> Result<()> {
    SockRef::from(&listener).set_read_timeout(Some(LOOK))?;
    let flag = Arc::clone(&stop.flag);
    stop.threads.push(std::thread::spawn(move || {
        while !flag.load(Ordering::Relaxed) {
            let Ok((stream, _)) = listener.accept() else { continue };
            let serve = serve.clone();
            // It ends with its client, at the latest after PATIENCE.
            std::thread::spawn(move || {
                let timeouts =
                    stream.set_read_timeout(Some(PATIENCE)).and(stream.set_write_timeout(Some(PATIENCE)));
                if timeouts.is_ok() {
                    serve(stream);
                }
            });
        }
    }));
    Ok(())
}

/// The servers of the IPv4-only Internet: HTTP on port 80, UDP echo on port 7.
///
/// - `GET /bytes/N`: N bytes of [`pattern`]; `GET /slow/N/RATE`: the same, RATE bytes a second.
/// - `PUT /sink`: how many bytes came and whether they were the pattern.
/// - `GET /ip`: the client's address as the server sees it.
#[derive(Debug)]
pub struct Servers {
    _stop: Stop,
}

impl Servers {
    /// Starts them on `addr`.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub fn start(ns: &Ns, addr: std::net::IpAddr) -> Result<Self> {
        let (http, echo) = ns
            .enter(|| {
                let http = TcpListener::bind(SocketAddr::new(addr, 80))?;
                Ok::<_, std::io::Error>((http, UdpSocket::bind(SocketAddr::new(addr, 7))?))
            })?
            .with_context(|| format!("binding ports 80 and 7 of {addr}"))?;
        let mut stop = Stop::default();
        let flag = Arc::clone(&stop.flag);
        accept_loop(&mut stop, http, move |stream| {
            // A client that goes away is not the server's trouble.
            let _ = serve_http(stream, &flag);
        })?;
        datagram_loop(&mut stop, echo, |datagram| Some(datagram.to_vec()))?;
        Ok(Self { _stop: stop })
    }
}

fn serve_http(stream: TcpStream, stop: &AtomicBool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut body_len = 0u64;
    let mut wants_go = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            body_len = value.trim().parse().unwrap_or(0);
        }
        wants_go |= line.starts_with("expect: 100-continue");
    }
    if wants_go {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let path = request.split_whitespace().nth(1).unwrap_or("/");
    let words: Vec<&str> = path.split('/').collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    match words.get(1).copied() {
        Some("bytes") => send_pattern(reader.get_mut(), number(2), u64::MAX, stop),
        Some("slow") => send_pattern(reader.get_mut(), number(2), number(3).max(1), stop),
        Some("sink") => {
            let word = sink(&mut reader, body_len)?;
            respond(reader.get_mut(), &word)
        }
        _ => {
            let peer = reader.get_ref().peer_addr()?.ip().to_canonical().to_string();
            respond(reader.get_mut(), &peer)
        }
    }
}

fn respond(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    stream.write_all((head + text).as_bytes())
}

fn send_pattern(stream: &mut TcpStream, len: u64, rate: u64, stop: &AtomicBool) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let start = Instant::now();
    let mut at = 0;
    while at < len && !stop.load(Ordering::Relaxed) {
        let size = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
        stream.write_all(&pattern(at, size))?;
        at += size as u64;
        let due = Duration::from_secs_f64(at as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    Ok(())
}

fn sink(reader: &mut BufReader<TcpStream>, len: u64) -> std::io::Result<String> {
    let mut at = 0;
    let mut same = true;
    let mut buf = vec![0; CHUNK];
    while at < len {
        let want = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
        let got = reader.read(&mut buf[..want])?;
        if got == 0 {
            break;
        }
        same &= buf[..got] == pattern(at, got);
        at += got as u64;
    }
    Ok(format!("{at} bytes, {}", if same { "intact" } else { "DAMAGED" }))
}

/// `len` bytes from position `at` of a stream in which no two stretches are alike.
#[must_use]
pub fn pattern(at: u64, len: usize) -> Vec<u8> {
    (at..).take(len).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_one_stream_and_not_periodic() {
        let whole = pattern(0, 5000);
        assert_eq!(whole[1234..2234], pattern(1234, 1000));
        assert_ne!(whole[..256], whole[256..512]);
    }
}
