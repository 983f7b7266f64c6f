//! The network changes under a running `clat-cli run`, which is never restarted.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::judge::Judge;
use clat_netlab::lab::NATIVE_V4;
use clat_netlab::scenes::{
    download_survives_a_second_uplink_and_a_lost_carrier, mtu_follows_the_router, on_uplink,
    uplink_is_cut_and_another_comes, works,
};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need, wait_for};
use rustix::process::Signal;
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn the_uplink_is_cut_and_another_comes() -> Result<()> {
    if !need::met("roaming: uplinks", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &[])?;
    uplink_is_cut_and_another_comes(&lab, &mut clat, |_| Ok(()))?;
    clat.stop(Signal::TERM)?;
    judge.verdict()
}

#[test]
fn a_download_survives_a_second_uplink_and_a_lost_carrier() -> Result<()> {
    if !need::met("roaming: carrier", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &[])?;
    download_survives_a_second_uplink_and_a_lost_carrier(&lab, &mut clat)
}

#[test]
fn native_ipv4_comes_and_goes() -> Result<()> {
    if !need::met("roaming: native IPv4", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    works(&lab)?;
    lab.native_ipv4(true)?;
    let native = || (lab.address_seen().ok()? == NATIVE_V4).then_some(());
    ensure!(wait_for(Duration::from_secs(5), native).is_some(), "the native route is not used");
    clat.wait_status("off", Duration::from_secs(5), |s| s["state"] != "active")?;
    ensure!(lab.address_seen()? == NATIVE_V4);
    lab.native_ipv4(false)?;
    clat.wait_state("active")?;
    works(&lab)?;
    ensure!(lab.address_seen()? != NATIVE_V4);
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn it_waits_for_native_ipv4_to_go() -> Result<()> {
    if !need::met("roaming: native IPv4 first", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    lab.native_ipv4(true)?;
    let mut clat = Clat::run(&lab, &[])?;
    std::thread::sleep(Duration::from_millis(1500));
    let status = clat.wait_status("told", LIMIT, |s| s["state"].is_string())?;
    ensure!(status["state"] != "active", "native IPv4 is there: {status}");
    lab.native_ipv4(false)?;
    clat.wait_state("active")?;
    works(&lab)
}

#[test]
fn the_mtu_follows_the_uplink() -> Result<()> {
    if !need::met("roaming: MTU", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    lab.inet.answer_echoes_with_df()?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["clat"]["mtu"] == 1472, "{s}");
    mtu_follows_the_router(&lab, &mut clat)?;
    Ok(())
}

#[test]
fn the_address_of_the_clat_is_taken_already() -> Result<()> {
    if !need::met("roaming: DAD clash", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).with_dad().build()?;
    let address = |s: &Value| s["clat"]["ipv6"].as_str().map(str::to_owned).context("clat.ipv6");
    let mut clat = Clat::run(&lab, &[])?;
    let first = address(&clat.wait_state("active")?)?;
    clat.stop(Signal::TERM)?;
    let mut clat = Clat::run(&lab, &[])?;
    let again = address(&clat.wait_state("active")?)?;
    ensure!(first == again, "the address is not stable on one network: {first}, then {again}");
    clat.stop(Signal::TERM)?;
    let before = Snapshot::take(&lab.host)?;
    lab.edges[0].ns.ip(&format!("addr add {first}/128 dev lan0 nodad"))?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_status("active", LIMIT, |s| s["state"] == "active")?;
    ensure!(address(&s)? != first, "it took the address of its neighbour");
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn the_router_goes_away_and_comes_back() -> Result<()> {
    if !need::met("roaming: router", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    lab.edges[0].ra.set(|ra| (ra.router_lifetime_s, ra.pref64[0].1) = (0, 0));
    clat.wait_status("off", Duration::from_secs(5), |s| s["state"] != "active")?;
    lab.edges[0].ra.set(|ra| (ra.router_lifetime_s, ra.pref64[0].1) = (1800, 1800));
    clat.wait_state("active")?;
    works(&lab)
}

/// As over a suspend: the program hears of nothing, and then of everything at once.
#[test]
fn a_program_that_slept_through_changes_finds_its_way() -> Result<()> {
    if !need::met("roaming: asleep", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().two_uplinks().build()?;
    // A link has its queueing discipline from the first time on that it is up.
    lab.link_up(1)?;
    lab.link_down(1)?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(on_uplink(&s, "up0"), "{s}");
    let addr = s["clat"]["ipv6"].clone();
    works(&lab)?;
    clat.signal(Signal::STOP);
    lab.native_ipv4(true)?;
    lab.native_ipv4(false)?;
    for _ in 0..20 {
        lab.link_down(0)?;
        lab.host.ip("link set up0 up")?;
    }
    lab.link_up(0)?;
    clat.signal(Signal::CONT);
    let again = |s: &Value| s["state"] == "active" && on_uplink(s, "up0") && s["clat"]["ipv6"] == addr;
    clat.wait_status("awake on the same network", Duration::from_secs(15), again)?;
    works(&lab).context("the same network")?;
    clat.signal(Signal::STOP);
    lab.link_down(0)?;
    lab.link_up(1)?;
    clat.signal(Signal::CONT);
    let moved = |s: &Value| s["state"] == "active" && on_uplink(s, "up1");
    clat.wait_status("awake on another network", Duration::from_secs(15), moved)?;
    works(&lab).context("another network")?;
    lab.link_down(1)?;
    lab.link_up(0)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}
