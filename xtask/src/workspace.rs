//! Where things lie in the workspace and in the registry's source folder.

use crate::process::output;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    // The manifest folder of this crate is one level below.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// The cargo that started us, so that a pinned toolchain stays the same one.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Everything that the Windows chores make: `target/windows`, or `CLAT_WINDOWS_DIR` where a CI cache wants it elsewhere.
pub(crate) fn windows_dir() -> PathBuf {
    std::env::var_os("CLAT_WINDOWS_DIR").map_or_else(|| root().join("target").join("windows"), PathBuf::from)
}

/// The folder of cargo's registry and configuration.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("neither CARGO_HOME nor HOME is set")
}

/// The version that all crates of the workspace share.
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The folder of package `name` as cargo resolved it for the Windows target.
pub(crate) fn package_dir(name: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(cargo());
    cargo.current_dir(root()).args([
        "metadata",
        "--format-version=1",
        "--filter-platform",
        crate::windows::TARGET,
    ]);
    let text = output(&mut cargo)?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let Some(package) = packages.iter().find(|p| p["name"] == name) else {
        bail!("package {name} is not in the dependency tree");
    };
    let manifest = package["manifest_path"].as_str().context("package has no manifest path")?;
    Ok(Path::new(manifest).parent().unwrap_or(Path::new("")).to_path_buf())
}
