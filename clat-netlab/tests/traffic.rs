//! Real traffic through `clat-cli run --no-configure` and a real NAT64: the data path alone, the
//! host configured by hand.

use anyhow::{Result, ensure};
use clat_netlab::by_hand::{self, TUN};
use clat_netlab::client::{answers, dig, download, ping, traceroute, udp_echo, upload};
use clat_netlab::dns::{BIG, WEB};
use clat_netlab::judge::Judge;
use clat_netlab::lab::{HOP4, SERVER_V4};
use clat_netlab::scenes::transfer_over_a_path_that_shrinks;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);
const WELL_KNOWN: &str = "64:ff9b::/96";

#[test]
fn tcp_and_dns_by_an_ipv4_literal() -> Result<()> {
    if !need::met("traffic: TCP and DNS", &["dig"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    download(&lab.host, SERVER, 5_000_000, LIMIT)?;
    upload(&lab.host, lab.dir(), SERVER, 5_000_000, LIMIT)?;
    ensure!(dig(&lab.host, SERVER, &["A", WEB])? == SERVER_V4.to_string());
    ensure!(dig(&lab.host, SERVER, &["+tcp", "A", WEB])? == SERVER_V4.to_string());
    ensure!(dig(&lab.host, SERVER, &["TXT", BIG])?.len() > 3000, "truncated, then by TCP");
    let args = ["+ignore", "+bufsize=4096", "TXT", BIG];
    ensure!(dig(&lab.host, SERVER, &args)?.len() > 3000, "one UDP answer in fragments");
    judge.verdict()?;
    clat.stop(Signal::TERM)
}

#[test]
fn ping_up_to_the_largest_packet_and_one_byte_beyond() -> Result<()> {
    if !need::met("traffic: ping", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    lab.inet.answer_echoes_with_df()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    for size in [29, 64, 1259, 1260, 1261, 1479, 1480] {
        let pong = ping(&lab.host, SERVER, size, true)?;
        ensure!(pong.answered, "{size} bytes with DF: {}", pong.text);
    }
    let pong = ping(&lab.host, SERVER, 1481, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1480), "1481 bytes with DF: {}", pong.text);
    for size in [64, 1259, 1260] {
        let pong = ping(&lab.host, SERVER, size, false)?;
        ensure!(pong.answered, "{size} bytes without DF: {}", pong.text);
    }
    // RFC 7915 section 4.2 (spec rule 18): echoes in fragments are nobody's to translate.
    for size in [1481, 3000] {
        ensure!(!ping(&lab.host, SERVER, size, false)?.answered, "{size} bytes in fragments");
    }
    ensure!(ping(&lab.host, SERVER, 64, true)?.answered, "fragmented echoes do no harm");
    judge.verdict()?;
    clat.stop(Signal::INT)
}

#[test]
fn the_server_pings_the_host_and_meets_the_same_limits() -> Result<()> {
    if !need::met("traffic: ping from the server", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    lab.host.answer_echoes_with_df()?;
    let _clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let host = lab.address_seen()?;
    for (size, df) in [(29, true), (1260, true), (1261, true), (1480, true), (64, false), (1240, false)] {
        let pong = ping(&lab.inet, host, size, df)?;
        ensure!(pong.answered, "{size} bytes, DF {df}: {}", pong.text);
    }
    let pong = ping(&lab.inet, host, 1481, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1480), "1481 bytes with DF: {}", pong.text);
    ensure!(!ping(&lab.inet, host, 3000, false)?.answered, "an echo in fragments");
    ensure!(ping(&lab.inet, host, 64, true)?.answered, "fragmented echoes do no harm");
    judge.verdict()
}

#[test]
fn traceroute_names_hops_on_both_sides_of_the_nat64() -> Result<()> {
    if !need::met("traffic: traceroute", &["traceroute"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let _clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?.with_traceroute();
    let out = traceroute(&lab.host, SERVER)?;
    ensure!(out.contains(&"192.0.0.8".into()), "an IPv6 hop appears as the dummy address: {out:?}");
    ensure!(out.contains(&HOP4.to_string()), "no IPv4 hop in {out:?}");
    ensure!(out.last() == Some(&SERVER.to_string()), "{out:?}");
    let host = lab.address_seen()?;
    let back = traceroute(&lab.inet, host)?;
    ensure!(back.contains(&"192.175.48.1".into()), "no IPv4 hop in {back:?}");
    let beyond = back.iter().filter(|hop| hop.starts_with("192.31.196.")).count();
    ensure!(beyond >= 3 && back.last() == Some(&host.to_string()), "no IPv6 hops in {back:?}");
    judge.verdict()
}

#[test]
fn udp_in_fragments_both_ways() -> Result<()> {
    if !need::met("traffic: UDP fragments", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let _clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    for len in [0, 1, 1232, 1233, 1452, 1453, 1472, 1473, 4000, 9001, 60_000] {
        udp_echo(&lab.host, SERVER, len)?;
    }
    judge.verdict()
}

#[test]
fn a_transfer_survives_a_path_that_shrinks() -> Result<()> {
    if !need::met("traffic: path MTU", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let _clat = by_hand::start(&lab, WELL_KNOWN, &[])?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    transfer_over_a_path_that_shrinks(&lab)?;
    let pong = ping(&lab.host, SERVER, 1270, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1260), "{}", pong.text);
    ensure!(ping(&lab.host, SERVER, 1260, true)?.answered);
    udp_echo(&lab.host, SERVER, 4000)?;
    judge.verdict()
}

#[test]
fn all_six_prefix_lengths() -> Result<()> {
    if !need::met("traffic: six prefix lengths", &["nft"]) {
        return Ok(());
    }
    let four = [WELL_KNOWN, "3fff:64::/64", "3fff:56:0:4600::/56", "3fff:48:5::/48"];
    let two = ["3fff:40:600::/40", "3fff:32::/32"];
    for prefixes in [&four[..], &two[..]] {
        let parsed: Vec<_> = prefixes.iter().map(|p| p.parse()).collect::<Result<_, _>>()?;
        let lab = Lab::builder().nat64(&parsed).build()?;
        lab.inet.answer_echoes_with_df()?;
        let judge = Judge::new(&[&lab.host, &lab.inet])?;
        for pref64 in prefixes {
            let clat = by_hand::start(&lab, pref64, &[])?;
            download(&lab.host, SERVER, 300_000, LIMIT)?;
            udp_echo(&lab.host, SERVER, 3000)?;
            ensure!(ping(&lab.host, SERVER, 1480, true)?.answered, "{pref64}");
            clat.stop(Signal::TERM)?;
            // What was typed by hand is undone by hand: the rest went with the device.
            lab.host.ip(&format!("neigh del proxy {} dev up0", by_hand::CLAT_V6))?;
        }
        judge.verdict()?;
    }
    Ok(())
}

#[test]
fn no_configure_touches_nothing_but_the_device() -> Result<()> {
    if !need::met("traffic: --no-configure", &[]) {
        return Ok(());
    }
    use clat_netlab::clat::Clat;
    use clat_netlab::snapshot::Snapshot;
    let lab = Lab::builder().build()?;
    let before = Snapshot::take(&lab.host)?;
    let args = ["--no-configure", "--pref64", WELL_KNOWN, "--clat-v4", by_hand::CLAT_V4];
    let mut clat = Clat::run(&lab, &[&args[..], &["--clat-v6", by_hand::CLAT_V6, "--tun", TUN]].concat())?;
    clat.wait_device(TUN)?;
    let during = Snapshot::take(&lab.host)?;
    if let Err(difference) = before.same_as(&during) {
        let text = difference.to_string();
        let foreign = text.lines().skip(1).find(|line| !line.contains(TUN));
        ensure!(foreign.is_none(), "more than the device changed:\n{text}");
    }
    ensure!(during.mentions(TUN));
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)?;
    ensure!(!answers(&lab.host, SERVER, Duration::ZERO), "no IPv4 without configuration");
    Ok(())
}
