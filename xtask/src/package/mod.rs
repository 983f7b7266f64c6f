//! What users of Windows install: `cargo xtask msi` makes an MSI, a zip and a manifest for winget.

mod msi;
mod payload;
mod winget;

pub(crate) use payload::WINTUN_SHA256;

use crate::process::run;
use crate::workspace::{version, windows_dir};
use crate::{sbom, windows};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes everything in `dist`. The path of the MSI is the last line written.
pub(crate) fn all(exe: Option<PathBuf>) -> Result<()> {
    windows::require_package_tools()?;
    let exe = exe.map_or_else(windows::release, Ok)?;
    let dist = windows_dir().join("dist");
    fs::create_dir_all(&dist).with_context(|| format!("cannot make {}", dist.display()))?;
    let payload = payload::collect(&exe, &dist.join("CLAT"))?;
    let zip = zip(&payload, &dist)?;
    let msi = build(&exe, version(), &dist)?;
    let manifest = winget::write(&msi, &dist)?;
    let parts = sbom::write(windows::TARGET, &dist)?;
    for path in [&zip, &parts, &manifest, &msi] {
        println!("{}", path.display());
    }
    Ok(())
}

/// Builds the MSI of a version in a folder.
pub(crate) fn build(exe: &Path, version: &str, dist: &Path) -> Result<PathBuf> {
    let payload = payload::collect(exe, &dist.join("CLAT"))?;
    msi::build(&payload, version, &dist.join(format!("clat-{version}-x64.msi")))
}

/// The same files for whoever wants no installer.
fn zip(payload: &Path, dist: &Path) -> Result<PathBuf> {
    let path = dist.join(format!("clat-{}-x64.zip", version()));
    if path.exists() {
        // zip would add to it.
        fs::remove_file(&path)?;
    }
    let folder = payload.file_name().context("a payload without a name")?;
    run(Command::new("zip").current_dir(dist).args(["-q", "-r", "-X"]).arg(&path).arg(folder))?;
    Ok(path)
}
