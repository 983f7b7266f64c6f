//! What is taken away from a running CLAT is put back, and it works again without a restart.

use anyhow::{Result, ensure};
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
const LIMIT: Duration = Duration::from_secs(20);

fn lab() -> Result<Lab> {
    Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()
}

fn works_soon(lab: &Lab, what: &str) -> Result<()> {
    let answered = wait_for(LIMIT, || answers(&lab.host, SERVER, Duration::from_secs(1)).then_some(()));
    ensure!(answered.is_some(), "{what}: no answer from {SERVER}");
    Ok(())
}

#[test]
fn ipv6_is_switched_off_and_on_again() -> Result<()> {
    if !need::met("repairs: disable_ipv6", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    for round in ["once", "twice"] {
        lab.host.set_sysctl("ipv6/conf/all/disable_ipv6", "1")?;
        clat.wait_status("off", LIMIT, |s| s["state"] != "active")?;
        lab.host.set_sysctl("ipv6/conf/all/disable_ipv6", "0")?;
        clat.wait_status("on again", LIMIT, |s| s["state"] == "active")?;
        works_soon(&lab, round)?;
    }
    clat.stop(Signal::TERM)?;
    let same = wait_for(LIMIT, || before.same_as(&Snapshot::take(&lab.host).ok()?).ok());
    same.map_or_else(|| before.same_as(&Snapshot::take(&lab.host)?), Ok)
}

#[test]
fn somebody_flushes_addresses_and_routes() -> Result<()> {
    if !need::met("repairs: flush", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    for taken in [
        "route del default dev clat",
        "addr flush dev clat scope global",
        "link set clat down",
        "-6 route flush proto 100",
    ] {
        lab.host.ip(taken)?;
        if taken == "link set clat down" {
            lab.host.ip("link set clat up")?;
        }
        works_soon(&lab, taken)?;
    }
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn what_is_put_back_is_what_was_changed_in_this_namespace() -> Result<()> {
    if !need::met("repairs: two namespaces", &[]) {
        return Ok(());
    }
    let lab = lab()?;
    let fixed = ["--no-configure", "--pref64", "64:ff9b::/96", "--clat-v6", "2001:db8::464"];
    let mut other = Clat::run_under(&lab, &["unshare", "--net"], &fixed)?;
    other.wait_state("active")?;
    let out = clat_cli(&lab, &["stop", "--recover"])?;
    ensure!(out.status.success(), "stop --recover: {}", String::from_utf8_lossy(&out.stderr));
    ensure!(other.status()?["state"] == "active" && !other.ended(), "it was the other one that was stopped");
    other.stop(Signal::TERM)
}
