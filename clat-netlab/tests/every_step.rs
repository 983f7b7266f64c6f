//! Death at every single record of the journal, and so between any two steps of the plan.
//!
//! The program runs with a limit on the size of files: the kernel kills it (SIGXFSZ) in the middle of the record
//! that crosses the limit. The record before is on the disk, its step is done, and the journal ends with a torn
//! line.

use anyhow::{Context as _, Result, bail, ensure};
use clat_core::Pref64;
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::lab::SERVER_V4;
use clat_netlab::proc::Daemon;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn lab() -> Result<Lab> {
    Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()
}

/// Where the journal is, below the host's own `/run`.
fn journal(lab: &Lab) -> Result<PathBuf> {
    fn find(dir: &Path) -> Option<PathBuf> {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.flatten().map(|e| e.path()).collect();
        entries.sort();
        let here = entries.iter().find(|p| p.is_file() && p.ends_with("journal")).cloned();
        here.or_else(|| entries.iter().filter(|p| p.is_dir()).find_map(|p| find(p)))
    }
    find(&lab.dir().join("run")).context("no journal")
}

/// Where each record of the journal of an active instance ends, in bytes.
fn record_ends(lab: &Lab) -> Result<Vec<u64>> {
    let mut clat = Clat::run(lab, &[])?;
    clat.wait_state("active")?;
    let text = std::fs::read_to_string(journal(lab)?)?;
    clat.stop(Signal::TERM)?;
    let ends = text.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len() as u64;
        Some(*at)
    });
    Ok(ends.collect())
}

/// Runs it with no file longer than `limit` bytes. The log is a file as well: it goes nowhere.
fn run_limited(lab: &Lab, limit: u64) -> Result<Clat<'_>> {
    let limit = format!("--fsize={limit}:{limit}");
    Clat::run_under(lab, &["prlimit", &limit, "sh", "-c", "exec \"$0\" \"$@\" 2>/dev/null"], &[])
}

fn recover_and_compare(lab: &Lab, before: &Snapshot) -> Result<()> {
    let out = clat_cli(lab, &["stop", "--recover"])?;
    ensure!(out.status.success(), "stop --recover: {}", String::from_utf8_lossy(&out.stderr));
    before.same_as(&Snapshot::take(&lab.host)?)?;
    ensure!(journal(lab).is_err(), "a journal without an entry is left");
    Ok(())
}

#[test]
fn death_between_any_two_steps_of_the_start() -> Result<()> {
    if !need::met("every step of the start", &["prlimit"]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let ends = record_ends(&lab)?;
    ensure!(ends.len() > 6, "a plan of {} records is too short to be true", ends.len());
    // The last end is that of the whole journal: nothing comes after it.
    let (_, torn) = ends.split_last().context("records")?;
    let mut changed = 0;
    for end in torn {
        let mut clat = run_limited(&lab, end + 3)?;
        let exit = clat.wait_end()?;
        ensure!(exit.signal() == Some(Signal::XFSZ.as_raw()), "limit {end}: it ended with {exit}");
        changed += usize::from(before.same_as(&Snapshot::take(&lab.host)?).is_err());
        recover_and_compare(&lab, &before).with_context(|| format!("killed after {end} bytes of journal"))?;
    }
    // What was done to our own device goes with it.
    ensure!(changed > 4, "only {changed} of {} deaths left anything behind", torn.len());
    Ok(())
}

#[test]
fn death_between_any_two_steps_of_the_stop() -> Result<()> {
    if !need::met("every step of the stop", &["prlimit"]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let whole = *record_ends(&lab)?.last().context("records")?;
    // A record of an undo is about twenty bytes long.
    for limit in (0..).map(|n| whole + 3 + 20 * n) {
        let mut clat = run_limited(&lab, limit)?;
        clat.wait_state("active")?;
        clat.signal(Signal::TERM);
        let exit = clat.wait_end()?;
        if exit.success() {
            ensure!(limit > whole + 100, "it was not killed once");
            return before.same_as(&Snapshot::take(&lab.host)?);
        }
        ensure!(exit.signal() == Some(Signal::XFSZ.as_raw()), "limit {limit}: it ended with {exit}");
        recover_and_compare(&lab, &before)
            .with_context(|| format!("killed after {limit} bytes of journal"))?;
        if limit > whole + 2000 {
            bail!("it never ends by itself");
        }
    }
    Ok(())
}

/// How often the program is killed under load; `CLAT_KILLS=100` for a long run.
const KILLS: u32 = 8;

#[test]
fn death_under_load_at_random_moments() -> Result<()> {
    if !need::met("death under load", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    // Without a route a ping ends at once, and the next one tries again.
    let line = format!("while :; do ping -f -q -w 1 -s 1000 {SERVER_V4}; sleep 0.02; done");
    let mut flood = std::process::Command::new("sh");
    flood.args(["-c", &line]);
    let flood = Daemon::spawn(&lab.host, flood, &lab.dir().join("ping.log"))?;
    let kills = std::env::var("CLAT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.subsec_nanos();
    for kill in 0..kills {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = Duration::from_millis(u64::from(random >> 16) % 600);
        let clat = Clat::run(&lab, &[])?;
        std::thread::sleep(moment.saturating_sub(clat.age()));
        clat.kill();
        recover_and_compare(&lab, &before).with_context(|| format!("kill {kill} after {moment:?}"))?;
    }
    let log = flood.log();
    let answered = log.lines().filter(|line| line.contains("received") && !line.contains(" 0 received"));
    ensure!(answered.count() > 0, "there was no load: {log}");
    Ok(())
}
