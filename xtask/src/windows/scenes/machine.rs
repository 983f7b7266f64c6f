//! What the machine says of itself and is heeded: a DHCPv4 lease with option 108, a CLAT of Windows' own; and metrics,
//! the one thing that listens, where the configuration asks for it.

use super::Stage;
use super::stage::said;
use anyhow::{Context, Result, ensure};
use clat_core::Pref64;
use clat_netlab::dns::Dns64;
use clat_netlab::lab::UPLINK;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, client};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Where the DHCP client of Windows keeps leases; the interface's GUID follows.
const LEASES: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces";

/// Option 108, four bytes, until 2038: 1800 seconds.
const LEASE: &str = "6c000000000000000400000000000000ffffff7f00000708";

/// Where `netsh interface clat` keeps its settings.
const NATIVE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\IpxlatCfgSvc";

/// Where metrics are served.
const METRICS: &str = "127.0.0.1:9464";

pub(super) fn run(exe: &Path) -> Result<()> {
    let lab = Lab::builder().dns64(Dns64::Synthesise(vec![Pref64::WELL_KNOWN]), 60).build()?;
    let stage = Stage::new(lab, exe, true)?;
    let lease = format!(r"{LEASES}\{}", guid(&stage)?);
    reg(&stage, &["add", &lease, "/v", "DhcpInterfaceOptions", "/t", "REG_BINARY", "/d", LEASE, "/f"])?;
    reg(&stage, &["add", NATIVE, "/v", "PermitNonCellularCLAT", "/t", "REG_DWORD", "/d", "1", "/f"])?;
    let result = scene(&stage);
    // The registry outlives the scene.
    for key in [lease.as_str(), NATIVE] {
        reg(&stage, &["delete", key, "/f"])?;
    }
    result
}

fn scene(stage: &Stage) -> Result<()> {
    fs::create_dir_all(stage.state_dir())?;
    fs::write(stage.state_dir().join("clat.toml"), format!("metrics = \"{METRICS}\"\n"))?;
    let (host, before) = (&stage.lab.host, Snapshot::take(&stage.lab.host)?);
    let mut daemon = stage.start(&[])?;
    let status = stage.wait_status("active", |s| s["state"] == "active")?;
    ensure!(status["v6_only_wait_s"] == 1800, "option 108: {status}");
    let url = format!("http://{METRICS}/metrics");
    let metrics = String::from_utf8(client::curl(host, &url, Duration::from_secs(10))?)?;
    ensure!(metrics.contains("clat_state{state=\"active\"} 1") && metrics.ends_with("# EOF\n"), "{metrics}");
    let doctor = said(&stage.output(&["doctor"])?);
    ensure!(doctor.contains("permitted (by netsh interface clat)"), "{doctor}");

    // A CLAT of Windows' own comes and goes.
    host.ip(&format!("addr add 192.0.0.4/32 dev {}", UPLINK[0]))?;
    let status = stage.wait_status("standing aside", |s| s["reason"] == "other-clat")?;
    ensure!(status["state"] == "idle" && status["other_clat"] == "Windows", "{status}");
    let doctor = said(&stage.output(&["doctor"])?);
    ensure!(doctor.contains("Windows itself translates on") && doctor.contains("192.0.0.4"), "{doctor}");
    host.ip(&format!("addr del 192.0.0.4/32 dev {}", UPLINK[0]))?;
    stage.wait_status("active again", |s| s["state"] == "active")?;

    stage.succeed(&["stop"])?;
    let ended = daemon.wait(Duration::from_secs(5));
    ensure!(ended.is_some_and(|e| e.success()), "{ended:?} after stop; log:\n{}", stage.log());
    ensure!(client::curl(host, &url, Duration::from_secs(2)).is_err(), "metrics are served after the end");
    before.same_as(&Snapshot::take(host)?)?;
    stage.check_contract()
}

/// The GUID that Wine gives the uplink: its index and a fixed rest.
fn guid(stage: &Stage) -> Result<String> {
    let line = stage.lab.host.ip(&format!("-o link show dev {}", UPLINK[0]))?;
    let index: u32 = line.split(':').next().context("no index")?.trim().parse()?;
    Ok(format!("{{{index:08X}-0000-0000-0000-4E6574446576}}"))
}

fn reg(stage: &Stage, words: &[&str]) -> Result<()> {
    let out = stage.wine_output(&[&["reg"], words].concat())?;
    ensure!(out.status.success(), "reg {}: {}", words.join(" "), said(&out));
    Ok(())
}
