//! The data path on devices of every kind: with and without offloads, one queue and several, small
//! and lossy links.

use anyhow::{Context as _, Result, ensure};
use clat_netlab::by_hand::{self, TUN};
use clat_netlab::client::{Transfer, download, ping, udp_echo, upload};
use clat_netlab::judge::Judge;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(30);
const WELL_KNOWN: &str = "64:ff9b::/96";

fn everything(lab: &Lab) -> Result<()> {
    download(&lab.host, SERVER, 3_000_000, LIMIT)?;
    upload(&lab.host, lab.dir(), SERVER, 3_000_000, LIMIT)?;
    for len in [1, 1400, 9000] {
        udp_echo(&lab.host, SERVER, len)?;
    }
    ensure!(ping(&lab.host, SERVER, 1260, true)?.answered);
    Ok(())
}

#[test]
fn the_program_with_and_without_offload_and_with_several_queues() -> Result<()> {
    if !need::met("devices: program", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let ways: [&[&str]; 3] = [&["--no-offload"], &["--queues", "2"], &["--queues", "3", "--no-offload"]];
    for more in ways {
        let clat = by_hand::start(&lab, WELL_KNOWN, more)?;
        everything(&lab).with_context(|| format!("{more:?}"))?;
        let eight: Vec<_> =
            (0..8).map(|_| Transfer::start(&lab.host, SERVER, 300_000, 10_000_000)).collect::<Result<_>>()?;
        for transfer in eight {
            transfer.finish().with_context(|| format!("{more:?}, eight at once"))?;
        }
        clat.stop(Signal::TERM)?;
        lab.host.ip(&format!("neigh del proxy {} dev up0", by_hand::CLAT_V6))?;
    }
    judge.verdict()
}

#[test]
fn an_uplink_without_offloads() -> Result<()> {
    if !need::met("devices: uplink", &["ethtool"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    lab.host.sh("ethtool -K up0 tx off rx off gro off gso off tso off")?;
    lab.edges[0].ns.sh("ethtool -K lan0 tx off rx off gro off gso off tso off")?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let _clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    everything(&lab)?;
    judge.verdict()
}

#[test]
fn the_smallest_link_that_ipv6_allows() -> Result<()> {
    if !need::met("devices: MTU 1280", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    lab.inet.answer_echoes_with_df()?;
    lab.host.ip("link set up0 mtu 1280")?;
    lab.edges[0].ns.ip("link set lan0 mtu 1280")?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let _clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    everything(&lab)?;
    // Only the uplink knows of 1280: its error comes back through the translator.
    let pong = ping(&lab.host, SERVER, 1261, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1260), "{}", pong.text);
    judge.verdict()
}

#[test]
fn a_link_that_loses_one_packet_in_fifty() -> Result<()> {
    if !need::met("devices: loss", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let lossy = "table ip6 netlab { chain forward { type filter hook forward priority 0; \
                 numgen random mod 50 0 counter drop; }; }";
    let out = lab.core.output("nft", &[lossy])?;
    ensure!(out.status.success(), "nft: {}", String::from_utf8_lossy(&out.stderr));
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let _clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    download(&lab.host, SERVER, 1_000_000, LIMIT)?;
    upload(&lab.host, lab.dir(), SERVER, 1_000_000, LIMIT)?;
    ensure!(!lab.core.sh("nft list ruleset")?.contains("counter packets 0"), "nothing was lost");
    judge.verdict()
}

#[test]
fn a_killed_program_takes_its_device_with_it() -> Result<()> {
    if !need::met("devices: kill", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    everything(&lab)?;
    clat.kill();
    ensure!(lab.host.ip(&format!("link show {TUN}")).is_err(), "the device is still there");
    Ok(())
}

#[test]
fn a_device_that_was_made_before_and_stays() -> Result<()> {
    if !need::met("devices: persistent", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    lab.host.ip(&format!("tuntap add dev {TUN} mode tun"))?;
    for _ in 0..2 {
        let clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
        everything(&lab)?;
        clat.stop(Signal::TERM)?;
        ensure!(lab.host.ip(&format!("link show {TUN}")).is_ok(), "somebody else's device is gone");
        lab.host.ip(&format!("addr flush dev {TUN}"))?;
        lab.host.ip(&format!("link set {TUN} down"))?;
        lab.host.ip(&format!("neigh del proxy {} dev up0", by_hand::CLAT_V6))?;
    }
    Ok(())
}
