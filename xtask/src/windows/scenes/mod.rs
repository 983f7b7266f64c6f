//! The real program under Wine on a small Internet: `cargo xtask windows scenes`.
//!
//! Each scene starts from nothing, fails with what it saw, and leaves nothing behind.

mod configured;
mod data_path;
mod dll;
mod faults;
mod frames;
mod machine;
mod memory;
mod package;
mod replay;
mod service;
mod stage;

use anyhow::{Result, bail};
use clat_netlab::need;
use stage::Stage;
use std::path::Path;
use std::time::Instant;

/// A scene's name and what happens in it.
type Scene = (&'static str, fn(&Path) -> Result<()>);

/// In this order.
const SCENES: &[Scene] = &[
    ("data-path", data_path::run),
    ("memory", memory::run),
    ("dll", dll::run),
    ("ring-full", faults::ring_full),
    ("adapter-removed", faults::adapter_removed),
    ("configured", configured::run),
    ("crash", configured::crash),
    ("frames", frames::run),
    ("replay", replay::run),
    ("machine", machine::run),
    ("service", service::run),
    ("phases", service::phases),
    ("msi", package::msi),
];

/// Runs the scenes whose names contain one of the words; all of them without words.
pub(crate) fn run(exe: &Path, words: &[String]) -> Result<()> {
    if !need::met("wine", &[]) {
        return Ok(());
    }
    let wanted = |name: &str| words.is_empty() || words.iter().any(|w| name.contains(w.as_str()));
    let mut failed = Vec::new();
    for (name, scene) in SCENES.iter().filter(|(name, _)| wanted(name)) {
        let start = Instant::now();
        let result = scene(exe);
        let seconds = start.elapsed().as_secs_f32();
        match result {
            Ok(()) => println!("scene {name}: ok ({seconds:.1} s)"),
            Err(e) => {
                println!("scene {name}: FAILED ({seconds:.1} s)\n{e:#}");
                failed.push(*name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
