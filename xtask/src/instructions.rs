//! `cargo xtask instructions`: what one translation costs in instructions, against a committed baseline.
//!
//! Instructions, since they do not wobble on a shared machine. Valgrind counts a run of few and a run of
//! many packets; the difference is what a packet costs. Gungraun does the same, but its runner takes
//! minutes to build on every new machine, and it keeps baselines outside of the repository.
//!
//! The floor (`benches/src/floor.rs`) and the crate interproto are counted for comparison, and not held.

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

/// The same for what sums up the whole payload of each packet.
const SHORT_RUNS: (u64, u64) = (20, 60);

/// What a case was counted as, with the instructions of each way.
struct Counted {
    case: String,
    ways: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the counts to the baseline; say why in the commit
    #[arg(long)]
    save: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let counted = Counter::new(build()?)?.all()?;
    let held = held(&counted);
    if options.save {
        std::fs::write(baseline(), render(&held))?;
    }
    print(&counted);
    compare(&held, &read_baseline()?)
}

/// What the baseline holds, by case and way.
fn held(counted: &[Counted]) -> BTreeMap<String, u64> {
    let ours = counted.iter().flat_map(|c| c.ways.iter().map(move |(way, count)| (&c.case, *way, *count)));
    ours.filter(|(_, way, _)| matches!(*way, "in_place" | "gather" | "wintun"))
        .map(|(case, way, count)| (format!("{case} {way}"), count))
        .collect()
}

fn print(counted: &[Counted]) {
    println!("| instructions a packet | in place | gather | Windows loop | floor, in place | interproto |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for Counted { case, ways } in counted {
        let count = |way| ways.get(way).map_or_else(|| "-".to_owned(), u64::to_string);
        let [in_place, gather, floor] = [count("in_place"), count("gather"), count("floor")];
        let [wintun, interproto] = [count("wintun"), count("interproto")];
        println!("| {case} | {in_place} | {gather} | {wintun} | {floor} | {interproto} |");
    }
    println!();
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

/// The program that is counted, and what putting a packet back costs it.
struct Counter {
    program: PathBuf,
    restore: u64,
}

impl Counter {
    fn new(program: PathBuf) -> Result<Self> {
        let restore = per_packet(&program, "v4_tcp_64", "restore", RUNS)?;
        Ok(Self { program, restore })
    }

    /// Every case, in every way that it has.
    fn all(&self) -> Result<Vec<Counted>> {
        let out = Command::new(&self.program).output().context("the list of cases")?;
        let list = String::from_utf8(out.stdout)?;
        list.lines().map(|line| self.case(line)).collect()
    }

    /// A line of the list: a case and its ways.
    fn case(&self, line: &str) -> Result<Counted> {
        let mut words = line.split(' ');
        let case = words.next().unwrap_or_default().to_owned();
        let mut ways = BTreeMap::new();
        for way in words {
            let count = |runs| per_packet(&self.program, &case, way, runs);
            match way {
                "in_place" => ways.insert("in_place", count(RUNS)?.saturating_sub(self.restore)),
                "floor" => ways.insert("floor", count(RUNS)?.saturating_sub(self.restore)),
                "gather" => ways.insert("gather", count(RUNS)?),
                "wintun" => ways.insert("wintun", count(RUNS)?),
                "interproto" => ways.insert("interproto", count(SHORT_RUNS)?),
                other => bail!("{case}: unknown way {other}"),
            };
        }
        Ok(Counted { case, ways })
    }
}

fn per_packet(program: &Path, case: &str, way: &str, (few, many): (u64, u64)) -> Result<u64> {
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
