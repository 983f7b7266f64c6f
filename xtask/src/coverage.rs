//! `cargo xtask coverage`: which lines of the no_std rooms their tests run, against a committed floor.
//!
//! The compiler's own instrumentation, read by the `llvm-profdata` and `llvm-cov` of its LLVM version: rustup's
//! component `llvm-tools`, Debian's package `llvm-22`, or what `LLVM_PROFDATA` and `LLVM_COV` name.
//! `cargo llvm-cov` does the same and more, but has to be built on every new machine.

use crate::{process, workspace};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rooms whose tests need no privileges, and so cover the same lines everywhere.
const ROOMS: [&str; 2] = ["clat-core", "clat-engine"];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write a report with every line to this folder as well
    #[arg(long)]
    html: Option<PathBuf>,
    /// Name every line of each file that no test runs
    #[arg(long)]
    lines: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tools = Tools::find()?;
    let target = workspace::root().join("target").join("coverage");
    let raw = target.join("profraw");
    // The counts of the last run.
    let _ = std::fs::remove_dir_all(&raw);
    let programs = build_and_run(&target, &raw)?;
    let merged = target.join("merged.profdata");
    let mut merge = Command::new(&tools.profdata);
    merge.args(["merge", "--sparse"]).arg(&raw).arg("-o").arg(&merged);
    process::run(&mut merge)?;
    let files = summary(&tools, &programs, &merged)?;
    report(&files);
    if options.lines {
        show_lines(&tools, &programs, &merged)?;
    }
    if let Some(folder) = &options.html {
        let mut show = tools.cov("show", &programs, &merged);
        process::run(show.args(["--format=html", "--output-dir"]).arg(folder))?;
    }
    compare(&files)
}

struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    fn find() -> Result<Self> {
        let version = process::output(Command::new("rustc").arg("-vV"))?;
        let host = field(&version, "host: ")?;
        let llvm = field(&version, "LLVM version: ")?;
        let major = llvm.split('.').next().unwrap_or_default();
        let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let component = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin");
        let find = |name: &str, variable: &str| {
            let places = [
                std::env::var_os(variable).map(PathBuf::from),
                Some(component.join(name)),
                Some(PathBuf::from(format!("/usr/lib/llvm-{major}/bin/{name}"))),
            ];
            places.into_iter().flatten().find(|path| path.is_file()).with_context(|| {
                format!(
                    "no {name} of LLVM {major}: apt-get install llvm-{major}, or rustup component add \
                     llvm-tools, or name it in {variable}"
                )
            })
        };
        Ok(Self { profdata: find("llvm-profdata", "LLVM_PROFDATA")?, cov: find("llvm-cov", "LLVM_COV")? })
    }

    /// `llvm-cov HOW` over all programs, of our own sources only.
    fn cov(&self, how: &str, programs: &[PathBuf], merged: &Path) -> Command {
        let mut command = Command::new(&self.cov);
        command.arg(how).arg(format!("--instr-profile={}", merged.display()));
        command.arg("--ignore-filename-regex=/(tests|\\.cargo|rustc|library)/|/target/");
        for (n, program) in programs.iter().enumerate() {
            if n > 0 {
                command.arg("--object");
            }
            command.arg(program);
        }
        command
    }
}

fn field<'t>(text: &'t str, name: &str) -> Result<&'t str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.with_context(|| format!("rustc -vV says no {name}"))
}

/// Builds the tests with counters and runs them. The programs, to read the counters with.
fn build_and_run(target: &Path, raw: &Path) -> Result<Vec<PathBuf>> {
    let test = || {
        let mut cargo = Command::new(workspace::cargo());
        cargo.current_dir(workspace::root()).arg("test").args(ROOMS.map(|room| format!("-p{room}")));
        // The link test builds something else.
        cargo.args(["--lib", "--tests", "--target-dir"]).arg(target);
        cargo.env("RUSTFLAGS", "-C instrument-coverage");
        cargo.env("LLVM_PROFILE_FILE", raw.join("%p-%m.profraw"));
        cargo
    };
    let messages = process::output(test().args(["--no-run", "--message-format=json"]))?;
    let programs: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect();
    ensure!(!programs.is_empty(), "cargo named no test program");
    process::run(test().args(["--quiet", "--", "--skip", "no_symbol_of_a_panic_or_an_allocator"]))?;
    Ok(programs)
}

/// Lines of each file of the rooms: all, and those that ran.
fn summary(tools: &Tools, programs: &[PathBuf], merged: &Path) -> Result<BTreeMap<String, (u64, u64)>> {
    let text = process::output(tools.cov("export", programs, merged).arg("--summary-only"))?;
    let export: Value = serde_json::from_str(&text).context("llvm-cov export is not JSON")?;
    let files = export["data"][0]["files"].as_array().context("llvm-cov export names no files")?;
    let root = workspace::root().canonicalize()?;
    let lines = |file: &Value, key: &str| file["summary"]["lines"][key].as_u64().unwrap_or(0);
    Ok(files
        .iter()
        .filter_map(|file| {
            let name = Path::new(file["filename"].as_str()?).strip_prefix(&root).ok()?;
            let ours = ROOMS.iter().any(|room| name.starts_with(Path::new(room).join("src")));
            ours.then(|| (name.display().to_string(), (lines(file, "count"), lines(file, "covered"))))
        })
        .collect())
}

fn show_lines(tools: &Tools, programs: &[PathBuf], merged: &Path) -> Result<()> {
    let text = process::output(tools.cov("show", programs, merged).arg("--show-instantiations=false"))?;
    let mut file = "";
    for line in text.lines() {
        if line.starts_with('/') {
            file = line;
        }
        let mut parts = line.splitn(3, '|');
        if let (Some(number), Some("0"), Some(code)) =
            (parts.next(), parts.next().map(str::trim), parts.next())
        {
            println!("{file}{}: {code}", number.trim());
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // far below 2^52 lines
fn percent((all, covered): (u64, u64)) -> f64 {
    covered as f64 * 100.0 / all.max(1) as f64
}

fn report(files: &BTreeMap<String, (u64, u64)>) {
    println!("{:<48} {:>6} {:>6} {:>7}", "file", "lines", "run", "");
    for (name, lines) in files {
        println!("{name:<48} {:>6} {:>6} {:>6.1}%", lines.0, lines.1, percent(*lines));
    }
}

/// Each room has its floor in `xtask/coverage.txt`, which is raised by hand.
fn compare(files: &BTreeMap<String, (u64, u64)>) -> Result<()> {
    let path = workspace::root().join("xtask").join("coverage.txt");
    let floors = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut below = Vec::new();
    for room in ROOMS {
        let floor = floors.lines().find_map(|line| line.strip_prefix(room)?.trim().parse::<f64>().ok());
        let floor = floor.with_context(|| format!("{room} has no floor in {}", path.display()))?;
        let of_room = files.iter().filter(|(name, _)| Path::new(name).starts_with(room));
        let sum = of_room.fold((0, 0), |sum, (_, lines)| (sum.0 + lines.0, sum.1 + lines.1));
        ensure!(sum.0 > 0, "no line of {room} was seen");
        println!("{room}: {:.2} % of {} lines, floor {floor} %", percent(sum), sum.0);
        if percent(sum) < floor {
            below.push(room);
        }
    }
    ensure!(below.is_empty(), "below the floor: {}; `--lines` names what no test runs", below.join(", "));
    Ok(())
}
