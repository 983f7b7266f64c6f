//! `run --no-configure`: IPv4 literals through the program, a NAT64 and an IPv4-only server.

use super::Stage;
use anyhow::{Result, ensure};
use clat_netlab::lab::SERVER_V4;
use clat_netlab::{Lab, client};
use std::path::Path;
use std::time::Duration;

const V4: &str = "192.0.0.1";
const V6: &str = "2001:db8:a::c1a7";

/// Arguments of a program whose addresses and routes others set.
pub(super) const BY_HAND: [&str; 7] =
    ["--no-configure", "--pref64", "64:ff9b::/96", "--clat-v4", V4, "--clat-v6", V6];

/// A program that translates, ready to use.
pub(super) fn ready(stage: &Stage) -> Result<clat_netlab::proc::Daemon> {
    let daemon = stage.start(&BY_HAND)?;
    stage.wait_device()?;
    stage.configure(V4, V6)?;
    Ok(daemon)
}

pub(super) fn run(exe: &Path) -> Result<()> {
    let stage = Stage::new(Lab::builder().build()?, exe, false)?;
    let mut daemon = ready(&stage)?;
    let (host, server) = (&stage.lab.host, SERVER_V4.into());
    ensure!(
        client::answers(host, server, Duration::from_secs(10)),
        "no answer to ping; log:\n{}",
        stage.log()
    );
    client::download(host, server, 2_000_000, Duration::from_secs(60))?;
    client::upload(host, stage.lab.dir(), server, 500_000, Duration::from_secs(60))?;
    client::udp_echo(host, server, 1400)?;
    client::udp_echo(host, server, 4000)?;
    let status = stage.wait_status("active", |s| s["state"] == "active")?;
    ensure!(status["counters"]["v4_to_v6"]["packets"].as_u64() > Some(100), "{status}");
    listens_nowhere(&stage)?;
    let said = stage.succeed(&["stop"])?;
    ensure!(said.contains("undone"), "{said}");
    let ended = daemon.wait(Duration::from_secs(5));
    ensure!(ended.is_some_and(|e| e.success()), "{ended:?} after stop; log:\n{}", stage.log());
    stage.check_contract()
}

fn listens_nowhere(stage: &Stage) -> Result<()> {
    let sockets = stage.lab.host.sh("ss -Hltnup")?;
    let ours: Vec<&str> = sockets.lines().filter(|l| l.contains("clat-cli")).collect();
    ensure!(ours.is_empty(), "sockets are open:\n{}", ours.join("\n"));
    Ok(())
}
