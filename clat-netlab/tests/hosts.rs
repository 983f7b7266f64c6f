//! Hosts that are set up in other ways: strict filters, privacy addresses, containers, modems, firewalls.

use anyhow::{Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::client::{answers, download, ping, udp_echo};
use clat_netlab::judge::Judge;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, Ns, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);

fn works(ns: &Ns) -> Result<()> {
    ensure!(answers(ns, SERVER, Duration::from_secs(3)), "no answer from {SERVER}");
    download(ns, SERVER, 500_000, LIMIT)?;
    udp_echo(ns, SERVER, 3000)
}

fn nft(ns: &Ns, script: &str) -> Result<()> {
    let out = ns.output("nft", &[script])?;
    ensure!(out.status.success(), "nft: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

#[test]
fn strict_filters_and_privacy_addresses() -> Result<()> {
    if !need::met("hosts: sysctls", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build_without_link()?;
    for (key, value) in [
        ("ipv4/conf/all/rp_filter", "1"),
        ("ipv4/conf/default/rp_filter", "1"),
        ("ipv6/conf/all/use_tempaddr", "2"),
        ("ipv6/conf/default/use_tempaddr", "2"),
        ("ipv6/conf/up0/use_tempaddr", "2"),
        ("ipv6/conf/up0/addr_gen_mode", "3"),
        ("ipv6/conf/all/accept_redirects", "0"),
    ] {
        lab.host.set_sysctl(key, value)?;
    }
    lab.link_up(0)?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    works(&lab.host)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn a_container_behind_the_host() -> Result<()> {
    if !need::met("hosts: containers", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let guest = Ns::new(lab.number(), "guest")?;
    lab.host.cable("veth-guest", &guest, "eth0")?;
    lab.host.ip("addr add 10.88.0.1/24 dev veth-guest")?;
    guest.ip("addr add 10.88.0.2/24 dev eth0")?;
    guest.ip("route add default via 10.88.0.1")?;
    lab.host.set_sysctl("ipv4/ip_forward", "1")?;
    nft(
        &lab.host,
        "table ip nat { chain p { type nat hook postrouting priority 100; oifname \"clat\" masquerade; }; }",
    )?;
    let judge = Judge::new(&[&lab.host, &lab.inet, &guest])?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    works(&guest)?;
    let pong = ping(&guest, SERVER, 1500, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1472), "the container learns the MTU: {}", pong.text);
    works(&lab.host)?;
    judge.verdict()
}

#[test]
fn an_uplink_without_neighbours_such_as_a_modem() -> Result<()> {
    if !need::met("hosts: modem", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build_without_link()?;
    // Without address resolution both ends write their own card's address: the same one on both.
    lab.edges[0].ns.ip("link set lan0 down")?;
    lab.edges[0].ns.ip("link set lan0 address 02:00:00:00:64:00 arp off")?;
    lab.host.ip("link set up0 arp off")?;
    lab.carrier(0, true)?;
    lab.link_up(0)?;
    let before = Snapshot::take(&lab.host)?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    works(&lab.host)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)?;
    judge.verdict()
}

#[test]
fn a_firewall_of_the_host_that_forwards_nothing_is_not_called_well() -> Result<()> {
    if !need::met("hosts: firewall", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    nft(&lab.host, "table ip6 t { chain f { type filter hook forward priority 0; policy drop; }; }")?;
    let mut clat = Clat::run(&lab, &[])?;
    let fails = |s: &serde_json::Value| s["state"] == "active" && s["self_test"]["ok"] == false;
    clat.wait_status("failing its self-test", LIMIT, fails)?;
    let out = clat_cli(&lab, &["doctor"])?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    ensure!(!out.status.success(), "doctor is content:\n{text}");
    ensure!(text.contains("firewall") || text.contains("forward"), "doctor does not help:\n{text}");
    Ok(())
}
