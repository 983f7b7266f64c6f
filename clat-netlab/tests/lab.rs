//! The lab proves itself with a plain IPv6 client: what fails here is not the CLAT's fault.

use anyhow::{Result, ensure};
use clat_core::Pref64;
use clat_netlab::client::{dig, download, ping, traceroute, udp_echo, upload};
use clat_netlab::dns::{BIG, Dns64, WEB};
use clat_netlab::judge::Judge;
use clat_netlab::lab::{CORE_V6, EDGE, NATIVE_V4, SERVER_V4};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need, wait_for};
use std::net::IpAddr;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

fn embedded(pref64: Pref64) -> IpAddr {
    IpAddr::V6(pref64.embed(SERVER_V4))
}

#[test]
fn a_plain_ipv6_client_reaches_the_ipv4_server_by_each_prefix_length() -> Result<()> {
    if !need::met("lab: six prefix lengths", &[]) {
        return Ok(());
    }
    let six = ["64:ff9b::/96", "3fff:64::/64", "3fff:56:0:4600::/56", "3fff:48:5::/48"];
    let rest = ["3fff:40:600::/40", "3fff:32::/32"];
    for prefixes in [&six[..], &rest[..]] {
        let prefixes = prefixes.iter().map(|p| p.parse()).collect::<Result<Vec<Pref64>, _>>()?;
        let lab = Lab::builder().nat64(&prefixes).build()?;
        let judge = Judge::new(&[&lab.host, &lab.inet])?;
        for pref64 in prefixes {
            download(&lab.host, embedded(pref64), 200_000, LIMIT)?;
        }
        judge.verdict()?;
    }
    Ok(())
}

#[test]
fn uploads_fragments_and_hops_of_a_plain_ipv6_client() -> Result<()> {
    if !need::met("lab: traffic", &["traceroute"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let server = embedded(Pref64::WELL_KNOWN);
    upload(&lab.host, lab.dir(), server, 200_000, LIMIT)?;
    udp_echo(&lab.host, server, 4000)?;
    ensure!(ping(&lab.host, server, 1480, true)?.answered);
    let hops = traceroute(&lab.host, server)?;
    ensure!(hops.contains(&CORE_V6.to_string()), "no IPv6 hop in {hops:?}");
    ensure!(hops.last() == Some(&server.to_string()), "{hops:?}");
    Ok(())
}

#[test]
fn the_path_shrinks_on_either_side_and_says_so() -> Result<()> {
    if !need::met("lab: path MTU", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let server = embedded(Pref64::WELL_KNOWN);
    lab.set_v6_path_mtu(1400)?;
    let pong = ping(&lab.host, server, 1450, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1400), "{}", pong.text);
    lab.set_v4_path_mtu(1300)?;
    let pong = ping(&lab.host, server, 1390, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1320), "{}", pong.text);
    download(&lab.host, server, 200_000, LIMIT)
}

#[test]
fn resolvers_answer_over_udp_and_tcp() -> Result<()> {
    if !need::met("lab: DNS", &["dig"]) {
        return Ok(());
    }
    let pref64 = "3fff:64::/64".parse()?;
    let lab = Lab::builder().dns64(Dns64::Synthesise(vec![pref64]), 60).build()?;
    let edge = IpAddr::V6(EDGE[0]);
    let found = dig(&lab.host, edge, &["AAAA", "ipv4only.arpa"])?;
    ensure!(found == "3fff:64::c0:0:aa00:0\n3fff:64::c0:0:ab00:0", "{found}");
    ensure!(dig(&lab.host, edge, &["A", WEB])? == SERVER_V4.to_string());
    ensure!(dig(&lab.host, edge, &["TXT", BIG])?.len() > 3000);
    lab.edges[0].dns.set(|dns| dns.dns64 = Dns64::NoData);
    ensure!(dig(&lab.host, edge, &["AAAA", "ipv4only.arpa"])?.is_empty());
    Ok(())
}

#[test]
fn native_ipv4_comes_and_goes_and_the_host_is_as_it_was() -> Result<()> {
    if !need::met("lab: native IPv4", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let before = Snapshot::take(&lab.host)?;
    lab.native_ipv4(true)?;
    ensure!(lab.address_seen()? == NATIVE_V4);
    ensure!(before.same_as(&Snapshot::take(&lab.host)?).is_err(), "a new address is a difference");
    lab.native_ipv4(false)?;
    ensure!(lab.address_seen().is_err());
    before.same_as(&Snapshot::take(&lab.host)?)?;
    lab.host.set_sysctl("ipv6/conf/up0/proxy_ndp", "1")?;
    ensure!(before.same_as(&Snapshot::take(&lab.host)?).is_err(), "a sysctl is a difference");
    Ok(())
}

#[test]
fn a_host_follows_the_advertisements_of_its_router() -> Result<()> {
    if !need::met("lab: router advertisements", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().build()?;
    let mtu = |value: &str| {
        wait_for(Duration::from_secs(3), || {
            (lab.host.sysctl("ipv6/conf/up0/mtu").ok()? == value).then_some(())
        })
    };
    ensure!(mtu("1500").is_some());
    lab.edges[0].ra.set(|ra| ra.mtu = Some(1400));
    ensure!(mtu("1400").is_some(), "the MTU option is not followed");
    lab.link_up(1)?;
    ensure!(ping(&lab.host, IpAddr::V6(EDGE[1]), 100, false)?.answered);
    lab.edges[0].ra.set(|ra| ra.router_lifetime_s = 0);
    let gone = wait_for(Duration::from_secs(3), || {
        lab.host.ip("-6 route show default dev up0").ok()?.trim().is_empty().then_some(())
    });
    ensure!(gone.is_some(), "the router is still a default router");
    Ok(())
}
