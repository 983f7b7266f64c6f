//! What a machine runs out of, and what breaks around the program: it says so or bears it, and leaves no trace.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::client::{Transfer, answers};
use clat_netlab::judge::Judge;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::proc::Daemon;
use clat_netlab::scenes::works;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::tayga::Tayga;
use clat_netlab::{Lab, need, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);

fn lab() -> Result<Lab> {
    Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()
}

/// Runs it until it is active or has ended, then ends it. Whether it became active, and what it said.
fn try_it(lab: &Lab, before: &[&str], args: &[&str]) -> Result<(bool, String)> {
    // The runs of a scene write to one file.
    let said_before = std::fs::read_to_string(lab.dir().join("clat.log")).map_or(0, |text| text.len());
    let mut clat = Clat::run_under(lab, before, args)?;
    let settled = wait_for(Duration::from_secs(6), || {
        let active = lab.host.ip("route show default").is_ok_and(|routes| routes.contains("dev clat"));
        (active || clat.ended()).then_some(active)
    });
    if settled == Some(true) {
        works(lab)?;
    }
    clat.signal(Signal::TERM);
    clat.wait_end().context("asked to end")?;
    Ok((settled == Some(true), clat.log().split_off(said_before)))
}

#[test]
fn out_of_descriptors() -> Result<()> {
    if !need::met("harden: descriptors", &["prlimit"]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let mut refused = 0;
    let mut works_with = None;
    for limit in [4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 64] {
        let limit_word = format!("--nofile={limit}:{limit}");
        let (active, log) =
            try_it(&lab, &["prlimit", &limit_word], &[]).with_context(|| format!("{limit} descriptors"))?;
        before.same_as(&Snapshot::take(&lab.host)?).with_context(|| format!("{limit} descriptors"))?;
        ensure!(!log.contains("panicked"), "{limit} descriptors: {log}");
        if active {
            works_with = works_with.or(Some(limit));
        } else {
            // Below that the dynamic linker and the shell fail, not the program.
            refused += u32::from(log.contains("oo many open files"));
        }
    }
    need::say(&format!(
        "harden: works with {works_with:?} descriptors, says what is missing {refused} times"
    ));
    ensure!(
        works_with.is_some() && refused > 0,
        "works with {works_with:?}, refused in words {refused} times"
    );
    Ok(())
}

#[test]
fn no_room_for_the_journal() -> Result<()> {
    if !need::met("harden: full disk", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let full = "mkdir -p /run/full && mount -t tmpfs -o size=16k,mode=755 tmpfs /run/full && \
                { cat /dev/zero >/run/full/fill 2>/dev/null || true; } && exec \"$0\" \"$@\"";
    let (active, log) = try_it(&lab, &["sh", "-c", full], &["--state-dir", "/run/full"])?;
    ensure!(!active, "it changes a host without a journal:\n{log}");
    ensure!(log.contains("No space left on device"), "it is not said:\n{log}");
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn a_read_only_place_for_the_journal() -> Result<()> {
    if !need::met("harden: read-only file system", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let read_only = "mount -o remount,bind,ro /run && exec \"$0\" \"$@\"";
    let (active, log) = try_it(&lab, &["sh", "-c", read_only], &[])?;
    ensure!(!active, "it changes a host without a journal:\n{log}");
    ensure!(log.contains("Read-only file system"), "it is not said:\n{log}");
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn two_instances_started_at_once() -> Result<()> {
    if !need::met("harden: two at once", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    for turn in 0..5 {
        let mut both = [Clat::run(&lab, &[])?, Clat::run(&lab, &[])?];
        let ended = wait_for(LIMIT, || both.iter_mut().position(Clat::ended));
        let loser = ended.with_context(|| format!("turn {turn}: both run"))?;
        let [mut first, mut second] = both;
        let (winner, loser) = if loser == 0 { (&mut second, &mut first) } else { (&mut first, &mut second) };
        ensure!(!loser.wait_end()?.success(), "turn {turn}: the loser is happy:\n{}", loser.log());
        winner.wait_state("active").with_context(|| format!("turn {turn}"))?;
        works(&lab).with_context(|| format!("turn {turn}"))?;
        winner.signal(Signal::TERM);
        ensure!(winner.wait_end()?.success(), "turn {turn}");
        before.same_as(&Snapshot::take(&lab.host)?).with_context(|| format!("turn {turn}"))?;
    }
    Ok(())
}

#[test]
fn the_nat64_is_started_anew() -> Result<()> {
    if !need::met("harden: NAT64 restart", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    works(&lab)?;
    let transfer = Transfer::start(&lab.host, SERVER, 1_500_000, 300_000)?;
    std::thread::sleep(Duration::from_secs(1));
    let pids = lab.plat.sh(&format!("ip netns pids {}", lab.plat.name()))?;
    for pid in pids.lines().filter_map(|line| line.trim().parse().ok()) {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if let (Some(pid), "tayga") = (Pid::from_raw(pid), name.trim()) {
            kill_process(pid, Signal::TERM)?;
        }
    }
    let gone = wait_for(LIMIT, || lab.plat.ip("link show nat64-0").is_err().then_some(()));
    ensure!(gone.is_some(), "the NAT64 does not end: the scene shows nothing");
    ensure!(!answers(&lab.host, SERVER, Duration::ZERO), "answers without a NAT64");
    // The same pool and the same file of mappings, as a reboot of the NAT64 has them.
    let _tayga = Tayga::start(&lab.plat, lab.dir(), 0, Pref64::WELL_KNOWN)?;
    works(&lab).context("after the restart")?;
    transfer.finish().context("a transfer over the restart")?;
    ensure!(clat.status()?["state"] == "active");
    judge.verdict()?;
    clat.stop(Signal::TERM)
}

#[test]
fn routes_that_flap() -> Result<()> {
    if !need::met("harden: routes", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    for n in 0..40 {
        lab.edges[0].ra.set(|ra| ra.router_lifetime_s = if n % 2 == 0 { 0 } else { 1800 });
        std::thread::sleep(Duration::from_millis(30));
    }
    let settled = |s: &Value| s["state"] == "active" && s["uplink"]["name"] == "up0";
    clat.wait_status("active again", LIMIT, settled)?;
    works(&lab).context("after the default route flapped")?;
    for _ in 0..20 {
        lab.host.ip("addr add 2001:db8:a::77/64 dev up0 nodad")?;
        lab.host.ip("-6 route add 2001:db8:77::/64 via fe80::1 dev up0")?;
        lab.host.ip("-6 route del 2001:db8:77::/64")?;
        lab.host.ip("addr del 2001:db8:a::77/64 dev up0")?;
    }
    clat.wait_status("active still", LIMIT, settled)?;
    works(&lab).context("after other routes flapped")?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn a_device_queue_that_overflows() -> Result<()> {
    if !need::met("harden: queue overflow", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let mut clat = Clat::run(&lab, &[])?;
    let status = clat.wait_state("active")?;
    let device = status["device"]["name"].as_str().context("a device")?.to_owned();
    lab.host.ip(&format!("link set {device} txqueuelen 20"))?;
    works(&lab)?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    // Nobody reads while the program stands still.
    clat.signal(Signal::STOP);
    let mut flood = Command::new("ping");
    flood.args(["-f", "-q", "-w", "2", "-s", "1000", &SERVER.to_string()]);
    let mut flood = Daemon::spawn(&lab.host, flood, &lab.dir().join("flood.log"))?;
    ensure!(flood.wait(LIMIT).is_some(), "ping does not end");
    clat.signal(Signal::CONT);
    let link = lab.host.ip(&format!("-s link show {device}"))?;
    let dropped = tx_dropped(&link).with_context(|| format!("no TX line in {link}"))?;
    ensure!(dropped > 0, "the queue never overflowed: the scene shows nothing: {link}");
    works(&lab).context("after the overflow")?;
    judge.verdict()?;
    clat.stop(Signal::TERM)
}

/// The fourth number of the line below `TX:`.
fn tx_dropped(link: &str) -> Option<u64> {
    let numbers = link.lines().skip_while(|line| !line.trim().starts_with("TX:")).nth(1)?;
    numbers.split_whitespace().nth(3)?.parse().ok()
}
