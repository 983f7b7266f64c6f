//! Running other programs: said before, checked after.

use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Runs a command with our own standard streams and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} failed: {status}");
    }
    Ok(())
}

/// Runs a command and returns what it wrote to standard output; its standard error is shown.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let out = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {name}"))?;
    if !out.status.success() {
        bail!("{name} failed: {}", out.status);
    }
    String::from_utf8(out.stdout).with_context(|| format!("{name} wrote something that is not UTF-8"))
}
