//! Hours in seconds, or in hours: memory, descriptors and threads stay where they are.
//!
//! `CLAT_SOAK=3600 cargo test -p clat-netlab --test soak -- --nocapture` for an hour of it.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::client::{answers, download, ping, udp_echo};
use clat_netlab::judge::Judge;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use serde_json::Value;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);
/// Seconds of the form that runs with all other tests.
const SHORT: u64 = 20;
/// How much the program's own memory may grow after the first part, in KiB: what one thread's allocator takes
/// from the kernel at a time.
const GROWTH_KIB: u64 = 256;

/// What an instance holds of the machine.
#[derive(Clone, Copy, Debug)]
struct Holds {
    /// Memory that is its own, not a file's, in KiB.
    memory_kib: u64,
    descriptors: usize,
    threads: usize,
}

fn holds(pid: u64) -> Result<Holds> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("RssAnon")?;
    let memory_kib = line.trim().trim_end_matches(" kB").parse()?;
    let count =
        |what: &str| Ok::<_, std::io::Error>(std::fs::read_dir(format!("/proc/{pid}/{what}"))?.count());
    Ok(Holds { memory_kib, descriptors: count("fd")?, threads: count("task")? })
}

/// A round of everything that a host does and that happens to it.
fn round(lab: &Lab, clat: &mut Clat<'_>, number: u32) -> Result<()> {
    download(&lab.host, SERVER, 200_000, LIMIT)?;
    for len in [1, 1400, 5000] {
        udp_echo(&lab.host, SERVER, len)?;
    }
    ensure!(ping(&lab.host, SERVER, 64, true)?.answered, "no answer from {SERVER}");
    match number % 8 {
        // Nobody has this address: an error comes back. And larger than the path: one is made.
        1 => {
            let _ = ping(&lab.host, "192.175.48.99".parse()?, 64, true)?;
            let _ = ping(&lab.host, SERVER, 1481, true)?;
        }
        2 => clat.signal(Signal::HUP),
        4 => {
            lab.link_down(0)?;
            lab.link_up(0)?;
            clat.wait_state("active")?;
            ensure!(answers(&lab.host, SERVER, LIMIT), "no answer after the uplink came back");
        }
        6 => {
            let seconds = u16::try_from(600 + number % 1000)?;
            lab.edges[0].ra.set(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, seconds)]);
        }
        _ => {}
    }
    Ok(())
}

#[test]
fn memory_descriptors_and_threads_stay_as_they_are() -> Result<()> {
    if !need::met("soak", &[]) {
        return Ok(());
    }
    let seconds = std::env::var("CLAT_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(SHORT);
    let whole = Duration::from_secs(seconds);
    // The first part fills every list and cache: two turns of all rounds, and a minute of a long run.
    let first_part = Duration::from_secs(60).min(whole / 4);
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let before = Snapshot::take(&lab.host)?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &[])?;
    let pid = clat.wait_state("active")?["pid"].as_u64().context("no pid in the status")?;
    ensure!(answers(&lab.host, SERVER, LIMIT), "no answer from {SERVER}");
    let (start, mut number, mut settled) = (Instant::now(), 0, None);
    while start.elapsed() < whole || number < 24 {
        round(&lab, &mut clat, number).with_context(|| format!("round {number}"))?;
        number += 1;
        if settled.is_none() && number >= 16 && start.elapsed() >= first_part {
            settled = Some(holds(pid)?);
        }
        if seconds > SHORT {
            // A long run is about time, not about load.
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    // What comes and goes with an event has gone.
    let status = clat.wait_status("active", LIMIT, |s: &Value| s["state"] == "active")?;
    let (settled, end) = (settled.context("the first part never ended")?, holds(pid)?);
    let packets = status["counters"]["v4_to_v6"]["packets"].as_u64().unwrap_or(0);
    need::say(&format!("soak: {number} rounds in {:?}, {packets} packets out", start.elapsed()));
    need::say(&format!("soak: after the first part {settled:?}, at the end {end:?}"));
    ensure!(
        end.memory_kib <= settled.memory_kib + GROWTH_KIB,
        "it grew from {} to {} KiB",
        settled.memory_kib,
        end.memory_kib
    );
    ensure!(end.descriptors <= settled.descriptors, "descriptors: {settled:?}, then {end:?}");
    ensure!(end.threads <= settled.threads, "threads: {settled:?}, then {end:?}");
    judge.verdict()?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}
