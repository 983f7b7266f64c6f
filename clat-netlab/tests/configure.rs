//! `clat-cli run` with a prefix given by hand configures the host, and leaves no trace.

use anyhow::{Context as _, Result, ensure};
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::client::{answers, download, ping, udp_echo};
use clat_netlab::judge::Judge;
use clat_netlab::lab::{CORE_V6, NATIVE_V4, SERVER_V4};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);
const BY_HAND: [&str; 4] = ["--pref64", "64:ff9b::/96", "--uplink", "up0"];

fn works(lab: &Lab) -> Result<()> {
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(3)), "no answer from {SERVER}");
    download(&lab.host, SERVER, 500_000, LIMIT)?;
    udp_echo(&lab.host, SERVER, 3000)
}

#[test]
fn sigterm_sigint_and_stop_leave_the_host_as_it_was() -> Result<()> {
    if !need::met("configure: stop", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let before = Snapshot::take(&lab.host)?;
    for end in ["SIGTERM", "SIGINT", "stop"] {
        let mut clat = Clat::run(&lab, &BY_HAND)?;
        clat.wait_state("active").context(end)?;
        works(&lab).context(end)?;
        ensure!(ping(&lab.host, IpAddr::V6(CORE_V6), 1500, true)?.answered, "native IPv6 is unharmed");
        match end {
            "SIGTERM" => clat.stop(Signal::TERM)?,
            "SIGINT" => clat.stop(Signal::INT)?,
            _ => {
                let out = clat_cli(&lab, &["stop"])?;
                ensure!(out.status.success(), "stop: {}", String::from_utf8_lossy(&out.stderr));
                ensure!(clat.wait_end()?.success());
            }
        }
        before.same_as(&Snapshot::take(&lab.host)?).context(end)?;
        ensure!(!answers(&lab.host, SERVER, Duration::ZERO), "IPv4 still works after {end}");
    }
    judge.verdict()
}

#[test]
fn what_the_administrator_had_set_before_stays() -> Result<()> {
    if !need::met("configure: earlier settings", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    lab.host.set_sysctl("ipv6/conf/up0/accept_ra", "2")?;
    lab.host.set_sysctl("ipv6/conf/all/forwarding", "1")?;
    lab.host.set_sysctl("ipv6/conf/up0/proxy_ndp", "1")?;
    lab.host.ip("neigh add proxy 2001:db8:a::beef dev up0")?;
    lab.host.ip("addr add 10.9.9.9/24 dev up0")?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &BY_HAND)?;
    clat.wait_state("active")?;
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn dry_run_prints_the_plan_and_does_nothing() -> Result<()> {
    if !need::met("configure: --dry-run", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let before = Snapshot::take(&lab.host)?;
    let out = clat_cli(&lab, &[&["run", "--dry-run"], &BY_HAND[..]].concat())?;
    let plan = String::from_utf8_lossy(&out.stdout).into_owned();
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    ensure!(plan.contains("2001:db8:a:") && plan.contains("192.0.0."), "no plan:\n{plan}");
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn a_second_instance_refuses_and_the_first_goes_on() -> Result<()> {
    if !need::met("configure: two instances", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut first = Clat::run(&lab, &BY_HAND)?;
    first.wait_state("active")?;
    let during = Snapshot::take(&lab.host)?;
    let mut second = Clat::run(&lab, &BY_HAND)?;
    ensure!(!second.wait_end()?.success(), "the second instance is happy:\n{}", second.log());
    during.same_as(&Snapshot::take(&lab.host)?)?;
    works(&lab)?;
    first.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn applications_do_not_use_the_address_of_the_clat() -> Result<()> {
    if !need::met("configure: source addresses", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let get = || lab.host.ip(&format!("-6 route get {CORE_V6}"));
    let before = get()?;
    let mut clat = Clat::run(&lab, &BY_HAND)?;
    let status = clat.wait_state("active")?;
    let clat_v6 = status["clat"]["ipv6"].as_str().context("clat.ipv6")?.to_owned();
    let during = get()?;
    ensure!(!during.contains(&clat_v6), "IPv6 programs use {clat_v6}: {during}");
    ensure!(before.split(" expires").next() == during.split(" expires").next(), "{before}{during}");
    Ok(())
}

#[test]
fn native_ipv4_is_never_beaten_even_by_force() -> Result<()> {
    if !need::met("configure: native IPv4", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    lab.native_ipv4(true)?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[&BY_HAND[..], &["--force"]].concat())?;
    clat.wait_state("active")?;
    ensure!(lab.address_seen()? == NATIVE_V4, "the CLAT's route beats the native one");
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn status_json_tells_the_contract() -> Result<()> {
    if !need::met("configure: status --json", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let mut clat = Clat::run(&lab, &BY_HAND)?;
    clat.wait_state("active")?;
    works(&lab)?;
    let seen = |s: &Value| s["counters"]["v4_to_v6"]["packets"].as_u64() > Some(20);
    let s = clat.wait_status("counting", Duration::from_secs(5), seen)?;
    ensure!(s["reason"].is_string() && s["version"].is_string(), "{s}");
    ensure!(s["uplink"]["name"] == "up0" && s["uplink"]["index"].is_u64(), "{s}");
    ensure!(s["pref64"]["prefix"] == "64:ff9b::/96" && s["pref64"]["source"] == "manual", "{s}");
    let v6: Ipv6Addr = s["clat"]["ipv6"].as_str().context("clat.ipv6")?.parse()?;
    ensure!(v6.segments()[..4] == [0x2001, 0xdb8, 0xa, 0], "{v6} is not in the uplink's /64");
    ensure!(s["clat"]["ipv4"].as_str().is_some_and(|a| a.starts_with("192.0.0.")), "{s}");
    ensure!(s["clat"]["mtu"] == 1472, "{s}");
    for way in ["v4_to_v6", "v6_to_v4"] {
        ensure!(s["counters"][way]["packets"].is_u64() && s["counters"][way]["bytes"].is_u64(), "{s}");
    }
    ensure!(s["counters"]["replies"].is_u64() && s["counters"]["drops"].is_object(), "{s}");
    ensure!(s["self_test"].is_object() || s["self_test"].is_null(), "{s}");
    for list in ["last_drops", "transitions", "plan"] {
        ensure!(s[list].is_array(), "{list}: {s}");
    }
    let last = s["transitions"].as_array().and_then(|all| all.last()).context("transitions")?;
    ensure!(last["to"] == "active" && last["from"].is_string() && last["reason"].is_string(), "{last}");
    Ok(())
}
