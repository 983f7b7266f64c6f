//! How the router finds the CLAT address, and keeps finding it.

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
/// The host's card.
const MAC: &str = "02:00:00:00:64:00";

/// What the router knows of an address.
fn entry(lab: &Lab, addr: &str) -> String {
    lab.edges[0].ns.ip(&format!("-6 neigh show {addr} dev lan0")).unwrap_or_default()
}

#[test]
fn a_router_that_asks_the_address_itself_is_answered() -> Result<()> {
    if !need::met("neighbours: unreachability detection", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    let addr = s["clat"]["ipv6"].as_str().context("clat.ipv6")?;
    // RFC 4861 section 7.3.3: a router that doubts asks the address that it knows, three times.
    lab.edges[0].ns.ip(&format!("-6 neigh replace {addr} lladdr {MAC} dev lan0 nud probe"))?;
    let sure = || entry(&lab, addr).contains("REACHABLE").then_some(());
    wait_for(Duration::from_secs(3), sure)
        .with_context(|| format!("the router has: {}", entry(&lab, addr)))?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn a_rehearsal_does_not_speak_for_the_address() -> Result<()> {
    if !need::met("neighbours: rehearsal", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let out = clat_cli(&lab, &["run", "--dry-run"])?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let planned = text.split_once("192.0.0.1 is ").and_then(|(_, rest)| rest.split_once(','));
    let (addr, _) = planned.with_context(|| format!("no address in:\n{text}"))?;
    ensure!(entry(&lab, addr).is_empty(), "the router has: {}", entry(&lab, addr));
    Ok(())
}

#[test]
fn a_router_knows_the_address_before_the_first_packet() -> Result<()> {
    if !need::met("neighbours: introduction", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let config = lab.dir().join("clat.toml");
    std::fs::write(&config, "[self-test]\nenabled = false\n")?;
    let mut clat = Clat::run(&lab, &["--config", config.to_str().context("a path of ASCII")?])?;
    let s = clat.wait_state("active")?;
    let addr = s["clat"]["ipv6"].as_str().context("clat.ipv6")?;
    let known = || entry(&lab, addr).contains(MAC).then_some(());
    wait_for(Duration::from_secs(1), known)
        .with_context(|| format!("the router has: {}", entry(&lab, addr)))?;
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(3)), "no answer from {SERVER}");
    Ok(())
}
