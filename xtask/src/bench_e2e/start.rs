//! From exec to the first packet.

use super::bed::{lead_to_tun, our_command, two_hosts};
use super::table::median;
use anyhow::{Context, Result, ensure};
use clat_netlab::Ns;
use clat_netlab::proc::Daemon;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

const LAB: u32 = 9100;
const PORT: u16 = 9002;

/// Milliseconds from `exec` to the first echo over a device that exists already; median and
/// fastest of the rounds.
pub(super) fn first_echo(program: &Path, rounds: usize) -> Result<(f64, f64)> {
    let (app, server) = two_hosts(LAB)?;
    app.ip("tuntap add dev clat0 mode tun")?;
    lead_to_tun(&app)?;
    let echo = server.enter(|| UdpSocket::bind(("64:ff9b::c0af:3007", PORT)))??;
    let client = app.enter(|| UdpSocket::bind(("192.0.0.1", 0)))??;
    client.connect(("192.175.48.7", PORT))?;
    client.set_read_timeout(Some(Duration::from_micros(200)))?;
    let times = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buf = [0; 2];
            while let Ok((1, from)) = echo.recv_from(&mut buf) {
                let _ = echo.send_to(&buf[..1], from);
            }
        });
        let times: Result<Vec<f64>> = (0..rounds.max(1)).map(|_| round(program, &app, &client)).collect();
        // Two bytes end the echo.
        let end = || UdpSocket::bind(("::", 0))?.send_to(&[0; 2], ("64:ff9b::c0af:3007", PORT));
        server.enter(end)??;
        times
    })?;
    let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
    Ok((median(times.into_iter()).context("no round")?, fastest))
}

/// Milliseconds of one start.
fn round(program: &Path, app: &Ns, client: &UdpSocket) -> Result<f64> {
    let log = std::env::temp_dir().join(format!("bench-e2e-start-{}.log", std::process::id()));
    let start = Instant::now();
    let running = Daemon::spawn(app, our_command(program, 1), &log)?;
    let answered = wait_for_echo(client);
    let time = start.elapsed();
    ensure!(answered, "the program did not carry a packet within 5 s: {}", running.log());
    drop(running);
    let _ = std::fs::remove_file(log);
    // The answers of this round are not the next one's.
    std::thread::sleep(Duration::from_millis(100));
    while client.recv(&mut [0; 2]).is_ok() {}
    Ok(time.as_secs_f64() * 1e3)
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
