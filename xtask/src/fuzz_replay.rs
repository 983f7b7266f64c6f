//! `cargo xtask fuzz-replay`: every input of `fuzz/corpus` runs once through its target.
//!
//! Needs neither nightly nor cargo-fuzz: the targets are programs, and one that is given files runs those. So
//! what a campaign has found and kept is a test ever after.

use crate::{process, workspace};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) fn run() -> Result<()> {
    let fuzz = workspace::root().join("fuzz");
    let mut build = Command::new(workspace::cargo());
    build.current_dir(&fuzz).args(["build", "--quiet", "--locked", "--bins", "--target-dir"]);
    process::run(build.arg(fuzz.join("target")).env_remove("CARGO_TARGET_DIR"))?;
    let targets = sorted(&fuzz.join("fuzz_targets"))?;
    let mut inputs = 0;
    for target in &targets {
        let name = target.file_stem().and_then(|name| name.to_str()).context("a target without a name")?;
        let corpus = sorted(&fuzz.join("corpus").join(name))?;
        ensure!(!corpus.is_empty(), "fuzz/corpus/{name} is empty: give it a seed in fuzz/examples/seed.rs");
        replay(&fuzz.join("target/debug").join(name), &corpus)?;
        println!("{name}: {} inputs", corpus.len());
        inputs += corpus.len();
    }
    println!("{} targets, {inputs} inputs", targets.len());
    Ok(())
}

/// The target's words are shown only where an input fails.
fn replay(program: &Path, corpus: &[PathBuf]) -> Result<()> {
    let out = Command::new(program)
        .args(corpus)
        .stdout(Stdio::null())
        .output()
        .with_context(|| program.display().to_string())?;
    let words = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{} failed: {}\n{words}", program.display(), out.status);
    let ran = words.lines().filter(|line| line.starts_with("Executed ")).count();
    ensure!(ran == corpus.len(), "{} ran {ran} of {} inputs", program.display(), corpus.len());
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
