//! wintun.dll is the signed release, or it is not loaded.

use super::Stage;
use super::data_path::BY_HAND;
use super::stage::said;
use anyhow::{Result, ensure};
use clat_netlab::Lab;
use std::fs;
use std::path::Path;

pub(super) fn run(exe: &Path) -> Result<()> {
    let stage = Stage::new(Lab::builder().build()?, exe, false)?;
    let (path, args) = (stage.app().join("wintun.dll"), [&["run"], &BY_HAND[..]].concat());
    let mut bytes = fs::read(&path)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes)?;
    let out = stage.output(&args)?;
    let text = said(&out);
    ensure!(out.status.code() == Some(1) && text.contains("is not Wintun 0.14.1"), "one changed bit: {text}");
    fs::remove_file(&path)?;
    let out = stage.output(&args)?;
    let text = said(&out);
    ensure!(out.status.code() == Some(1) && text.contains("belongs beside the program"), "no file: {text}");
    ensure!(!stage.contract().contains("create"), "an adapter was made:\n{}", stage.contract());
    Ok(())
}
