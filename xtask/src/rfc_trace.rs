//! `cargo xtask rfc-trace`: the check of docs/RFC7915-TRACE.md, which is a test of clat-model.

use crate::{process, workspace};
use anyhow::Result;
use std::process::{Command, ExitCode};

pub(crate) fn run() -> Result<ExitCode> {
    let mut check = Command::new(workspace::cargo());
    check.current_dir(workspace::root()).args(["test", "--quiet", "-p", "clat-model", "--test", "rfc_trace"]);
    process::run(&mut check)?;
    println!("docs/RFC7915-TRACE.md: every statement has its tests, and they exist");
    Ok(ExitCode::SUCCESS)
}
