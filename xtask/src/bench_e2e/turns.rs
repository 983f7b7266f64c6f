//! Request and response of one byte, one after the other: latency as exchanges a second.

use super::bed::{Bed, pin};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

const PORT: u16 = 9001;

/// Exchanges a second over TCP.
pub(super) fn tcp(bed: &Bed, time: Duration) -> Result<f64> {
    let listener = bed.server.enter(|| TcpListener::bind(("::", PORT)))??;
    let mut client = bed.app.enter(|| TcpStream::connect(bed.target_at(PORT)))??;
    let (mut server, _) = listener.accept()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pin(1);
            let mut byte = [0];
            while server.read_exact(&mut byte).is_ok() && server.write_all(&byte).is_ok() {}
        });
        let rate = count(time, move || {
            client.write_all(&[1])?;
            client.read_exact(&mut [0])
        });
        rate.context("TCP request/response")
    })
}

/// Exchanges a second over UDP.
pub(super) fn udp(bed: &Bed, time: Duration) -> Result<f64> {
    let server = bed.server.enter(|| UdpSocket::bind(("64:ff9b::c0af:3007", PORT)))??;
    let client = bed.app.enter(|| UdpSocket::bind(bed.app_at(PORT).0))??;
    client.connect(bed.target_at(PORT))?;
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            let mut buf = [0; 2];
            // Two bytes are the end.
            while let Ok((1, from)) = server.recv_from(&mut buf) {
                let _ = server.send_to(&buf[..1], from);
            }
        });
        let rate = count(time, || {
            client.send(&[1])?;
            client.recv(&mut [0]).map(drop)
        });
        client.send(&[0; 2])?;
        rate.context("UDP request/response")
    })
}

/// Repeats an exchange on CPU 0 until the time is over.
fn count(time: Duration, mut exchange: impl FnMut() -> std::io::Result<()> + Send) -> std::io::Result<f64> {
    std::thread::scope(|scope| {
        let counter = scope.spawn(move || {
            pin(0);
            let (start, mut done) = (Instant::now(), 0u32);
            while start.elapsed() < time {
                exchange()?;
                done += 1;
            }
            Ok(f64::from(done) / start.elapsed().as_secs_f64())
        });
        counter.join().unwrap_or_else(|_| Err(std::io::Error::other("the client failed")))
    })
}
