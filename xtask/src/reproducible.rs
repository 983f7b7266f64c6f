//! `cargo xtask reproducible`: the Linux program, built twice in different folders, is the same byte for byte.
//!
//! The second build also finds the sources of others in another place. Paths that end up in the program (the
//! places of panics) are shortened by `--remap-path-prefix`, as whoever builds a release should do.

use crate::{process, workspace};
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn run() -> Result<()> {
    let base = workspace::root().join("target").join("reproducible");
    let home = workspace::cargo_home()?;
    let first = build(&base.join("a"), &home)?;
    let elsewhere = base.join("another").join("place");
    let second = build(&elsewhere, &other_home(&home, &elsewhere)?)?;
    ensure!(first == second, "two builds of the same sources differ: {first} and {second}");
    println!("clat-cli: two builds, both {first}");
    Ok(())
}

/// The same registry under another path.
fn other_home(home: &Path, folder: &Path) -> Result<PathBuf> {
    let other = folder.join("cargo-home");
    std::fs::create_dir_all(&other)?;
    let link = other.join("registry");
    if !link.exists() {
        std::os::unix::fs::symlink(home.join("registry"), &link).context("linking the registry")?;
    }
    let config = home.join("config.toml");
    if config.exists() {
        std::fs::copy(config, other.join("config.toml"))?;
    }
    Ok(other)
}

/// Copies the sources that git knows into `folder`, builds them, and returns the SHA-256 of the program.
fn build(folder: &Path, cargo_home: &Path) -> Result<String> {
    let sources = folder.join("sources");
    std::fs::create_dir_all(&sources)?;
    let root = workspace::root();
    let files = process::output(Command::new("git").current_dir(&root).args(["ls-files", "-z"]))?;
    for file in files.split('\0').filter(|file| !file.is_empty() && root.join(file).is_file()) {
        copy(&root.join(file), &sources.join(file))?;
    }
    let target = folder.join("target");
    let mut cargo = Command::new(workspace::cargo());
    cargo.current_dir(&sources).args(["build", "--quiet", "--release", "--locked", "-p", "clat-cli"]);
    cargo.arg("--target-dir").arg(&target).env("CARGO_HOME", cargo_home);
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    cargo.env("RUSTFLAGS", [remap(cargo_home, "/cargo"), remap(&sources, "/clat")].join(" "));
    process::run(&mut cargo)?;
    let program = std::fs::read(target.join("release").join("clat-cli")).context("the program")?;
    let needle = folder.as_os_str().as_encoded_bytes();
    ensure!(!program.windows(needle.len()).any(|w| w == needle), "the folder's name is in the program");
    Ok(Sha256::digest(&program).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Copies a file unless it is there as it is, so that a second run builds only what has changed.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from).with_context(|| from.display().to_string())?;
    if std::fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    std::fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    std::fs::write(to, bytes).with_context(|| to.display().to_string())
}
