//! `clat-cli run` without arguments finds out by itself.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::client::answers;
use clat_netlab::dns::Dns64;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::need::say;
use clat_netlab::ra::Pio;
use clat_netlab::scenes::works;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);

fn other() -> Pref64 {
    "3fff:64::/64".parse().expect("a PREF64")
}

/// Looks again and again for a while: it must not be active.
fn stays_off(clat: &Clat<'_>, while_: Duration) -> Result<()> {
    let end = Instant::now() + while_;
    while Instant::now() < end {
        if let Ok(status) = clat.status() {
            ensure!(status["state"] != "active", "{status}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    clat.status().map(drop)
}

fn has_prefix(status: &Value, pref64: Pref64) -> bool {
    status["state"] == "active" && status["pref64"]["prefix"] == pref64.to_string()
}

#[test]
fn router_advertisement_only() -> Result<()> {
    if !need::met("discovery: RA", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["pref64"]["source"] == "ra" && s["pref64"]["router"] == "fe80::1", "{s}");
    let left = s["pref64"]["expires_in_s"].as_u64().context("expires_in_s")?;
    ensure!((1700..=1800).contains(&left), "{s}");
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn dns64_only() -> Result<()> {
    if !need::met("discovery: DNS64", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().nat64(&[other()]).dns64(Dns64::Synthesise(vec![other()]), 60).build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["pref64"]["source"] == "dns" && s["pref64"]["prefix"] == other().to_string(), "{s}");
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn the_resolver_of_a_router_advertisement_is_asked() -> Result<()> {
    if !need::met("discovery: RDNSS", &[]) {
        return Ok(());
    }
    let lab = Lab::builder()
        .without_resolver()
        .ra(|ra| ra.rdnss = vec![clat_netlab::lab::EDGE[0]])
        .dns64(Dns64::Synthesise(vec![Pref64::WELL_KNOWN]), 60)
        .build()?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["pref64"]["source"] == "dns", "{s}");
    works(&lab)
}

#[test]
fn rfc8781_section_5_1_an_advertisement_is_preferred_over_dns() -> Result<()> {
    if !need::met("discovery: RA over DNS", &[]) {
        return Ok(());
    }
    let lab = Lab::builder()
        .nat64(&[Pref64::WELL_KNOWN, other()])
        .dns64(Dns64::Synthesise(vec![Pref64::WELL_KNOWN]), 60)
        .build()?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["pref64"]["source"] == "dns", "{s}");
    lab.edges[0].ra.set(|ra| ra.pref64 = vec![(other(), 600)]);
    let ra = |s: &Value| has_prefix(s, other()) && s["pref64"]["source"] == "ra";
    clat.wait_status("on the RA's prefix", Duration::from_secs(5), ra)?;
    works(&lab)
}

#[test]
fn appears_after_start_is_withdrawn_and_replaced() -> Result<()> {
    if !need::met("discovery: changes", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().nat64(&[Pref64::WELL_KNOWN, other()]).without_resolver().build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    let waits = |s: &Value| s["state"] == "discovering" || s["state"] == "idle";
    clat.wait_status("waiting for a PREF64", Duration::from_secs(5), waits)?;
    let ra = &lab.edges[0].ra;
    ra.set(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, 600)]);
    clat.wait_state("active")?;
    works(&lab).context("appeared")?;
    ra.set(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, 0)]);
    clat.wait_status("off", Duration::from_secs(5), |s| s["state"] != "active")?;
    ensure!(!answers(&lab.host, SERVER, Duration::ZERO), "withdrawn, and still it works");
    ra.set(|ra| ra.pref64 = vec![(other(), 600)]);
    clat.wait_status("on the new prefix", Duration::from_secs(5), |s| has_prefix(s, other()))?;
    works(&lab).context("replaced after a gap")?;
    ra.set(|ra| ra.pref64 = vec![(other(), 0), (Pref64::WELL_KNOWN, 600)]);
    let back = |s: &Value| has_prefix(s, Pref64::WELL_KNOWN);
    clat.wait_status("on the first prefix again", Duration::from_secs(5), back)?;
    works(&lab).context("replaced at once")?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn what_is_no_pref64_is_ignored() -> Result<()> {
    if !need::met("discovery: bad input", &[]) {
        return Ok(());
    }
    let foreign = Dns64::Foreign(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x80));
    let lab = Lab::builder().dns64(foreign, 60).build()?;
    let clat = Clat::run(&lab, &[])?;
    let ra = &lab.edges[0].ra;
    // Forwarded from elsewhere: RFC 4861 section 6.1.2 asks for hop limit 255.
    ra.set(|ra| (ra.hop_limit, ra.pref64) = (64, vec![(Pref64::WELL_KNOWN, 600)]));
    stays_off(&clat, Duration::from_secs(1)).context("hop limit 64")?;
    // A reserved length code, and a length of three units.
    let mut reserved = vec![38, 2, 0x02, 0x5e, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    reserved.extend([38, 3, 0x02, 0x58, 0, 0x64, 0xff, 0x9b]);
    reserved.extend([0; 16]);
    ra.set(|ra| (ra.hop_limit, ra.pref64, ra.raw) = (255, Vec::new(), reserved));
    stays_off(&clat, Duration::from_secs(1)).context("malformed options")
}

#[test]
fn no_dns64_is_no_reason_to_start() -> Result<()> {
    if !need::met("discovery: NXDOMAIN", &[]) {
        return Ok(());
    }
    for dns64 in [Dns64::NxDomain, Dns64::NoData, Dns64::Silent] {
        let lab = Lab::builder().dns64(dns64.clone(), 60).build()?;
        let before = Snapshot::take(&lab.host)?;
        let clat = Clat::run(&lab, &[])?;
        stays_off(&clat, Duration::from_millis(1500)).with_context(|| format!("{dns64:?}"))?;
        clat.stop(Signal::TERM)?;
        before.same_as(&Snapshot::take(&lab.host)?)?;
    }
    Ok(())
}

#[test]
fn a_dns_prefix_is_asked_for_again_before_it_ends() -> Result<()> {
    if !need::met("discovery: DNS refresh", &[]) {
        return Ok(());
    }
    let lab = Lab::builder()
        .nat64(&[Pref64::WELL_KNOWN, other()])
        .dns64(Dns64::Synthesise(vec![Pref64::WELL_KNOWN]), 30)
        .build()?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    lab.edges[0].dns.set(|dns| dns.dns64 = Dns64::Synthesise(vec![other()]));
    // RFC 7050 section 3: again 10 s before the 30 s are over.
    clat.wait_status("on the new prefix", Duration::from_secs(25), |s| has_prefix(s, other()))?;
    works(&lab)
}

#[test]
fn a_host_that_does_not_listen_to_advertisements_still_hears_the_prefix() -> Result<()> {
    if !need::met("discovery: accept_ra 0", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build_without_link()?;
    lab.host.set_sysctl("ipv6/conf/up0/accept_ra", "0")?;
    lab.host.ip("link set up0 up")?;
    lab.host.ip("addr add 2001:db8:a::77/64 dev up0")?;
    lab.host.ip("route add default via fe80::1 dev up0")?;
    lab.link_up(0)?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn the_network_is_renumbered() -> Result<()> {
    if !need::met("discovery: renumbering", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let new = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0);
    lab.core.ip(&format!("route add {new}/64 via 2001:db8:100::1"))?;
    lab.edges[0].ns.ip("addr add 2001:db8:c::1/64 dev lan0 nodad")?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["clat"]["ipv6"].as_str().is_some_and(|a| a.starts_with("2001:db8:a:")), "{s}");
    works(&lab)?;
    lab.edges[0].ra.set(|ra| {
        ra.prefixes[0].preferred_s = 0;
        ra.prefixes.push(Pio::lasting(new));
    });
    let moved = |s: &Value| {
        s["state"] == "active" && s["clat"]["ipv6"].as_str().is_some_and(|a| a.starts_with("2001:db8:c:"))
    };
    clat.wait_status("in the new prefix", Duration::from_secs(10), moved)?;
    works(&lab)
}

#[test]
fn cold_start_from_link_up_to_the_first_answer() -> Result<()> {
    if !need::met("discovery: cold start", &[]) {
        return Ok(());
    }
    let lab =
        Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().with_dad().build_without_link()?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_status("up", Duration::from_secs(5), |s| s["state"].is_string())?;
    let start = Instant::now();
    lab.host.ip("link set up0 up")?;
    let tried = || {
        let out = lab.host.output("ping", &["-n", "-c1", "-W0.2", &SERVER.to_string()]).ok()?;
        out.status.success().then_some(())
    };
    clat_netlab::wait_for(Duration::from_secs(20), tried)
        .with_context(|| format!("no answer after 20 s; log:\n{}", clat.log()))?;
    say(&format!("cold start: first IPv4 answer {} ms after link up", start.elapsed().as_millis()));
    works(&lab)
}
