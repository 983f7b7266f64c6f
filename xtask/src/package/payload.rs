//! The files that every package holds.

use super::{Arch, stamp};
use crate::workspace::{package_dir, root};
use anyhow::{Context, Result};
use clat_windows::dll;
use std::fs;
use std::path::{Path, PathBuf};

/// Puts the program, the DLL and all licences into `folder`.
pub(super) fn collect(exe: &Path, arch: Arch, folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        // A file of an earlier package is none of this one.
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let wintun = package_dir("wintun")?.join("wintun");
    let path = wintun.join("bin").join(arch.wintun_folder()).join(dll::FILE_NAME);
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    // What the program itself accepts.
    dll::verify(&path, &bytes, arch.rust())?;
    fs::write(folder.join(dll::FILE_NAME), bytes)?;
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
    stamp::files(folder)?;
    Ok(folder.to_path_buf())
}
