//! `clat-cli run --source pcap` while the link under it changes: routers, prefixes, the interface itself.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::client::answers;
use clat_netlab::lab::{PREFIX, SERVER_V4};
use clat_netlab::proc::Daemon;
use clat_netlab::ra::{Pio, RaConfig, RaSender};
use clat_netlab::scenes::works;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need, wait_for};
use rustix::process::Signal;
use serde_json::Value;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);
const FRAMES: [&str; 4] = ["--source", "pcap", "--uplink", "up0"];

fn is_active(status: &Value) -> bool {
    status["state"] == "active"
}

fn clat_v6(status: &Value) -> Result<String> {
    status["clat"]["ipv6"].as_str().map(str::to_owned).context("clat.ipv6")
}

#[test]
fn a_router_with_another_card_is_found_at_its_next_advertisement() -> Result<()> {
    if !need::met_frames("frames: router change", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    clat.wait_state("active")?;
    works(&lab)?;
    lab.edges[0].ns.ip("link set lan0 address 02:00:00:00:99:99")?;
    // An entry that has to age first takes 38 s (RFC 4861 section 10).
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(25)), "the router is not found again");
    works(&lab)?;
    clat.stop(Signal::INT)
}

#[test]
fn a_router_that_dies_makes_room_for_another() -> Result<()> {
    if !need::met_frames("frames: two routers", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let edge = &lab.edges[0];
    // The second router has a card of its own: the same machine behind a macvlan.
    edge.ns.ip("link add link lan0 name lan1 type macvlan mode bridge")?;
    edge.ns.set_sysctl("ipv6/conf/lan1/addr_gen_mode", "1")?;
    edge.ns.ip("link set lan1 address 02:00:00:00:02:02 up")?;
    edge.ns.ip("addr add fe80::2/64 dev lan1 nodad")?;
    let config = RaConfig { pref64: vec![(Pref64::WELL_KNOWN, 1800)], ..RaConfig::default() };
    let second = RaSender::start_as(&edge.ns, "lan1", "fe80::2".parse()?, config)?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let both = |s: &Value| is_active(s) && s["prefixes"].to_string().contains("fe80::2");
    clat.wait_status("told by both", Duration::from_secs(10), both)?;
    works(&lab)?;
    edge.ra.set(|ra| (ra.router_lifetime_s, ra.pref64[0].1) = (0, 0));
    edge.ra.set(|ra| ra.speaks = false);
    edge.ns.ip("addr del fe80::1/64 dev lan0")?;
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(20)), "the second router is not used");
    works(&lab)?;
    drop(second);
    clat.stop(Signal::TERM)
}

#[test]
fn another_prefix_makes_another_address() -> Result<()> {
    if !need::met_frames("frames: renumbering", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    lab.edges[0].ns.ip("addr add 2001:db8:a:1::1/64 dev lan0 nodad")?;
    lab.core.ip("route add 2001:db8:a:1::/64 via 2001:db8:100::1")?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    ensure!(clat_v6(&clat.wait_state("active")?)?.starts_with("2001:db8:a:0:"), "another prefix");
    works(&lab)?;
    lab.edges[0].ra.set(|ra| {
        let ended = Pio { valid_s: 0, preferred_s: 0, ..Pio::lasting(PREFIX[0]) };
        ra.prefixes = vec![ended, Pio::lasting("2001:db8:a:1::".parse().unwrap_or(PREFIX[1]))];
    });
    // RFC 4862 section 5.5.3: no advertisement ends an address at once; the administrator does.
    let listing = lab.host.ip("-6 -o addr show dev up0 scope global")?;
    let addresses = listing.lines().filter_map(|line| line.split_whitespace().nth(3));
    for address in addresses.filter(|a| !a.starts_with("2001:db8:a:1:")) {
        lab.host.ip(&format!("addr del {address} dev up0"))?;
    }
    let renumbered = |s: &Value| is_active(s) && clat_v6(s).is_ok_and(|a| a.starts_with("2001:db8:a:1:"));
    clat.wait_status("renumbered", LIMIT, renumbered)?;
    works(&lab)?;
    clat.stop(Signal::TERM)
}

#[test]
fn the_uplink_goes_away_and_comes_back() -> Result<()> {
    if !need::met_frames("frames: uplink removed", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let address = clat_v6(&clat.wait_state("active")?)?;
    works(&lab)?;
    for round in 1..=2 {
        lab.host.ip(&format!("link set up0 netns {}", lab.inet.name()))?;
        clat.wait_status("without an uplink", LIMIT, |s| !is_active(s))?;
        ensure!(!answers(&lab.host, SERVER, Duration::ZERO), "IPv4 still works");
        ensure!(!clat.ended(), "it ended with its uplink");
        lab.inet.ip(&format!("link set up0 netns {}", lab.host.name()))?;
        lab.host.skip_dad()?;
        lab.link_up(0)?;
        let status = clat.wait_status("back", LIMIT, is_active).with_context(|| format!("round {round}"))?;
        ensure!(clat_v6(&status)? == address, "another address on the same network: {status}");
        works(&lab).with_context(|| format!("round {round}"))?;
    }
    let log = clat.log();
    ensure!(log.matches("frames are heard on up0").count() == 3, "{log}");
    clat.stop(Signal::TERM)?;
    let after = Snapshot::take(&lab.host)?;
    ensure!(!after.mentions("192.0.0.") && !after.mentions(&address), "something is left");
    Ok(())
}

#[test]
fn what_a_killed_instance_left_is_taken_up_by_the_next() -> Result<()> {
    if !need::met_frames("frames: kill -9", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let address = clat_v6(&clat.wait_state("active")?)?;
    clat.kill();
    // The packet sockets went with it, and with them the group.
    let groups = lab.host.ip("maddr show dev up0")?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    ensure!(clat_v6(&clat.wait_state("active")?)? == address, "another address");
    ensure!(lab.host.ip("maddr show dev up0")? != groups, "the group is not joined again");
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn the_carrier_is_lost_and_the_link_set_down() -> Result<()> {
    if !need::met_frames("frames: carrier", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let address = clat_v6(&clat.wait_state("active")?)?;
    lab.carrier(0, false)?;
    std::thread::sleep(Duration::from_millis(700));
    lab.carrier(0, true)?;
    clat.wait_status("active", LIMIT, is_active)?;
    works(&lab).context("after the carrier came back")?;
    lab.link_down(0)?;
    clat.wait_status("off", LIMIT, |s| !is_active(s))?;
    lab.link_up(0)?;
    ensure!(clat_v6(&clat.wait_status("active", LIMIT, is_active)?)? == address);
    works(&lab).context("after the link was set up")?;
    clat.stop(Signal::TERM)
}

#[test]
fn an_address_that_a_neighbour_has_is_passed_over() -> Result<()> {
    if !need::met_frames("frames: address clash", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let first = clat_v6(&clat.wait_state("active")?)?;
    clat.stop(Signal::TERM)?;
    lab.edges[0].ns.ip(&format!("addr add {first}/128 dev lan0 nodad"))?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let status = clat.wait_status("active", LIMIT, is_active)?;
    ensure!(clat_v6(&status)? != first, "it took the address of its neighbour");
    works(&lab)?;
    clat.stop(Signal::TERM)
}

#[test]
fn a_neighbour_that_wants_the_address_is_told_that_it_is_taken() -> Result<()> {
    if !need::met_frames("frames: address defended", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let address = clat_v6(&clat.wait_state("active")?)?;
    let edge = &lab.edges[0].ns;
    edge.set_sysctl("ipv6/conf/lan0/accept_dad", "1")?;
    edge.set_sysctl("ipv6/conf/lan0/dad_transmits", "1")?;
    edge.ip(&format!("addr add {address}/128 dev lan0"))?;
    let refused = wait_for(Duration::from_secs(5), || {
        edge.ip("-6 addr show dev lan0 dadfailed").ok()?.contains(&address).then_some(())
    });
    ensure!(refused.is_some(), "the neighbour took it: {}", edge.ip("-6 addr show dev lan0")?);
    ensure!(clat_v6(&clat.status()?)? == address, "it gave up its address");
    edge.ip(&format!("addr del {address}/128 dev lan0"))?;
    works(&lab)?;
    clat.stop(Signal::TERM)
}

#[test]
fn a_neighbour_that_forgot_the_address_finds_it_again() -> Result<()> {
    if !need::met_frames("frames: stale neighbour cache", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let address = clat_v6(&clat.wait_state("active")?)?;
    works(&lab)?;
    let edge = &lab.edges[0].ns;
    edge.ip("neigh flush dev lan0")?;
    works(&lab).context("the router has forgotten everybody")?;
    edge.ip(&format!("neigh replace {address} lladdr 02:00:00:00:de:ad dev lan0 nud stale"))?;
    let start = Instant::now();
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(25)), "a wrong and stale entry is not replaced");
    eprintln!("the router corrected its entry within {:?}", start.elapsed());
    edge.ip(&format!("neigh replace {address} lladdr 02:00:00:00:64:00 dev lan0 nud stale"))?;
    works(&lab).context("a right and stale entry")?;
    let entry = edge.ip(&format!("neigh show {address} dev lan0"))?;
    ensure!(entry.contains("02:00:00:00:64:00"), "{entry}");
    clat.stop(Signal::TERM)
}

/// What a switch that snoops would go by: the report of the solicited-node group, and the answer to a query.
#[test]
fn rfc3810_the_group_is_reported_and_left_and_nobody_listens_to_everything() -> Result<()> {
    if !need::met_frames("frames: MLD", &["tcpdump"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let clat_v6 = "2001:db8:a::aa:4640";
    let mut sniffer = Command::new("tcpdump");
    sniffer.args(["-l", "-n", "-v", "-i", "lan0", "ip6[6] = 0 and ip6[40] = 58 and ip6[48] = 143"]);
    let sniffer = Daemon::spawn(&lab.edges[0].ns, sniffer, &lab.dir().join("mld.txt"))?;
    wait_for(LIMIT, || sniffer.log().contains("listening").then_some(()))
        .context("tcpdump does not start")?;
    let mut clat = Clat::run(&lab, &[&FRAMES[..], &["--clat-v6", clat_v6]].concat())?;
    clat.wait_state("active")?;
    let promiscuous = lab.host.ip("-d link show up0")?;
    ensure!(promiscuous.contains("promiscuity 0") && promiscuous.contains("allmulti 0"), "{promiscuous}");
    ensure!(!promiscuous.contains("PROMISC"), "{promiscuous}");
    let groups = || lab.host.ip("maddr show dev up0");
    ensure!(groups()?.contains("33:33:ff:aa:46:40"), "{}", groups()?);
    clat.stop(Signal::TERM)?;
    ensure!(!groups()?.contains("33:33:ff:aa:46:40"), "{}", groups()?);
    let said = |word: &str| {
        sniffer
            .log()
            .lines()
            .any(|line| line.contains("ff02::1:ffaa:4640") && line.contains(word))
            .then_some(())
    };
    for word in ["to_ex", "to_in"] {
        let heard = wait_for(Duration::from_secs(3), || said(word));
        ensure!(heard.is_some(), "no {word} of the group in\n{}", sniffer.log());
    }
    Ok(())
}
