//! Networks and hosts of other kinds than the plain one.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::client::{Transfer, answers, curl, udp_echo};
use clat_netlab::judge::Judge;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::ra::{RaConfig, RaSender};
use clat_netlab::scenes::works;
use clat_netlab::servers::{Servers, pattern};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::tayga::start_as_clat;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_program_of_the_host_is_reached_from_the_ipv4_internet() -> Result<()> {
    if !need::met("networks: server behind the CLAT", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &[])?;
    let status = clat.wait_state("active")?;
    let local: IpAddr = status["clat"]["ipv4"].as_str().context("clat.ipv4")?.parse()?;
    let _servers = Servers::start(&lab.host, local)?;
    // The NAT64 of the lab is stateless: it lets the other side begin.
    let outside = lab.address_seen()?;
    let body = curl(&lab.inet, &format!("http://{outside}/bytes/300000"), LIMIT)?;
    ensure!(body == pattern(0, 300_000), "{} bytes came", body.len());
    udp_echo(&lab.inet, outside, 3000)?;
    judge.verdict()
}

#[test]
fn the_addresses_names_and_sizes_of_the_command_line_are_used() -> Result<()> {
    if !need::met("networks: flags", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let before = Snapshot::take(&lab.host)?;
    let v6 = "2001:db8:a::4:6:4";
    let flags = ["--clat-v4", "192.0.0.3", "--clat-v6", v6, "--tun", "xlat46", "--mtu", "1400"];
    let mut clat = Clat::run(&lab, &flags)?;
    let s = clat.wait_state("active")?;
    ensure!(s["clat"]["ipv4"] == "192.0.0.3" && s["clat"]["ipv6"] == v6 && s["clat"]["mtu"] == 1400, "{s}");
    let device = lab.host.ip("-4 addr show dev xlat46")?;
    ensure!(device.contains("192.0.0.3"), "{device}");
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn a_host_with_a_single_address_of_dhcpv6() -> Result<()> {
    if !need::met("networks: DHCPv6 only", &[]) {
        return Ok(());
    }
    let lab = Lab::builder()
        .ra_pref64(Pref64::WELL_KNOWN)
        .ra(|ra| ra.prefixes[0].autonomous = false)
        .build_without_link()?;
    lab.host.ip("link set up0 up")?;
    // What a DHCPv6 client does.
    lab.host.ip("addr add 2001:db8:a::d/128 dev up0 noprefixroute")?;
    lab.link_up(0)?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["clat"]["ipv6"].as_str().is_some_and(|a| a.starts_with("2001:db8:a:")), "{s}");
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn rfc8781_section_4_1_a_prefix_ends_with_its_lifetime() -> Result<()> {
    if !need::met("networks: PREF64 lifetime", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().without_resolver().ra(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, 8)]).build()?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    works(&lab)?;
    lab.edges[0].ra.set(|ra| ra.speaks = false);
    std::thread::sleep(Duration::from_secs(3));
    ensure!(clat.status()?["state"] == "active", "it ended before its time");
    clat.wait_status("off", Duration::from_secs(8), |s| s["state"] != "active")?;
    ensure!(!answers(&lab.host, SERVER, Duration::ZERO), "IPv4 still works");
    lab.edges[0].ra.set(|ra| ra.speaks = true);
    clat.wait_state("active")?;
    works(&lab)
}

#[test]
fn the_uplink_is_unplugged_for_good() -> Result<()> {
    if !need::met("networks: uplink removed", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().ra_pref64(Pref64::WELL_KNOWN).build()?;
    lab.link_up(1)?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    let first = s["uplink"]["name"].as_str().context("uplink.name")?.to_owned();
    works(&lab)?;
    lab.host.ip(&format!("link del {first}"))?;
    let other = if first == "up0" { "up1" } else { "up0" };
    let moved = |s: &serde_json::Value| s["state"] == "active" && s["uplink"]["name"] == other;
    clat.wait_status("on the other uplink", LIMIT, moved)?;
    works(&lab)?;
    lab.host.ip(&format!("link del {other}"))?;
    clat.wait_status("off", LIMIT, |s| s["state"] != "active")?;
    clat.stop(Signal::TERM)?;
    let after = Snapshot::take(&lab.host)?;
    ensure!(!after.mentions("192.0.0.") && !after.mentions("proxy:"), "something is left");
    ensure!(lab.host.sysctl("ipv6/conf/all/forwarding")? == "0", "forwarding is left on");
    Ok(())
}

#[test]
fn an_administrator_takes_something_away_and_it_ends_cleanly() -> Result<()> {
    if !need::met("networks: others meddle", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    let v6 = s["clat"]["ipv6"].as_str().context("clat.ipv6")?;
    lab.host.ip(&format!("neigh del proxy {v6} dev up0"))?;
    lab.host.ip("route del default dev clat")?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn another_program_is_the_clat_already() -> Result<()> {
    if !need::met("networks: another CLAT", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let before = Snapshot::take(&lab.host)?;
    let other = start_as_clat(&lab.host, lab.dir())?;
    let mut clat = Clat::run(&lab, &[])?;
    let aside = |s: &serde_json::Value| s["reason"] == "other-clat";
    let s = clat.wait_status("standing aside", Duration::from_secs(5), aside)?;
    ensure!(s["state"] != "active", "{s}");
    drop(other);
    clat.wait_state("active").context("the other one has gone")?;
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn two_routers_on_one_link_each_with_its_own_word() -> Result<()> {
    if !need::met("networks: two routers", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let edge = &lab.edges[0];
    edge.ns.ip("addr add fe80::2/64 dev lan0 nodad")?;
    let config = RaConfig { pref64: vec![(Pref64::WELL_KNOWN, 1800)], ..RaConfig::default() };
    let second = RaSender::start_as(&edge.ns, "lan0", "fe80::2".parse()?, config)?;
    let mut clat = Clat::run(&lab, &[])?;
    let both = |s: &serde_json::Value| {
        let all = s["prefixes"].to_string();
        s["state"] == "active" && all.contains("fe80::1") && all.contains("fe80::2")
    };
    clat.wait_status("told by both", Duration::from_secs(8), both)?;
    let transfer = Transfer::start(&lab.host, SERVER, 3_000_000, 1_000_000)?;
    // RFC 8781 section 4: it takes back its own word only.
    edge.ra.set(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, 0)]);
    let other = |s: &serde_json::Value| s["state"] == "active" && s["pref64"]["router"] == "fe80::2";
    clat.wait_status("on the other router's word", Duration::from_secs(5), other)?;
    transfer.finish()?;
    second.set(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, 0)]);
    clat.wait_status("off", Duration::from_secs(5), |s| s["state"] != "active")?;
    Ok(())
}

#[test]
fn the_uplink_of_the_command_line_is_used() -> Result<()> {
    if !need::met("networks: --uplink", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    lab.link_up(1)?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &["--uplink", "up1"])?;
    let s = clat.wait_state("active")?;
    ensure!(s["uplink"]["name"] == "up1", "{s}");
    ensure!(s["clat"]["ipv6"].as_str().is_some_and(|a| a.starts_with("2001:db8:b:")), "{s}");
    works(&lab)?;
    lab.link_down(1)?;
    clat.wait_status("off", LIMIT, |s| s["state"] != "active")?;
    lab.link_up(1)?;
    clat.wait_state("active")?;
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

/// RFC 6877 section 6.3, RFC 9663: a prefix of its own needs neither detection nor a proxy.
#[test]
fn a_prefix_that_is_routed_to_the_host_is_used() -> Result<()> {
    if !need::met("networks: delegated prefix", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().with_dad().build()?;
    lab.core.ip("route add 2001:db8:d::/64 via 2001:db8:100::1")?;
    lab.edges[0].ns.ip("route add 2001:db8:d::/64 via fe80::ff:fe00:6400 dev lan0")?;
    let before = Snapshot::take(&lab.host)?;
    let config = lab.dir().join("clat.toml");
    std::fs::write(&config, "clat-prefix = \"2001:db8:d::/64\"\n")?;
    let mut clat = Clat::run(&lab, &["--config", config.to_str().context("a path of ASCII")?])?;
    let s = clat.wait_state("active")?;
    ensure!(s["clat"]["ipv6"].as_str().is_some_and(|a| a.starts_with("2001:db8:d:")), "{s}");
    ensure!(!s["plan"].to_string().contains("proxy-neighbour"), "{s}");
    works(&lab)?;
    udp_echo(&lab.host, SERVER, 3000)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}
