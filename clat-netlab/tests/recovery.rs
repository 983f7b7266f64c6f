//! `kill -9` at any moment: the next start, or `stop --recover`, puts the host back.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::client::answers;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need, wait_for};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);

fn lab() -> Result<Lab> {
    Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()
}

fn recover(lab: &Lab) -> Result<()> {
    let out = clat_cli(lab, &["stop", "--recover"])?;
    ensure!(out.status.success(), "stop --recover: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

#[test]
fn killed_started_and_stopped() -> Result<()> {
    if !need::met("recovery: start", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    clat.kill();
    let left = Snapshot::take(&lab.host)?;
    ensure!(before.same_as(&left).is_err(), "nothing was left to undo: the scene shows nothing");
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(3)), "it does not work after a crash");
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn killed_and_recovered_without_a_start() -> Result<()> {
    if !need::met("recovery: stop --recover", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    clat.kill();
    recover(&lab)?;
    before.same_as(&Snapshot::take(&lab.host)?)?;
    recover(&lab).context("a second time there is nothing to do, and that is no error")?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

/// Kills it at its first, `every`-th, ... call of `syscall`, from start to stop, and recovers each time.
/// How many times it was killed.
fn kill_at_each(lab: &Lab, syscall: &str, every: usize) -> Result<usize> {
    let before = Snapshot::take(&lab.host)?;
    for (times, n) in (1..400).step_by(every).enumerate() {
        let inject = format!("inject={syscall}:signal=KILL:when={n}");
        let strace =
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={syscall}"), "-e", &inject];
        let mut clat = Clat::run_under(lab, &strace, &[])?;
        let started = wait_for(Duration::from_secs(10), || {
            let active = clat.status().is_ok_and(|s| s["state"] == "active");
            (active || clat.ended()).then_some(())
        });
        ensure!(started.is_some(), "neither active nor killed at {syscall} {n}; log:\n{}", clat.log());
        if !clat.ended() {
            // It may be killed over it, so that nobody answers.
            let _ = clat_cli(lab, &["stop"])?;
        }
        if clat.wait_end()?.success() {
            before.same_as(&Snapshot::take(&lab.host)?).context("never killed")?;
            return Ok(times);
        }
        recover(lab)?;
        before.same_as(&Snapshot::take(&lab.host)?).with_context(|| format!("killed at {syscall} {n}"))?;
    }
    anyhow::bail!("it never ended without being killed")
}

#[test]
fn killed_at_every_record_of_the_journal() -> Result<()> {
    if !need::met("recovery: every step", &["strace"]) {
        return Ok(());
    }
    let times = kill_at_each(&lab()?, "fdatasync", 1)?;
    ensure!(times >= 12, "killed {times} times only: the journal is not synced before each change");
    Ok(())
}

#[test]
fn killed_between_the_changes() -> Result<()> {
    if !need::met("recovery: between steps", &["strace"]) {
        return Ok(());
    }
    let times = kill_at_each(&lab()?, "sendto", 3)?;
    ensure!(times >= 10, "killed {times} times only");
    Ok(())
}

#[test]
fn what_somebody_else_changed_meanwhile_is_respected() -> Result<()> {
    if !need::met("recovery: others", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    clat.kill();
    // The administrator now wants a router: the value is theirs, although it is the one that was set.
    lab.host.set_sysctl("ipv6/conf/up0/proxy_ndp", "0")?;
    lab.host.ip("addr add 2001:db8:a::cafe/64 dev up0 nodad")?;
    lab.host.ip("route add 10.0.0.0/8 dev up0")?;
    recover(&lab)?;
    let after = Snapshot::take(&lab.host)?;
    ensure!(after.mentions("2001:db8:a::cafe") && after.mentions("10.0.0.0/8"), "foreign changes are undone");
    ensure!(lab.host.sysctl("ipv6/conf/up0/proxy_ndp")? == "0");
    ensure!(!after.mentions("192.0.0."), "something of the CLAT is left");
    Ok(())
}

/// Indices are given out anew: by the next start, that of the uplink may be another interface's.
#[test]
fn another_interface_with_the_index_of_the_lost_uplink_is_left() -> Result<()> {
    if !need::met("recovery: reused index", &[]) {
        return Ok(());
    }
    const SWITCHES: [(&str, &str); 4] = [
        ("ipv6/conf/other0/forwarding", "1"),
        ("ipv6/conf/other0/proxy_ndp", "1"),
        ("ipv6/conf/other0/accept_ra", "2"),
        ("ipv6/neigh/other0/proxy_delay", "0"),
    ];
    let lab = lab()?;
    let mut clat = Clat::run(&lab, &[])?;
    let status = clat.wait_state("active")?;
    let index = status["uplink"]["index"].as_u64().context("uplink.index")?;
    clat.kill();
    lab.host.ip("link del up0")?;
    lab.host.ip(&format!("link add other0 index {index} type veth peer name far0"))?;
    // As the uplink was, and by somebody else.
    for (switch, value) in SWITCHES {
        lab.host.set_sysctl(switch, value)?;
    }
    let forced = lab.host.set_sysctl("ipv6/conf/other0/force_forwarding", "1").is_ok();
    let mut clat = Clat::run(&lab, &[])?;
    // Before it is there, the status is "stopped".
    clat.wait_status("running", Duration::from_secs(10), |s| s["pid"].is_u64())?;
    ensure!(clat.log().contains("a crashed instance left this"), "nothing was undone: {}", clat.log());
    clat.stop(Signal::TERM)?;
    for (switch, value) in SWITCHES {
        let found = lab.host.sysctl(switch)?;
        ensure!(found == value, "{switch} was {value} and is {found}");
    }
    ensure!(!forced || lab.host.sysctl("ipv6/conf/other0/force_forwarding")? == "1", "force_forwarding");
    ensure!(!Snapshot::take(&lab.host)?.mentions("192.0.0."), "something of the CLAT is left");
    Ok(())
}
