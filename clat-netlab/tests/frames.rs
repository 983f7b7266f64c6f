//! `clat-cli run --source pcap`: IPv6 as frames, nothing forwarded and nothing changed on the uplink.

use anyhow::{Context as _, Result, ensure};
use clat_netlab::clat::{Clat, clat_cli, has_libpcap};
use clat_netlab::client::{answers, download, ping, udp_echo, upload};
use clat_netlab::judge::Judge;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);
const FRAMES: [&str; 4] = ["--source", "pcap", "--uplink", "up0"];

/// Whether the scene can be played: the program is built with libpcap here.
fn met(what: &str, tools: &[&str]) -> bool {
    if !has_libpcap() {
        eprintln!("{what}: CANNOT RUN: the headers of libpcap are missing (apt install libpcap-dev)");
        assert!(std::env::var_os("CI").is_none(), "{what}: libpcap-dev is missing");
        return false;
    }
    need::met(what, tools)
}

/// Resets and ICMPv6 errors that the host's kernel has sent.
fn kernel_errors(lab: &Lab) -> Result<String> {
    let errors = "grep -E Icmp6Out(DestUnreachs|TimeExcds|ParmProblems|PktTooBigs) /proc/net/snmp6";
    let tcp = lab.host.sh("grep ^Tcp: /proc/net/snmp")?;
    let mut rows = tcp.lines().map(str::split_whitespace);
    let (names, values) = (rows.next(), rows.next());
    let pair = names.into_iter().flatten().zip(values.into_iter().flatten()).find(|(n, _)| *n == "OutRsts");
    let (name, resets) = pair.context("no OutRsts")?;
    Ok(format!("{name} {resets}\n{}", lab.host.sh(errors)?))
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
    if !met("frames: traffic", &["nft"]) {
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
    ensure!(kernel_errors(&lab)? == said, "the kernel answered: {said} -> {}", kernel_errors(&lab)?);
    ensure!(forwarding()?.trim() == "0", "forwarding is on");
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)?;
    judge.verdict()
}

#[test]
fn a_router_with_another_card_is_found_again() -> Result<()> {
    if !met("frames: router change", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64("64:ff9b::/96".parse()?).build()?;
    let mut clat = Clat::run(&lab, &FRAMES)?;
    clat.wait_state("active")?;
    works(&lab)?;
    lab.edges[0].ns.ip("link set lan0 address 02:00:00:00:99:99")?;
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(60)), "the router is not found again");
    works(&lab)?;
    clat.stop(Signal::INT)
}

#[test]
fn an_uplink_that_is_not_there_is_told() -> Result<()> {
    if !met("frames: no uplink", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let out = clat_cli(&lab, &["run", "--source", "pcap", "--uplink", "nowhere0"])?;
    let text = String::from_utf8_lossy(&out.stderr);
    ensure!(!out.status.success() && text.contains("nowhere0"), "{text}");
    Ok(())
}
