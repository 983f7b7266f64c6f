//! `kill -9` at any moment: the next start, or `stop --recover`, puts the host back.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::client::answers;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
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

#[test]
fn killed_at_moments_all_along_the_start() -> Result<()> {
    if !need::met("recovery: moments", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    let whole = clat.age();
    clat.stop(Signal::TERM)?;
    for moment in 0..12 {
        let clat = Clat::run(&lab, &[])?;
        let at = whole * moment / 10;
        std::thread::sleep(at.saturating_sub(clat.age()));
        clat.kill();
        recover(&lab)?;
        before.same_as(&Snapshot::take(&lab.host)?).with_context(|| format!("killed after {at:?}"))?;
    }
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
