//! What the program takes of the machine's memory, next to an empty program under the same Wine.

use super::Stage;
use super::data_path::ready;
use crate::windows::build;
use anyhow::{Context, Result, ensure};
use clat_netlab::lab::SERVER_V4;
use clat_netlab::proc::Daemon;
use clat_netlab::{Lab, client, wait_for};
use std::path::Path;
use std::time::Duration;

/// Ours may take this much more than an empty program, in kB; both rings, full once, are half of it.
const GOAL_KB: u64 = 8 << 10;

/// What curl fetches and sends.
const BYTES: usize = 3 << 20;

/// Does nothing with as many threads as it is told, for longer than the scene lasts. Wine writes to about 1 MB of each
/// thread's stack before the thread begins; Windows commits a few pages.
const EMPTY: &str = "
fn main() {
    let threads: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let long = std::time::Duration::from_secs(600);
    for _ in 1..threads {
        std::thread::spawn(move || std::thread::sleep(long));
    }
    std::thread::sleep(long);
}
";

pub(super) fn run(exe: &Path) -> Result<()> {
    let stage = Stage::new(Lab::builder().build()?, exe, false)?;
    let mut daemon = ready(&stage)?;
    let (host, server) = (&stage.lab.host, SERVER_V4.into());
    ensure!(client::answers(host, server, Duration::from_secs(10)), "log:\n{}", stage.log());
    // Each ring is gone through at least once, so that all of it is written to.
    client::download(host, server, BYTES, Duration::from_secs(90))?;
    client::upload(host, stage.lab.dir(), server, BYTES, Duration::from_secs(90))?;
    println!(
        "  curl http://{server}/ through clat-cli.exe and the NAT64: {BYTES} bytes down, {BYTES} bytes up, each right"
    );
    let threads = in_proc(daemon.id(), "status", "Threads:").context("it ended")?;
    let ours = settled(&mut daemon).with_context(|| format!("it ended; log:\n{}", stage.log()))?;
    stage.succeed(&["stop"])?;
    let base = empty(&stage, threads)?;
    let more = ours.saturating_sub(base);
    println!(
        "  private memory written to: clat-cli.exe {ours} kB; an empty program of {threads} threads under the same \
         Wine {base} kB"
    );
    println!("  the program's own: {more} kB (goal: less than {GOAL_KB})");
    ensure!(more < GOAL_KB, "{more} kB more than an empty program, the goal is {GOAL_KB}");
    stage.check_contract()
}

/// What an empty program of so many threads takes, in kB.
fn empty(stage: &Stage, threads: u64) -> Result<u64> {
    let exe = build::program(EMPTY, &stage.lab.dir().join("empty.rs"))?;
    let command = stage.wine(&[&exe.display().to_string(), &threads.to_string()]);
    let log = stage.lab.dir().join("empty.log");
    let mut daemon = Daemon::spawn(&stage.lab.host, command, &log)?;
    let started = || (in_proc(daemon.id(), "status", "Threads:")? >= threads).then_some(());
    wait_for(Duration::from_secs(20), started).with_context(|| format!("empty program: {}", daemon.log()))?;
    settled(&mut daemon).context("the empty program ended")
}

/// Private memory of a process that was written to, in kB, once it runs and has loaded what it needs.
fn settled(process: &mut Daemon) -> Option<u64> {
    const MOMENT: Duration = Duration::from_millis(500);
    let mut last = private_kb(process.id())?;
    for _ in 0..20 {
        std::thread::sleep(MOMENT);
        let next = process.ended().is_none().then(|| private_kb(process.id()))??;
        if next.abs_diff(last) < 64 {
            return Some(next);
        }
        last = next;
    }
    Some(last)
}

fn private_kb(pid: u32) -> Option<u64> {
    in_proc(pid, "smaps_rollup", "Private_Dirty:")
}

/// A number that Linux tells of a process.
fn in_proc(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
