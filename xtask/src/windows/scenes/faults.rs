//! What drivers do on bad days: a ring without room, an adapter that is removed.

use super::Stage;
use super::data_path::ready;
use super::stage::TUN;
use anyhow::{Result, ensure};
use clat_netlab::lab::SERVER_V4;
use clat_netlab::{Lab, client, wait_for};
use std::path::Path;
use std::time::Duration;

/// The ring is full at every third allocation: packets wait or are lost, and TCP goes on.
pub(super) fn ring_full(exe: &Path) -> Result<()> {
    let stage = Stage::new(Lab::builder().build()?, exe, false)?.with_faults("full=3");
    let _daemon = ready(&stage)?;
    ensure!(
        client::answers(&stage.lab.host, SERVER_V4.into(), Duration::from_secs(10)),
        "log:\n{}",
        stage.log()
    );
    client::download(&stage.lab.host, SERVER_V4.into(), 300_000, Duration::from_secs(60))?;
    stage.succeed(&["stop"])?;
    stage.check_contract()
}

/// The adapter goes away after some packets and is made again; the program does not end.
pub(super) fn adapter_removed(exe: &Path) -> Result<()> {
    let stage = Stage::new(Lab::builder().build()?, exe, false)?.with_faults("remove=40");
    let mut daemon = ready(&stage)?;
    let host = &stage.lab.host;
    ensure!(client::answers(host, SERVER_V4.into(), Duration::from_secs(10)), "log:\n{}", stage.log());
    // Enough packets for the fault.
    let _ = client::download(host, SERVER_V4.into(), 300_000, Duration::from_secs(3));
    let again =
        wait_for(Duration::from_secs(20), || stage.log().contains("the adapter is back").then_some(()));
    ensure!(again.is_some() && daemon.ended().is_none(), "log:\n{}", stage.log());
    // Who set addresses and routes sets them again.
    stage.wait_device()?;
    let _ = host.ip(&format!("-6 route flush dev {TUN}"));
    stage.configure("192.0.0.1", "2001:db8:a::c1a7")?;
    ensure!(client::answers(host, SERVER_V4.into(), Duration::from_secs(10)), "after: log:\n{}", stage.log());
    stage.succeed(&["stop"])?;
    stage.check_contract()
}
