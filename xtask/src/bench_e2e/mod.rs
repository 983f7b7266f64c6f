//! `cargo xtask bench-e2e`: the whole path on this kernel, measured against plain IPv6 and Debian's
//! tayga in turn.
//!
//! ```text
//!   app: IPv4 program ── TUN ── translator ── veth ── server with the IPv4-embedded IPv6 address
//! ```
//!
//! There is no NAT64 in the path, so plain IPv6 over the same veth is the ceiling. The program runs on
//! CPU 0, the server on CPU 1, the translator where the kernel likes. Absolute numbers belong to the
//! machine and its hour; ratios are taken within one round, where the peers follow each other closely,
//! and their median is shown.

mod bed;
mod cases;
mod flood;
mod start;
mod table;
mod turns;

use anyhow::{Context, Result, ensure};
use bed::{Bed, Peer};
use cases::Case;
use clap::Args;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// What to measure and how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds; the median of them is shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds a measurement
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// The program to measure (default: a release build of clat-cli)
    #[arg(long)]
    program: Option<PathBuf>,
    /// Only the cases whose name holds this
    #[arg(long)]
    only: Option<String>,
    /// Also the bare loop of benches/examples/bare.rs: what this kernel's TUN allows
    #[arg(long)]
    bare: bool,
    /// Queues of our device
    #[arg(long, default_value_t = 1)]
    queues: u16,
}

/// One measurement.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// In the unit of the case; more is better.
    value: f64,
    /// CPU seconds of the translator.
    cpu: f64,
    /// Gbit that arrived.
    gbit: f64,
}

/// Measures and prints the table.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let tools = ["tayga", "iperf3", "taskset", "ethtool"];
    ensure!(clat_netlab::need::met("bench-e2e", &tools), "what is missing stands above");
    let program = match &options.program {
        Some(path) => path.canonicalize()?,
        None => build(&["clat-cli"])?,
    };
    let mut beds = vec![
        Bed::new(Peer::Plain, &program, options.queues)?,
        Bed::new(Peer::Tayga, &program, options.queues)?,
        Bed::new(Peer::Ours, &program, options.queues)?,
    ];
    if options.bare {
        beds.push(Bed::new(Peer::Bare, &build(&["clat-benches", "--example", "bare"])?, 1)?);
    }
    let [_, tayga, ours, ..] = beds.as_slice() else { unreachable!("three and more were made") };
    let idle = ours.rss_kib()?;
    let mut rows = Vec::new();
    for case in Case::ALL.iter().filter(|case| options.only.as_ref().is_none_or(|o| case.name.contains(o))) {
        rows.push(measure(case, &beds, options)?);
    }
    let memory = table::Memory { idle, loaded: ours.rss_kib()?, tayga: tayga.rss_kib()? };
    let start = start::first_echo(&program, options.rounds)?;
    table::print(&rows, &memory, start, options);
    Ok(ExitCode::SUCCESS)
}

/// All rounds of a case: the peers in turn, each round in another order.
fn measure(case: &'static Case, beds: &[Bed], options: &Options) -> Result<table::Row> {
    let mut row = table::Row { case, rounds: Vec::new() };
    for round in 0..options.rounds {
        let mut samples = vec![Sample::default(); beds.len()];
        for turn in 0..beds.len() {
            let at = (turn + round) % beds.len();
            let sample = case.run(&beds[at], Duration::from_secs(options.seconds));
            samples[at] = sample.with_context(|| format!("{}, {:?}", case.name, beds[at].peer))?;
        }
        eprint!("{} {}/{}:", case.name, round + 1, options.rounds);
        for (bed, sample) in beds.iter().zip(&samples) {
            eprint!(" {:?} {:.2}", bed.peer, sample.value);
        }
        eprintln!(" {}", case.unit);
        row.rounds.push(samples);
    }
    Ok(row)
}

/// Builds a program of the workspace; the last word is its name.
fn build(what: &[&str]) -> Result<PathBuf> {
    let root = crate::workspace::root();
    let mut command = Command::new(crate::workspace::cargo());
    command.args(["build", "--release", "-p"]).args(what).current_dir(&root);
    crate::process::run(&mut command)?;
    let folder =
        root.join(if what.contains(&"--example") { "target/release/examples" } else { "target/release" });
    Ok(folder.join(what.last().context("a name")?))
}
