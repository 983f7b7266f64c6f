//! cargo for the target: build, clippy, test.

use super::toolchain::{self, CLIPPY, RUSTC};
use super::{TARGET, imports, sysroot, wine};
use crate::process::run;
use crate::workspace::{cargo, root, windows_dir};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// The crates that make up the Windows program, with their tests.
const CRATES: &[&str] = &["clat-core", "clat-engine", "clat-windows", "clat-cli"];

/// A cargo command that uses Debian's compiler and the private sysroot.
pub(crate) fn cargo_for_target(subcommand: &str) -> Result<Command> {
    let sysroot = sysroot::ensure()?;
    let mut command = Command::new(cargo());
    command
        .current_dir(root())
        .arg(subcommand)
        .env("RUSTC", RUSTC)
        .env_remove("RUSTFLAGS")
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS", format!("--sysroot={}", sysroot.display()))
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", wine::runner()?)
        .env("CARGO_TARGET_DIR", target_dir()?);
    Ok(command)
}

/// Apart from the Linux builds, and thrown away with the sysroot it was linked against.
fn target_dir() -> Result<PathBuf> {
    Ok(windows_dir().join(format!("build-{}", toolchain::key("")?)))
}

/// The program is installed over slow lines and its own crate holds no data path: size counts.
const SMALL: [&str; 4] = [
    "--config",
    "profile.release.package.clat-cli.opt-level=\"s\"",
    "--config",
    "profile.release.lto=\"fat\"",
];

/// `-p` for each crate that exists in this workspace.
fn packages() -> Vec<String> {
    CRATES.iter().filter(|c| root().join(c).exists()).map(|c| format!("-p{c}")).collect()
}

/// The release program. Returns its path.
pub(crate) fn release() -> Result<PathBuf> {
    run(cargo_for_target("build")?.args(["--release", "-pclat-cli", "--target", TARGET]).args(SMALL))?;
    let exe = target_dir()?.join(TARGET).join("release").join("clat-cli.exe");
    if !exe.exists() {
        bail!("cargo built no {}", exe.display());
    }
    imports::check(&exe)?;
    Ok(exe)
}

/// Debian's clippy over the code that only this target compiles.
pub(crate) fn clippy() -> Result<()> {
    toolchain::require(&[toolchain::LINT])?;
    let like_cargo = cargo_for_target("clippy")?;
    let mut command = Command::new(CLIPPY);
    command.current_dir(root()).arg("clippy").env("CARGO", cargo());
    command.envs(like_cargo.get_envs().filter_map(|(k, v)| v.map(|v| (k, v)))).env_remove("RUSTFLAGS");
    run(command.args(packages()).args(["--all-targets", "--target", TARGET, "--", "-Dwarnings"]))
}

/// `cargo test` for the target; the test programs run under Wine.
pub(crate) fn test(args: &[String]) -> Result<()> {
    toolchain::require(&[toolchain::TEST])?;
    wine::ensure_prefix()?;
    run(cargo_for_target("test")?
        .args(packages())
        // Documentation tests run on Linux; rustdoc knows nothing of the sysroot.
        .args(["--lib", "--bins", "--tests", "--target", TARGET])
        .args(args))
}
