//! cargo for the target: build, clippy, test.

use super::toolchain::{self, CLIPPY, RUSTC};
use super::{TARGET, imports, resource, sysroot, wine};
use crate::process::run;
use crate::workspace::{cargo, cargo_home, root, windows_dir};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates that make up the Windows program, with their tests.
const CRATES: &[&str] = &["clat-core", "clat-engine", "clat-offload", "clat-windows", "clat-cli"];

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

/// The program is installed over slow lines: size counts for all but the data path.
const SMALL: &[&str] = &[
    "lto=\"fat\"",
    "package.\"*\".opt-level=\"s\"",
    "package.clap_builder.opt-level=\"z\"",
    "package.clap_complete.opt-level=\"z\"",
    "package.clap_mangen.opt-level=\"z\"",
    "package.clat-cli.opt-level=\"z\"",
    "package.clat-sim.opt-level=\"z\"",
    "package.jiff.opt-level=\"z\"",
    "package.prometheus-client.opt-level=\"z\"",
    "package.serde_json.opt-level=\"z\"",
    "package.smoltcp.opt-level=\"z\"",
    "package.toml.opt-level=\"z\"",
    "package.tracing-subscriber.opt-level=\"z\"",
    "package.winnow.opt-level=\"z\"",
    "package.etherparse.opt-level=3",
    "package.heapless.opt-level=3",
    "package.wintun.opt-level=3",
];

/// `-p` for each crate that exists in this workspace.
fn packages() -> Vec<String> {
    CRATES.iter().filter(|c| root().join(c).exists()).map(|c| format!("-p{c}")).collect()
}

/// The release program. Returns its path. No time is in it. Two builds differ in the order of their imports: the
/// linker sorts them by the names of rustc's temporary folders, which are random.
pub(crate) fn release() -> Result<PathBuf> {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [
        format!("--sysroot={}", sysroot::ensure()?.display()),
        remap(&cargo_home()?, "/cargo"),
        remap(&root(), "/clat"),
        "-Clink-arg=-Wl,--no-insert-timestamp".to_owned(),
        // `strip` in the profile leaves the symbol table of this target in place.
        "-Clink-arg=-Wl,--strip-all".to_owned(),
    ];
    run(cargo_for_target("rustc")?
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS", flags.join(" "))
        .args(["--release", "--locked", "-pclat-cli", "--bin=clat-cli", "--target", TARGET])
        .args(SMALL.iter().flat_map(|s| ["--config".to_owned(), format!("profile.release.{s}")]))
        .args(["--", &format!("-Clink-arg={}", resource::object()?.display())]))?;
    let exe = target_dir()?.join(TARGET).join("release").join("clat-cli.exe");
    if !exe.exists() {
        bail!("cargo built no {}", exe.display());
    }
    imports::check(&exe)?;
    Ok(exe)
}

/// Type-checks the program for arm64, with std from its source: nothing on Debian links for it.
pub(super) fn check_arm64() -> Result<()> {
    toolchain::require(&[toolchain::BUILD])?;
    run(Command::new(cargo())
        .current_dir(root())
        .env("RUSTC", RUSTC)
        // build-std is an unstable option of cargo and std uses unstable features; Debian's compiler is a stable one.
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTFLAGS")
        .env("CARGO_TARGET_DIR", windows_dir().join("check-arm64"))
        .args(["check", "-Zbuild-std=std,panic_abort,panic_unwind", "-pclat-cli"])
        .args(["--target", "aarch64-pc-windows-gnullvm"]))
}

/// Compiles a program of one file for the target, beside its source.
pub(super) fn program(source: &str, path: &Path) -> Result<PathBuf> {
    std::fs::write(path, source).with_context(|| path.display().to_string())?;
    let exe = path.with_extension("exe");
    run(Command::new(RUSTC)
        .args(["--edition=2024", "-Copt-level=s", "-Cstrip=symbols", "--target", TARGET, "--sysroot"])
        .arg(sysroot::ensure()?)
        .arg("-o")
        .arg(&exe)
        .arg(path))?;
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
