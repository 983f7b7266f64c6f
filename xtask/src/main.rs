//! Chores of the workspace that need more than one command: `cargo xtask --help`.
//!
//! One file a chore. Nothing here is part of the program.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod bench_e2e;
mod coverage;
mod dependencies;
mod fuzz_replay;
mod instructions;
mod package;
mod process;
#[cfg(unix)]
mod reproducible;
mod rfc_trace;
mod sbom;
mod shipped;
mod windows;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Chores of the workspace")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check that docs/RFC7915-TRACE.md names tests that exist, for every statement
    RfcTrace,
    /// Cross build for Windows and tests under Wine
    #[command(subcommand)]
    Windows(windows::Command),
    /// The speed of the whole path on this kernel, against plain IPv6 and tayga (needs root)
    #[cfg(target_os = "linux")]
    BenchE2e(bench_e2e::Options),
    /// Build the packages for Windows: MSI, zip, winget manifest; prints the path of the MSI last
    Msi(package::Options),
    /// Check that the tests of the no_std rooms run as many lines as they did (needs llvm-cov)
    Coverage(coverage::Options),
    /// Check that the crates in the program are those of xtask/dependencies.txt
    Dependencies(dependencies::Options),
    /// Run every input of the fuzz corpora once
    FuzzReplay,
    /// Build the Linux program twice in different folders and compare the bytes
    #[cfg(unix)]
    Reproducible,
    /// Write what the programs are made of as CycloneDX documents; prints their paths
    Sbom(sbom::Options),
    /// Count the instructions of each translation, and compare with the committed baseline (needs valgrind)
    Instructions(instructions::Options),
}

fn main() -> ExitCode {
    let done = match Args::parse().chore {
        Chore::RfcTrace => rfc_trace::run(),
        Chore::Windows(command) => windows::run(command),
        #[cfg(target_os = "linux")]
        Chore::BenchE2e(options) => bench_e2e::run(&options),
        Chore::Msi(options) => package::all(&options).map(|()| ExitCode::SUCCESS),
        Chore::Coverage(options) => coverage::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Dependencies(options) => dependencies::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::FuzzReplay => fuzz_replay::run().map(|()| ExitCode::SUCCESS),
        #[cfg(unix)]
        Chore::Reproducible => reproducible::run().map(|()| ExitCode::SUCCESS),
        Chore::Sbom(options) => sbom::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Instructions(options) => instructions::run(&options).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(e) => {
            eprintln!("xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}
