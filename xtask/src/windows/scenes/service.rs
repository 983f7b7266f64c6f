//! The service by its commands: install, start, status over the pipe, stop, uninstall; stopped in every phase.

use super::Stage;
use anyhow::{Context, Result, ensure};
use clat_core::Pref64;
use clat_netlab::Lab;
use clat_netlab::dns::Dns64;
use clat_netlab::snapshot::Snapshot;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Wine ends services with the last program of its session: this one waits.
pub(super) fn keep_session(stage: &Stage) -> Result<std::process::Child> {
    let mut waiting = stage.wine(&["cmd", "/c", "set /p x="]);
    waiting.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    stage.lab.host.enter(|| waiting.spawn())?.context("starting Wine")
}

pub(super) fn run(exe: &Path) -> Result<()> {
    with_session(exe, scene)
}

/// Stopped at any time it leaves the machine as it was.
pub(super) fn phases(exe: &Path) -> Result<()> {
    with_session(exe, any_time)
}

fn with_session(exe: &Path, scene: fn(&Stage) -> Result<()>) -> Result<()> {
    let lab = Lab::builder().dns64(Dns64::Synthesise(vec![Pref64::WELL_KNOWN]), 60).build()?;
    let stage = Stage::new(lab, exe, true)?;
    let mut session = keep_session(&stage)?;
    // What an earlier scene left when it failed.
    stage.output(&["service", "uninstall"])?;
    let result = scene(&stage);
    session.kill()?;
    session.wait()?;
    result
}

/// Moments after the start, in ms: from before the first fact to after the activation.
const MOMENTS: [u64; 5] = [0, 200, 600, 1200, 3000];

fn any_time(stage: &Stage) -> Result<()> {
    stage.succeed(&["service", "install"])?;
    let before = Snapshot::take(&stage.lab.host)?;
    for after in MOMENTS.map(Duration::from_millis) {
        stage.succeed(&["service", "start"])?;
        std::thread::sleep(after);
        // It fails where the service does not stop in time.
        stage.succeed(&["service", "stop"])?;
        let same = before.same_as(&Snapshot::take(&stage.lab.host)?);
        same.with_context(|| format!("stopped after {after:?}"))?;
    }
    stage.succeed(&["service", "uninstall"])?;
    stage.check_contract()
}

fn scene(stage: &Stage) -> Result<()> {
    let out = stage.output(&["service", "start"])?;
    let text = super::stage::said(&out);
    ensure!(out.status.code() == Some(1) && text.contains("not installed"), "start before install: {text}");
    stage.succeed(&["service", "install"])?;
    stage.succeed(&["service", "start"])?;
    let status = stage.wait_status("active", |s| s["state"] == "active")?;
    ensure!(status["pref64"]["source"] == "dns", "{status}");
    let out = stage.output(&["run"])?;
    let text = super::stage::said(&out);
    ensure!(
        out.status.code() == Some(1) && text.contains("another instance is running"),
        "a second one: {text}"
    );
    stage.succeed(&["service", "start"])?;
    let start = std::time::Instant::now();
    stage.succeed(&["service", "stop"])?;
    ensure!(start.elapsed() < Duration::from_secs(8), "the stop took {:?}", start.elapsed());
    let out = stage.output(&["status"])?;
    ensure!(out.status.code() == Some(1), "still there: {}", super::stage::said(&out));
    stage.succeed(&["service", "uninstall"])?;
    let out = stage.output(&["service", "stop"])?;
    ensure!(
        super::stage::said(&out).contains("not installed"),
        "after uninstall: {}",
        super::stage::said(&out)
    );
    stage.check_contract()
}
