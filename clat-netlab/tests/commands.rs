//! The other commands beside a running instance: discover, doctor, reload, captures, users.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::by_hand;
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::client::{Transfer, answers, download};
use clat_netlab::dns::Dns64;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn discover_names_each_prefix_and_its_source() -> Result<()> {
    if !need::met("commands: discover", &[]) {
        return Ok(());
    }
    let other: Pref64 = "3fff:64::/64".parse()?;
    let discover = |lab: &Lab, words: &[&str]| -> Result<()> {
        let before = Snapshot::take(&lab.host)?;
        let out = clat_cli(lab, &["discover"])?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        ensure!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
        for word in words {
            ensure!(text.contains(word), "no {word} in:\n{text}");
        }
        before.same_as(&Snapshot::take(&lab.host)?)
    };
    let lab = Lab::builder().ra(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, 1800), (other, 600)]).build()?;
    discover(&lab, &["64:ff9b::/96", "3fff:64::/64", "fe80::1", "used"])?;
    let lab = Lab::builder().dns64(Dns64::Synthesise(vec![other]), 60).build()?;
    discover(&lab, &["3fff:64::/64", "dns", "used"])
}

#[test]
fn doctor_is_content_with_a_host_that_works_and_names_what_is_missing() -> Result<()> {
    if !need::met("commands: doctor", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let doctor = || -> Result<(Option<i32>, String)> {
        let out = clat_cli(&lab, &["doctor"])?;
        Ok((out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned()))
    };
    let (code, text) = doctor()?;
    ensure!(code == Some(20), "not running: {code:?}\n{text}");
    ensure!(text.contains("64:ff9b::/96") && text.contains("2001:db8:a:"), "not of the network:\n{text}");
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(3)));
    let (code, text) = doctor()?;
    ensure!(code == Some(0), "all is well, and doctor says {code:?}:\n{text}");
    clat.kill();
    let (code, text) = doctor()?;
    ensure!(code == Some(13), "changes left by a crash: {code:?}\n{text}");
    let out = clat_cli(&lab, &["stop", "--recover"])?;
    ensure!(out.status.success());
    lab.edges[0].ra.set(|ra| ra.pref64.clear());
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_status("discovering", Duration::from_secs(5), |s| s["state"] == "discovering")?;
    let (code, text) = doctor()?;
    ensure!(code == Some(22), "no prefix: {code:?}\n{text}");
    Ok(())
}

/// The codes of what `doctor --json` finds, in its order.
fn findings(lab: &Lab) -> Result<Vec<u64>> {
    let out = clat_cli(lab, &["doctor", "--json"])?;
    let report: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    let checks = report["checks"].as_array().context("checks")?;
    Ok(checks.iter().filter_map(|check| check["code"].as_u64()).collect())
}

#[test]
fn doctor_looks_at_the_network_where_nothing_runs() -> Result<()> {
    if !need::met("commands: doctor of a network", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().without_resolver().build_without_link()?;
    let before = Snapshot::take(&lab.host)?;
    ensure!(findings(&lab)?.starts_with(&[20, 21]), "no uplink: {:?}", findings(&lab)?);
    before.same_as(&Snapshot::take(&lab.host)?)?;
    lab.link_up(0)?;
    ensure!(findings(&lab)?.starts_with(&[20, 22]), "no prefix: {:?}", findings(&lab)?);
    lab.edges[0].ra.set(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, 1800)]);
    lab.native_ipv4(true)?;
    ensure!(findings(&lab)?.starts_with(&[20, 40]), "native IPv4: {:?}", findings(&lab)?);
    Ok(())
}

#[test]
fn nothing_stays_of_the_folder_of_a_namespace() -> Result<()> {
    if !need::met("commands: folder of a namespace", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let folders = || -> Vec<_> {
        let root = std::fs::read_dir(lab.dir().join("run/clat")).into_iter().flatten().flatten();
        root.map(|entry| entry.file_name()).collect()
    };
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    ensure!(folders().len() == 1, "{:?}", folders());
    clat.stop(Signal::TERM)?;
    ensure!(folders().is_empty(), "after a stop: {:?}", folders());
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    clat.kill();
    ensure!(folders().len() == 1, "a crash leaves its journal: {:?}", folders());
    ensure!(clat_cli(&lab, &["stop", "--recover"])?.status.success());
    ensure!(folders().is_empty(), "after a recovery: {:?}", folders());
    Ok(())
}

#[test]
fn a_reload_keeps_the_flows() -> Result<()> {
    if !need::met("commands: reload", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let file = lab.dir().join("clat.toml");
    let path = file.to_str().context("a path that is text")?;
    std::fs::write(&file, "pref64 = \"64:ff9b::/96\"\nuplink = \"up0\"\n")?;
    let mut clat = Clat::run(&lab, &["--config", path])?;
    let before = clat.wait_state("active")?;
    let transfer = Transfer::start(&lab.host, SERVER, 3_000_000, 1_500_000)?;
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(300));
        clat.signal(Signal::HUP);
    }
    transfer.finish()?;
    let after = clat.wait_state("active")?;
    ensure!(before["clat"] == after["clat"] && before["pref64"] == after["pref64"], "{before}\n{after}");
    std::fs::write(&file, "pref64 = \"this is no prefix\"\n")?;
    clat.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(300));
    ensure!(clat.status()?["state"] == "active", "a broken file ends the translation");
    download(&lab.host, SERVER, 100_000, LIMIT)?;
    clat.stop(Signal::TERM)
}

#[test]
fn anybody_may_look_and_only_root_may_stop() -> Result<()> {
    if !need::met("commands: users", &["setpriv"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let mut clat = Clat::run(&lab, &["--pref64", "64:ff9b::/96", "--uplink", "up0"])?;
    clat.wait_state("active")?;
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let status = clat.beside(&as_nobody, &["status", "--json"])?;
    ensure!(status.status.success(), "status: {}", String::from_utf8_lossy(&status.stderr));
    let stop = clat.beside(&as_nobody, &["stop"])?;
    ensure!(!stop.status.success(), "nobody has stopped it");
    ensure!(clat.status()?["state"] == "active");
    clat.stop(Signal::TERM)
}

#[test]
fn tshark_finds_no_fault_in_a_capture_of_both_sides() -> Result<()> {
    if !need::met("commands: --capture", &["tshark"]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let file = lab.dir().join("both.pcapng");
    let path = file.to_str().context("a path that is text")?;
    let clat = by_hand::start(&lab, "64:ff9b::/96", &["--no-offload", "--capture", path])?;
    download(&lab.host, SERVER, 200_000, LIMIT)?;
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(3)));
    clat.stop(Signal::TERM)?;
    let checks = ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"];
    let bad = "ip.checksum.status==0 || tcp.checksum.status==0 || udp.checksum.status==0 || \
               icmp.checksum.status==0 || icmpv6.checksum.status==0 || _ws.malformed";
    let tshark = |filter: &str| -> Result<String> {
        let mut command = Command::new("tshark");
        command.args(["-n", "-r", path, "-Y", filter]);
        for check in checks {
            command.args(["-o", &format!("{check}:TRUE")]);
        }
        let out = command.output()?;
        ensure!(out.status.success(), "tshark: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    ensure!(tshark("ip && tcp")?.lines().count() > 50, "the IPv4 side is not in the capture");
    ensure!(tshark("ipv6 && tcp")?.lines().count() > 50, "the IPv6 side is not in the capture");
    let faults = tshark(bad)?;
    ensure!(faults.is_empty(), "tshark complains of:\n{faults}");
    Ok(())
}
