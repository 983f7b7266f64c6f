//! `clat-cli run --source pcap`: IPv6 as frames, nothing forwarded and nothing changed on the uplink.

use anyhow::{Context as _, Result, ensure};
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::client::{answers, download, ping, traceroute, udp_echo, upload};
use clat_netlab::judge::{Judge, counters};
use clat_netlab::lab::{HOP4, SERVER_V4};
use clat_netlab::scenes::{mtu_follows_the_router, transfer_over_a_path_that_shrinks};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);
const FRAMES: [&str; 4] = ["--source", "pcap", "--uplink", "up0"];

/// Resets and ICMPv6 errors that the host's kernel has sent.
fn kernel_errors(lab: &Lab) -> Result<Vec<(&'static str, u64)>> {
    let errors = [
        "Tcp.OutRsts",
        "Icmp6OutDestUnreachs",
        "Icmp6OutTimeExcds",
        "Icmp6OutParmProblems",
        "Icmp6OutPktTooBigs",
    ];
    let counted = counters(&lab.host)?;
    errors.into_iter().map(|name| Ok((name, *counted.get(name).context(name)?))).collect()
}

fn works(lab: &Lab) -> Result<()> {
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(5)), "no answer from {SERVER}");
    download(&lab.host, SERVER, 2_000_000, LIMIT)?;
    upload(&lab.host, lab.dir(), SERVER, 2_000_000, LIMIT)?;
    for len in [0, 1452, 1453, 4000, 20_000] {
        udp_echo(&lab.host, SERVER, len)?;
    }
    Ok(())
}

#[test]
fn all_traffic_passes_while_nothing_is_forwarded() -> Result<()> {
    if !need::met_frames("frames: traffic", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64("64:ff9b::/96".parse()?).build()?;
    lab.inet.answer_echoes_with_df()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let before = Snapshot::take(&lab.host)?;
    let said = kernel_errors(&lab)?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    clat.wait_state("active")?;
    let forwarding = || lab.host.sysctl("ipv6/conf/all/forwarding");
    ensure!(forwarding()?.trim() == "0", "forwarding is on");
    ensure!(lab.host.ip("-6 neigh show proxy")?.trim().is_empty(), "a proxy neighbour");
    works(&lab)?;
    for size in [29, 64, 1260, 1472] {
        let pong = ping(&lab.host, SERVER, size, true)?;
        ensure!(pong.answered, "{size} bytes with DF: {}", pong.text);
    }
    let counters = clat.status()?["counters"].clone();
    let (lost, came) = (counters["lost"].as_u64(), counters["v6_to_v4"]["packets"].as_u64());
    ensure!(lost.zip(came).is_some_and(|(lost, came)| lost * 100 <= came), "too little room: {counters}");
    ensure!(kernel_errors(&lab)? == said, "the kernel answered: {said:?} -> {:?}", kernel_errors(&lab)?);
    ensure!(forwarding()?.trim() == "0", "forwarding is on");
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)?;
    judge.verdict()
}

#[test]
fn traceroute_names_hops_on_both_sides_of_the_nat64() -> Result<()> {
    if !need::met_frames("frames: traceroute", &["traceroute"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64("64:ff9b::/96".parse()?).build()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?.with_traceroute();
    let mut clat = Clat::run(&lab, &FRAMES)?;
    clat.wait_state("active")?;
    let out = traceroute(&lab.host, SERVER)?;
    ensure!(out.contains(&"192.0.0.8".into()), "an IPv6 hop appears as the dummy address: {out:?}");
    ensure!(out.contains(&HOP4.to_string()) && out.last() == Some(&SERVER.to_string()), "{out:?}");
    let host = lab.address_seen()?;
    let back = traceroute(&lab.inet, host)?;
    ensure!(back.last() == Some(&host.to_string()), "{back:?}");
    judge.verdict()?;
    clat.stop(Signal::TERM)
}

#[test]
fn a_transfer_survives_a_path_that_shrinks() -> Result<()> {
    if !need::met_frames("frames: path MTU", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64("64:ff9b::/96".parse()?).build()?;
    lab.inet.answer_echoes_with_df()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    clat.wait_state("active")?;
    transfer_over_a_path_that_shrinks(&lab)?;
    udp_echo(&lab.host, SERVER, 4000)?;
    ensure!(ping(&lab.host, SERVER, 1252, true)?.answered, "1252 bytes fit into every path");
    judge.verdict()?;
    clat.stop(Signal::TERM)
}

#[test]
fn the_mtu_follows_the_router() -> Result<()> {
    if !need::met_frames("frames: MTU of the link", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64("64:ff9b::/96".parse()?).build()?;
    lab.inet.answer_echoes_with_df()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    clat.wait_state("active")?;
    mtu_follows_the_router(&lab, &mut clat)?;
    clat.stop(Signal::TERM)
}

#[test]
fn the_capture_has_each_packet_before_and_after() -> Result<()> {
    if !need::met_frames("frames: capture", &["tshark"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64("64:ff9b::/96".parse()?).build()?;
    let file = lab.dir().join("frames.pcapng");
    let file = file.to_str().context("a path that is text")?;
    let mut clat = Clat::run(&lab, &[&FRAMES[..], &["--capture", file]].concat())?;
    let status = clat.wait_state("active")?;
    let v6 = status["clat"]["ipv6"].as_str().context("clat.ipv6")?.to_owned();
    ensure!(status["counters"]["lost"] == 0, "{status}");
    download(&lab.host, SERVER, 100_000, LIMIT)?;
    clat.stop(Signal::TERM)?;
    let read = |filter: &str| -> Result<usize> {
        let out = lab.host.output("tshark", &["-r", file, "-Y", filter])?;
        ensure!(out.status.success(), "tshark: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8_lossy(&out.stdout).lines().count())
    };
    let syn = "tcp.flags.syn == 1 && tcp.flags.ack == 0";
    ensure!(read(&format!("ip.dst == {SERVER} && {syn}"))? == 1, "the SYN as IPv4");
    ensure!(read(&format!("ipv6.src == {v6} && ipv6.dst == 64:ff9b::{SERVER} && {syn}"))? == 1, "as IPv6");
    ensure!(read(&format!("ipv6.dst == {v6} && tcp"))? == read(&format!("ip.src == {SERVER} && tcp"))?);
    let args = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"];
    let bad = "ip.checksum.status == 0 || tcp.checksum.status == 0";
    let out = lab.host.output("tshark", &[&args[..], &["-r", file, "-Y", bad]].concat())?;
    // The host's own stack leaves checksums to a card; what the translator was given is complete by then.
    ensure!(out.stdout.is_empty(), "bad checksums:\n{}", String::from_utf8_lossy(&out.stdout));
    Ok(())
}

#[test]
fn an_uplink_that_is_not_there_is_told() -> Result<()> {
    if !need::met_frames("frames: no uplink", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let out = clat_cli(&lab, &["run", "--source", "pcap", "--uplink", "nowhere0"])?;
    let text = String::from_utf8_lossy(&out.stderr);
    ensure!(!out.status.success() && text.contains("nowhere0"), "{text}");
    Ok(())
}
