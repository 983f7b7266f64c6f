//! The whole program: discovery by DNS, address claim, addresses and routes through IP Helper, and back.

use super::Stage;
use anyhow::{Context, Result, ensure};
use clat_core::Pref64;
use clat_netlab::dns::Dns64;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, client};
use std::path::Path;
use std::time::Duration;

fn lab() -> Result<Lab> {
    Lab::builder().dns64(Dns64::Synthesise(vec![Pref64::WELL_KNOWN]), 60).build()
}

/// Waits until it translates and answers for its address; that address.
fn active(stage: &Stage) -> Result<String> {
    let status = stage.wait_status("active", |s| s["state"] == "active")?;
    ensure!(status["pref64"]["prefix"] == "64:ff9b::/96" && status["pref64"]["source"] == "dns", "{status}");
    let v6 = status["clat"]["ipv6"].as_str().context("no CLAT address")?.to_owned();
    stage.answer_for(&v6)?;
    Ok(v6)
}

pub(super) fn run(exe: &Path) -> Result<()> {
    let stage = Stage::new(lab()?, exe, true)?;
    let before = Snapshot::take(&stage.lab.host)?;
    let mut daemon = stage.start(&[])?;
    let v6 = active(&stage)?;
    ensure!(
        client::answers(&stage.lab.host, SERVER_V4.into(), Duration::from_secs(10)),
        "log:\n{}",
        stage.log()
    );
    client::download(&stage.lab.host, SERVER_V4.into(), 200_000, Duration::from_secs(30))?;
    let listed = stage.output(&["doctor"])?;
    ensure!(
        String::from_utf8_lossy(&listed.stdout).contains("ok   forwarding"),
        "{}",
        super::stage::said(&listed)
    );
    stage.answer_no_more(&v6)?;
    stage.succeed(&["stop"])?;
    let ended = daemon.wait(Duration::from_secs(5));
    ensure!(ended.is_some_and(|e| e.success()), "{ended:?} after stop; log:\n{}", stage.log());
    before.same_as(&Snapshot::take(&stage.lab.host)?)?;
    journal_is_empty(&stage)?;
    stage.check_contract()
}

/// Killed in the middle; `stop --recover` puts the machine back, and so does the next start.
pub(super) fn crash(exe: &Path) -> Result<()> {
    let stage = Stage::new(lab()?, exe, true)?;
    let before = Snapshot::take(&stage.lab.host)?;
    let daemon = stage.start(&[])?;
    let v6 = active(&stage)?;
    drop(daemon);
    stage.answer_no_more(&v6)?;
    let said = stage.succeed(&["stop", "--recover"])?;
    ensure!(said.contains("undone: set-forwarding"), "{said}");
    before.same_as(&Snapshot::take(&stage.lab.host)?)?;
    journal_is_empty(&stage)?;

    let daemon = stage.start(&[])?;
    let again = active(&stage)?;
    ensure!(again == v6, "another address after a restart: {again}, was {v6}");
    drop(daemon);
    stage.answer_no_more(&v6)?;
    let mut daemon = stage.start(&[])?;
    stage.wait_status("active", |s| s["state"] == "active")?;
    ensure!(stage.log().contains("now undone"), "log:\n{}", stage.log());
    stage.succeed(&["stop"])?;
    let ended = daemon.wait(Duration::from_secs(5));
    ensure!(ended.is_some_and(|e| e.success()), "{ended:?} after stop");
    before.same_as(&Snapshot::take(&stage.lab.host)?)?;
    stage.check_contract()
}

fn journal_is_empty(stage: &Stage) -> Result<()> {
    let path = stage.state_dir().join("journal");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    ensure!(text.is_empty(), "the journal still has:\n{text}");
    Ok(())
}
