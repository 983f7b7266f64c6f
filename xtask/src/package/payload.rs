//! The files that every package holds.

use crate::workspace::{package_dir, root};
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// wintun.dll 0.14.1 for x86-64 as WireGuard LLC signed it: what the program itself accepts.
pub(crate) const WINTUN_SHA256: &str = "e5da8447dc2c320edc0fc52fa01885c103de8c118481f683643cacc3220dafce";

/// Puts the program, the DLL and all licences into `folder`.
pub(super) fn collect(exe: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let wintun = package_dir("wintun")?.join("wintun");
    let dll =
        fs::read(wintun.join("bin/amd64/wintun.dll")).context("the package wintun has no wintun.dll")?;
    let digest: String = Sha256::digest(&dll).iter().map(|b| format!("{b:02x}")).collect();
    ensure!(digest == WINTUN_SHA256, "wintun.dll is not the signed release: sha256 {digest}");
    fs::write(folder.join("wintun.dll"), dll)?;
    let root = root();
    for (from, name) in [
        (exe.to_path_buf(), "clat-cli.exe"),
        (wintun.join("LICENSE.txt"), "LICENSE-WINTUN.txt"),
        (root.join("LICENSE-MIT"), "LICENSE-MIT.txt"),
        (root.join("LICENSE-APACHE"), "LICENSE-APACHE.txt"),
        (root.join("packaging/windows/README.txt"), "README.txt"),
    ] {
        fs::copy(&from, folder.join(name)).with_context(|| from.display().to_string())?;
    }
    Ok(folder.to_path_buf())
}
