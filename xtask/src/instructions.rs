//! `cargo xtask instructions`: what one translation costs in instructions, against a committed baseline.
//!
//! Instructions, since they do not wobble on a shared machine. Valgrind counts a run of few and a run of
//! many packets; the difference is what a packet costs. Gungraun does the same, but its runner takes
//! minutes to build on every new machine, and it keeps baselines outside of the repository.

use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A rise above this many percent is a failure.
const TOLERANCE_PERCENT: f64 = 2.0;

/// Packets of the short and of the long run.
const RUNS: (u64, u64) = (500, 1500);

const CASES: [&str; 17] = [
    "v4_udp_64",
    "v4_tcp_64",
    "v4_tcp_576",
    "v4_tcp_1400",
    "v4_tcp_64k",
    "v4_echo_64",
    "v4_error",
    "v4_fragment",
    "v6_udp_64",
    "v6_tcp_64",
    "v6_tcp_576",
    "v6_tcp_1400",
    "v6_tcp_64k",
    "v6_echo_64",
    "v6_error",
    "v6_fragment",
    "v6_extensions",
];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the counts to the baseline; say why in the commit
    #[arg(long)]
    save: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = build()?;
    let restore = per_packet(&program, "v4_tcp_64", "restore")?;
    let mut counts = BTreeMap::new();
    for case in CASES {
        let in_place = per_packet(&program, case, "in_place")?.saturating_sub(restore);
        counts.insert(format!("{case} in_place"), in_place);
        counts.insert(format!("{case} gather"), per_packet(&program, case, "gather")?);
    }
    if options.save {
        std::fs::write(baseline(), render(&counts))?;
    }
    compare(&counts, &read_baseline()?)
}

fn baseline() -> PathBuf {
    workspace::root().join("benches").join("instructions.txt")
}

fn build() -> Result<PathBuf> {
    let root = workspace::root();
    let done = Command::new(workspace::cargo())
        .args(["build", "--quiet", "--release", "-p", "clat-benches", "--example", "count"])
        .current_dir(&root)
        .status()
        .context("cargo build")?;
    ensure!(done.success(), "benches do not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release").join("examples").join("count"))
}

fn per_packet(program: &Path, case: &str, way: &str) -> Result<u64> {
    let (few, many) = RUNS;
    let total = |n| instructions(program, &[case, way, &u64::to_string(&n)]);
    Ok((total(many)? - total(few)?) / (many - few))
}

/// Instructions of one run, as callgrind counts them.
fn instructions(program: &Path, args: &[&str]) -> Result<u64> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(args)
        .output()
        .context("valgrind does not start: apt-get install valgrind")?;
    let text = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{} {args:?} failed:\n{text}", program.display());
    let line =
        text.lines().find_map(|l| l.split_once("Collected : ")).context("valgrind printed no count")?;
    Ok(line.1.trim().parse()?)
}

fn render(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().fold(String::new(), |mut text, (name, count)| {
        let _ = writeln!(text, "{name} {count}");
        text
    })
}

fn read_baseline() -> Result<BTreeMap<String, u64>> {
    let text = std::fs::read_to_string(baseline()).context("no baseline: cargo xtask instructions --save")?;
    text.lines()
        .map(|line| {
            let (name, count) = line.rsplit_once(' ').with_context(|| format!("baseline line: {line}"))?;
            Ok((name.to_owned(), count.parse()?))
        })
        .collect()
}

#[allow(clippy::cast_precision_loss)] // counts far below 2^52
fn compare(counts: &BTreeMap<String, u64>, baseline: &BTreeMap<String, u64>) -> Result<()> {
    println!("{:<24} {:>9} {:>9} {:>8}", "instructions a packet", "now", "baseline", "change");
    let mut risen = Vec::new();
    for (name, now) in counts {
        let Some(before) = baseline.get(name) else { bail!("{name} has no baseline: --save it") };
        let change = (*now as f64 / *before as f64 - 1.0) * 100.0;
        println!("{name:<24} {now:>9} {before:>9} {change:>+7.1}%");
        if change > TOLERANCE_PERCENT {
            risen.push(name.as_str());
        }
    }
    ensure!(risen.is_empty(), "more than {TOLERANCE_PERCENT} % above the baseline: {}", risen.join(", "));
    Ok(())
}
