//! `clat-cli run --source pcap` on a host that roams: frames are spoken on the uplink that the engine settles on, and
//! on no other.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::judge::Judge;
use clat_netlab::lab::{EDGE, PREFIX};
use clat_netlab::ra::{Pio, RaConfig, RaSender};
use clat_netlab::scenes::{
    download_survives_a_second_uplink_and_a_lost_carrier, on_uplink, uplink_is_cut_and_another_comes, works,
};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need, wait_for};
use rustix::process::Signal;
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const FRAMES: [&str; 2] = ["--source", "pcap"];

/// The packet sockets that hear everything of the interface: one for messages, one for packets.
fn ears(lab: &Lab, dev: &str) -> Result<usize> {
    const ALL_PROTOCOLS: &str = "0003";
    let line = lab.host.ip(&format!("-o link show dev {dev}"))?;
    let index = line.split(':').next().context("interface index")?.to_owned();
    let table = lab.host.enter(|| std::fs::read_to_string("/proc/thread-self/net/packet"))??;
    let sockets = table.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    Ok(sockets.filter(|s| s.get(3) == Some(&ALL_PROTOCOLS) && s.get(4) == Some(&index.as_str())).count())
}

fn ears_are(lab: &Lab, up0: usize, up1: usize) -> Result<()> {
    let found = || Some((ears(lab, "up0").ok()?, ears(lab, "up1").ok()?));
    let right = wait_for(Duration::from_secs(2), || (found() == Some((up0, up1))).then_some(()));
    ensure!(right.is_some(), "packet sockets on up0 and up1: {:?}, not {up0} and {up1}", found());
    Ok(())
}

#[test]
fn the_uplink_is_cut_and_another_comes() -> Result<()> {
    if !need::met_frames("frames: uplinks", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().ra_pref64(Pref64::WELL_KNOWN).build()?;
    lab.link_up(1)?;
    lab.link_down(1)?;
    let before = Snapshot::take(&lab.host)?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    uplink_is_cut_and_another_comes(&lab, &mut clat, |dev| {
        ears_are(&lab, usize::from(dev == "up0") * 2, usize::from(dev == "up1") * 2)
    })?;
    ensure!(lab.host.sysctl("ipv6/conf/all/forwarding")? == "0", "forwarding is on");
    clat.stop(Signal::TERM)?;
    ears_are(&lab, 0, 0)?;
    before.same_as(&Snapshot::take(&lab.host)?)?;
    judge.verdict()
}

/// As from Wi-Fi to cable: both are up, both routers are `fe80::1`, and the metric decides.
#[test]
fn a_better_uplink_takes_over_while_the_first_stays() -> Result<()> {
    if !need::met_frames("frames: better uplink", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().ra_pref64(Pref64::WELL_KNOWN).build()?;
    lab.host.set_sysctl("ipv6/conf/up1/ra_defrtr_metric", "100")?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    for round in 1..=2 {
        clat.wait_status("on up0", LIMIT, |s| on_uplink(s, "up0"))?;
        works(&lab).with_context(|| format!("up0, round {round}"))?;
        ears_are(&lab, 2, 0)?;
        lab.link_up(1)?;
        clat.wait_status("on up1", LIMIT, |s| on_uplink(s, "up1"))?;
        works(&lab).with_context(|| format!("up1, round {round}"))?;
        ears_are(&lab, 0, 2)?;
        lab.link_down(1)?;
    }
    clat.stop(Signal::TERM)
}

#[test]
fn a_download_survives_a_second_uplink_and_a_lost_carrier() -> Result<()> {
    if !need::met_frames("frames: download and carrier", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    download_survives_a_second_uplink_and_a_lost_carrier(&lab, &mut clat)
}

#[test]
fn an_uplink_that_was_named_is_not_left() -> Result<()> {
    if !need::met_frames("frames: named uplink", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().two_uplinks().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &[&FRAMES[..], &["--uplink", "up0"]].concat())?;
    clat.wait_status("on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    lab.link_up(1)?;
    lab.link_down(0)?;
    clat.wait_status("off", LIMIT, |s| s["state"] != "active")?;
    std::thread::sleep(Duration::from_secs(3));
    ensure!(clat.status()?["state"] != "active", "it took another uplink than the named one");
    ears_are(&lab, 0, 0)?;
    lab.link_up(0)?;
    clat.wait_status("back on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    works(&lab)?;
    ears_are(&lab, 2, 0)?;
    clat.stop(Signal::TERM)
}

#[test]
fn an_uplink_that_is_down_at_the_start_is_waited_for() -> Result<()> {
    if !need::met_frames("frames: uplink down", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build_without_link()?;
    let mut clat = Clat::run(&lab, &[&FRAMES[..], &["--uplink", "up0"]].concat())?;
    clat.wait_state("idle")?;
    lab.link_up(0)?;
    clat.wait_status("on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    works(&lab)?;
    clat.stop(Signal::TERM)
}

/// The card is the same, the network is another one: another router with the same address, another prefix, another
/// PREF64.
fn move_to_another_network(lab: &Lab) -> Result<RaSender> {
    let (from, to) = (&lab.edges[0].ns, &lab.edges[1].ns);
    lab.link_down(0)?;
    lab.edges[0].ra.set(|ra| ra.speaks = false);
    // The network of the second router is on this cable now; what was its own is unplugged.
    to.ip("link set lan0 down")?;
    from.ip(&format!("link set lan0 netns {} name moved0", to.name()))?;
    to.set_sysctl("ipv6/conf/moved0/addr_gen_mode", "1")?;
    to.ip("link set moved0 address 02:00:00:00:77:01 up")?;
    to.ip("addr add fe80::1/64 dev moved0 nodad")?;
    to.ip(&format!("addr add {}/64 dev moved0 nodad", EDGE[1]))?;
    let config = RaConfig {
        prefixes: vec![Pio::lasting(PREFIX[1])],
        pref64: vec![("3fff:64::/64".parse()?, 1800)],
        ..RaConfig::default()
    };
    let sender = RaSender::start(to, "moved0", config)?;
    lab.link_up(0)?;
    Ok(sender)
}

#[test]
fn the_same_card_in_another_network() -> Result<()> {
    if !need::met_frames("frames: another network", &[]) {
        return Ok(());
    }
    let pref64s = [Pref64::WELL_KNOWN, "3fff:64::/64".parse()?];
    let lab = Lab::builder().nat64(&pref64s).two_uplinks().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    clat.wait_status("on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    works(&lab)?;
    let _other = move_to_another_network(&lab)?;
    let moved = |s: &Value| {
        let starts = |field: &str, with: &str| s["clat"][field].as_str().is_some_and(|v| v.starts_with(with));
        on_uplink(s, "up0") && starts("ipv6", "2001:db8:b:") && s["pref64"]["prefix"] == "3fff:64::/64"
    };
    clat.wait_status("in the other network", LIMIT, moved)?;
    works(&lab)?;
    clat.stop(Signal::TERM)
}

/// As over a suspend: the program hears of nothing, and then of everything at once.
#[test]
fn a_program_that_slept_through_changes_finds_its_way() -> Result<()> {
    if !need::met_frames("frames: asleep", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().two_uplinks().build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    let s = clat.wait_status("on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    let addr = s["clat"]["ipv6"].clone();
    works(&lab)?;
    clat.signal(Signal::STOP);
    for _ in 0..20 {
        lab.link_down(0)?;
        lab.host.ip("link set up0 up")?;
    }
    lab.link_up(0)?;
    clat.signal(Signal::CONT);
    clat.wait_status("awake", LIMIT, |s| on_uplink(s, "up0") && s["clat"]["ipv6"] == addr)?;
    works(&lab).context("the same network")?;
    clat.signal(Signal::STOP);
    lab.link_down(0)?;
    lab.link_up(1)?;
    clat.signal(Signal::CONT);
    clat.wait_status("awake on another network", LIMIT, |s| on_uplink(s, "up1"))?;
    works(&lab).context("another network")?;
    ears_are(&lab, 0, 2)?;
    clat.stop(Signal::TERM)
}
