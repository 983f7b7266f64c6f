//! The MSI: install, upgrade, uninstall; nothing is left.

use super::Stage;
use super::service::keep_session;
use super::stage::said;
use crate::package::{self, Arch};
use anyhow::{Result, bail, ensure};
use clat_core::Pref64;
use clat_netlab::dns::Dns64;
use clat_netlab::{Lab, wait_for};
use std::path::Path;
use std::time::Duration;

const SERVICE_KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\clat";
const EVENT_KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\CLAT";
const PATH_KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment";

pub(super) fn msi(exe: &Path) -> Result<()> {
    let lab = Lab::builder().dns64(Dns64::Synthesise(vec![Pref64::WELL_KNOWN]), 60).build()?;
    // Without the stand-in for IP Helper, which only a program in the stage's own folder finds: the service runs, says
    // what is missing, and tries again.
    let stage = Stage::new(lab, exe, false)?;
    let mut session = keep_session(&stage)?;
    let result = scene(&stage, exe);
    session.kill()?;
    session.wait()?;
    result
}

fn scene(stage: &Stage, exe: &Path) -> Result<()> {
    let folder = stage.prefix().join("drive_c/Program Files/CLAT");
    ensure!(!folder.exists(), "{} is there before", folder.display());
    let older = package::build(exe, Arch::X64, "0.0.1", stage.lab.dir())?;
    let newer = package::build(exe, Arch::X64, "0.0.2", stage.lab.dir())?;
    msiexec(stage, "/i", &older)?;
    for file in ["clat-cli.exe", "wintun.dll", "LICENSE-WINTUN.txt", "LICENSE-MIT.txt", "LICENSE-APACHE.txt"]
    {
        ensure!(folder.join(file).exists(), "{file} is not installed");
    }
    ensure!(reg(stage, PATH_KEY)?.contains(r"Program Files\CLAT"), "not in the search path");
    ensure!(reg(stage, EVENT_KEY)?.contains("EventCreate.exe"), "no event source");
    running(stage)?;
    msiexec(stage, "/i", &newer)?;
    running(stage)?;
    msiexec(stage, "/x", &newer)?;
    ensure!(!folder.exists(), "{} is left", folder.display());
    for (key, word) in
        [(SERVICE_KEY, "ImagePath"), (EVENT_KEY, "EventCreate"), (PATH_KEY, r"Program Files\CLAT")]
    {
        ensure!(!reg(stage, key)?.contains(word), "{word} is left in {key}");
    }
    Ok(())
}

fn running(stage: &Stage) -> Result<()> {
    let mut last = String::new();
    let found = wait_for(Duration::from_secs(30), || {
        let out = stage.wine_output(&["sc", "query", "clat"]).ok()?;
        last = said(&out);
        last.contains("RUNNING").then_some(())
    });
    match found {
        Some(()) => Ok(()),
        None => bail!("the service does not run: {last}"),
    }
}

fn msiexec(stage: &Stage, verb: &str, msi: &Path) -> Result<()> {
    let path = format!("Z:{}", msi.display()).replace('/', r"\");
    let out = stage.wine_output(&["msiexec", verb, &path, "/qn"])?;
    ensure!(out.status.success(), "msiexec {verb} {path}: {}: {}", out.status, said(&out));
    Ok(())
}

/// What `reg query` shows of a key; nothing when it is not there.
fn reg(stage: &Stage, key: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&stage.wine_output(&["reg", "query", key])?.stdout).into_owned())
}
