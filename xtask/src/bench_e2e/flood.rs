//! UDP as fast as the sender can: what arrives.

use super::bed::{Bed, pin};
use anyhow::{Context, Result};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use std::io::{ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PORT: u16 = 9000;
/// Datagrams in one `UDP_SEGMENT` send: below 64 KB with any header.
const SEGMENTS: usize = 44;

/// What arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Got {
    pub(super) datagrams: u64,
    bytes: u64,
}

impl Got {
    pub(super) fn gbit(self) -> f64 {
        self.bytes as f64 * 8.0 / 1e9
    }
}

/// Sender and receiver sockets, and where the sender sends to.
fn sockets(bed: &Bed, down: bool) -> Result<(UdpSocket, UdpSocket, SocketAddr)> {
    let (own, named) = bed.app_at(PORT);
    let client = bed.app.enter(|| UdpSocket::bind(own))?.context("the program's socket")?;
    let server = bed.server.enter(|| UdpSocket::bind(("::", PORT)))?.context("the server's socket")?;
    client.connect(bed.target_at(PORT))?;
    server.set_read_timeout(Some(Duration::from_secs(2)))?;
    // The flow begins with the program, and the server answers from the address that was asked.
    client.send(b"hello")?;
    let (_, from) = server.recv_from(&mut [0; 16]).context("no packet passes")?;
    anyhow::ensure!(from == named, "{from} instead of {named}");
    if !down {
        return Ok((client, server, bed.target_at(PORT)));
    }
    drop(server);
    let server = bed.server.enter(|| UdpSocket::bind(("64:ff9b::c0af:3007", PORT)))??;
    server.connect(named)?;
    Ok((server, client, named))
}

/// Sends with `send` from CPU 0 while `receive` takes from CPU 1, until the time is over.
fn race(
    time: Duration,
    mut send: impl FnMut() + Send,
    mut receive: impl FnMut() -> Option<Got> + Send,
) -> Result<Got> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            pin(1);
            let mut sum = Got::default();
            while !over.load(Ordering::Relaxed) {
                if let Some(got) = receive() {
                    sum.datagrams += got.datagrams;
                    sum.bytes += got.bytes;
                }
            }
            sum
        });
        let sender = scope.spawn(|| {
            pin(0);
            let start = Instant::now();
            while start.elapsed() < time {
                (0..16).for_each(|_| send());
            }
            over.store(true, Ordering::Relaxed);
        });
        sender.join().map_err(|_| anyhow::anyhow!("the sender failed"))?;
        receiver.join().map_err(|_| anyhow::anyhow!("the receiver failed"))
    })
}

/// One datagram a system call.
pub(super) fn datagrams(bed: &Bed, len: usize, down: bool, time: Duration) -> Result<Got> {
    let (from, to, _) = sockets(bed, down)?;
    to.set_read_timeout(Some(Duration::from_millis(20)))?;
    let (datagram, mut buf) = (vec![0x5a; len], vec![0; 2048]);
    race(
        time,
        || {
            // A full queue is part of a flood.
            let _ = from.send(&datagram);
        },
        || to.recv(&mut buf).ok().map(|n| Got { datagrams: 1, bytes: n as u64 }),
    )
}

/// Many datagrams a system call, as QUIC sends and receives them.
pub(super) fn segmented(bed: &Bed, size: usize, down: bool, time: Duration) -> Result<Got> {
    let (from, to, destination) = sockets(bed, down)?;
    let (sender, receiver) = (UdpSocketState::new((&from).into())?, UdpSocketState::new((&to).into())?);
    from.set_nonblocking(false)?;
    to.set_nonblocking(false)?;
    to.set_read_timeout(Some(Duration::from_millis(20)))?;
    let contents = vec![0x5a; size * SEGMENTS];
    let transmit =
        Transmit { destination, ecn: None, contents: &contents, segment_size: Some(size), src_ip: None };
    let mut buf = vec![0; 65_536];
    race(
        time,
        || {
            let _ = sender.try_send((&from).into(), &transmit);
        },
        || {
            let mut meta = [RecvMeta::default()];
            match receiver.recv((&to).into(), &mut [IoSliceMut::new(&mut buf)], &mut meta) {
                Ok(_) => {
                    let [meta] = meta;
                    let datagrams = meta.len.div_ceil(meta.stride.max(1)) as u64;
                    Some(Got { datagrams, bytes: meta.len as u64 })
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => None,
                Err(_) => None,
            }
        },
    )
}
