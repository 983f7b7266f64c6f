//! How large packets may be: what the path says, and what TCP is told.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::client::{answers, download, ping, udp_echo, upload};
use clat_netlab::judge::Judge;
use clat_netlab::lab::{HOP4, SERVER_V4};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_narrow_path_is_told_to_programs_and_learnt_from_two_destinations() -> Result<()> {
    if !need::met("sizes: path MTU", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let before = Snapshot::take(&lab.host)?;
    lab.inet.answer_echoes_with_df()?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["clat"]["mtu"] == 1472 && s["clat"]["ipv6_mtu"] == 1500, "{s}");
    lab.set_v6_path_mtu(1400)?;
    // RFC 7915 section 5.2: each program hears of its own path, 20 bytes less than IPv6 has.
    let pong = ping(&lab.host, SERVER, 1472, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1380), "{}", pong.text);
    ensure!(ping(&lab.host, SERVER, 1380, true)?.answered, "what fits is answered");
    let s = clat.status()?;
    ensure!(s["clat"]["ipv6_mtu"] == 1500, "one destination speaks for itself: {s}");
    let pong = ping(&lab.host, IpAddr::V4(HOP4), 1472, true)?;
    ensure!(!pong.answered && pong.mtu() == Some(1380), "{}", pong.text);
    let learnt = |s: &serde_json::Value| s["clat"]["ipv6_mtu"] == 1400 && s["clat"]["mtu"] == 1372;
    clat.wait_status("on the smaller MTU", Duration::from_secs(3), learnt)?;
    let route = lab.host.ip("-4 route show default")?;
    ensure!(route.contains("mtu 1372"), "{route}");
    narrow_path_works(&lab, 1372).context("1400")?;
    lab.set_v6_path_mtu(1280)?;
    narrow_path_works(&lab, 1252).context("1280")?;
    judge.verdict()?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

/// TCP both ways, datagrams that may be cut, and pings that may not, on a path of that IPv4 MTU.
fn narrow_path_works(lab: &Lab, mtu: usize) -> Result<()> {
    upload(&lab.host, lab.dir(), SERVER, 500_000, LIMIT)?;
    download(&lab.host, SERVER, 500_000, LIMIT)?;
    udp_echo(&lab.host, SERVER, 4000)?;
    ensure!(ping(&lab.host, SERVER, mtu, true)?.answered, "{mtu} bytes with DF");
    ensure!(ping(&lab.host, SERVER, 1252, false)?.answered, "1252 bytes without DF");
    Ok(())
}

#[test]
fn a_clamped_mss_is_shown_and_stands_in_the_syn() -> Result<()> {
    if !need::met("sizes: MSS clamp", &["ss"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let before = Snapshot::take(&lab.host)?;
    let config = lab.dir().join("clat.toml");
    std::fs::write(&config, "clamp-mss = true\n")?;
    let config = config.to_str().context("a path of ASCII")?;
    let planned = clat_netlab::clat::clat_cli(&lab, &["run", "--config", config, "--dry-run"])?;
    let planned = String::from_utf8_lossy(&planned.stdout).into_owned();
    ensure!(planned.contains("mtu 1472 mss 1432"), "{planned}");
    let mut clat = Clat::run(&lab, &["--config", config])?;
    let s = clat.wait_state("active")?;
    ensure!(s["clat"]["tcp_mss"] == 1432, "{s}");
    let route = lab.host.ip("-4 route show default")?;
    ensure!(route.contains("advmss 1432"), "{route}");
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(3)), "no answer from {SERVER}");
    let told = mss_at_the_server(&lab)?;
    ensure!(told == 1432, "the server was told {told}");
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

/// The MSS that the server's kernel holds for a connection of the host.
fn mss_at_the_server(lab: &Lab) -> Result<u32> {
    let transfer = clat_netlab::client::Transfer::start(&lab.host, SERVER, 400_000, 200_000)?;
    let seen = clat_netlab::wait_for(Duration::from_secs(2), || {
        let sockets = lab.inet.output("ss", &["-tiH", "state", "established"]).ok()?;
        let text = String::from_utf8_lossy(&sockets.stdout).into_owned();
        let mss = text.split_whitespace().find_map(|word| word.strip_prefix("mss:"))?;
        mss.parse::<u32>().ok()
    });
    transfer.finish()?;
    // The kernel counts the 12 bytes of the timestamp option against it.
    seen.map(|mss| mss + 12).context("no connection at the server")
}
