//! From exec to the first packet.

use super::bed::{lead_to_tun, our_command, two_hosts};
use super::table::median;
use anyhow::{Context, Result};
use clat_netlab::proc::Daemon;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

const LAB: u32 = 9100;
const PORT: u16 = 9002;

/// Milliseconds from `exec` to the first echo over a device that exists already; the median.
pub(super) fn first_echo(program: &Path, rounds: usize) -> Result<f64> {
    let (app, server) = two_hosts(LAB)?;
    app.ip("tuntap add dev clat0 mode tun")?;
    lead_to_tun(&app)?;
    let echo = server.enter(|| UdpSocket::bind(("64:ff9b::c0af:3007", PORT)))??;
    let client = app.enter(|| UdpSocket::bind(("192.0.0.1", 0)))??;
    client.connect(("192.175.48.7", PORT))?;
    client.set_read_timeout(Some(Duration::from_micros(200)))?;
    let log = std::env::temp_dir().join(format!("bench-e2e-start-{}.log", std::process::id()));
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buf = [0; 2];
            while let Ok((1, from)) = echo.recv_from(&mut buf) {
                let _ = echo.send_to(&buf[..1], from);
            }
        });
        for _ in 0..rounds.max(1) {
            let start = Instant::now();
            let running = Daemon::spawn(&app, our_command(program, 1), &log);
            let answered = running.is_ok() && wait_for_echo(&client);
            times.push(start.elapsed().as_secs_f64() * 1e3);
            if !answered {
                times.clear();
                break;
            }
            drop(running);
            // The answers of this round are not the next one's.
            std::thread::sleep(Duration::from_millis(100));
            while client.recv(&mut [0; 2]).is_ok() {}
        }
        // Two bytes end the echo.
        let _ = server.enter(|| UdpSocket::bind(("::", 0))?.send_to(&[0; 2], ("64:ff9b::c0af:3007", PORT)));
    });
    let _ = std::fs::remove_file(log);
    median(times.into_iter()).context("the program did not carry a packet within 5 s")
}

fn wait_for_echo(client: &UdpSocket) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        let _ = client.send(&[1]);
        if client.recv(&mut [0; 2]).is_ok() {
            return true;
        }
    }
    false
}
