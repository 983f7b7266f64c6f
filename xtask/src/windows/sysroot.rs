//! std for the target, compiled once into a folder that is named after the compiler.

use super::TARGET;
use super::toolchain::{self, RUSTC};
use crate::process::run;
use crate::workspace::{cargo, cargo_home, windows_dir};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Part of the key: raise it when the steps below change.
const RECIPE: &str = "std-3";

/// A crate with nothing in it: building it with `-Zbuild-std` builds std.
const EMPTY_CRATE: &str = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[profile.release]\ndebug = 0\n";

/// Where the sysroot of the installed compiler is or will be.
pub(crate) fn dir() -> Result<PathBuf> {
    Ok(windows_dir().join(format!("sysroot-{}", toolchain::key(RECIPE)?)))
}

/// Builds the sysroot unless it is there. Takes about a minute.
pub(crate) fn ensure() -> Result<PathBuf> {
    toolchain::require(&[toolchain::BUILD])?;
    let sysroot = dir()?;
    if sysroot.join("complete").exists() {
        return Ok(sysroot);
    }
    eprintln!("building std for {TARGET} into {} (once, about a minute)", sysroot.display());
    let work = windows_dir().join("std-build");
    fs::create_dir_all(work.join("src")).with_context(|| format!("cannot make {}", work.display()))?;
    fs::write(work.join("Cargo.toml"), EMPTY_CRATE)?;
    fs::write(work.join("src/lib.rs"), "")?;
    compile(&work)?;
    install(&work, &sysroot)?;
    fs::remove_dir_all(&work).context("cannot remove the std build folder")?;
    fs::write(sysroot.join("complete"), toolchain::version()?)?;
    Ok(sysroot)
}

fn compile(work: &Path) -> Result<()> {
    run(Command::new(cargo())
        .current_dir(work)
        .env("RUSTC", RUSTC)
        // build-std is an unstable option of cargo and std uses unstable features; Debian's compiler is a stable one.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC_WRAPPER", "")
        // Without bitcode in std's objects the link with LTO fails.
        .env(
            "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS",
            format!("-Cembed-bitcode=yes --remap-path-prefix={}=/cargo", cargo_home()?.display()),
        )
        .env_remove("RUSTFLAGS")
        .env("CARGO_TARGET_DIR", work.join("target"))
        .args(["build", "-q", "--release", "--target", TARGET])
        .arg("-Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test"))
    .context("cannot build std")
}

fn install(work: &Path, sysroot: &Path) -> Result<()> {
    let lib = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&lib)?;
    for entry in fs::read_dir(work.join("target").join(TARGET).join("release/deps"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rlib") {
            let name = path.file_name().context("a library without a name")?;
            fs::copy(&path, lib.join(name))?;
        }
    }
    Ok(())
}
