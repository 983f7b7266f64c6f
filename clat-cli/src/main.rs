//! `clat-cli`: the CLAT as a program.
//!
//! # Layout
//!
//! - [`cli`]: what was typed, nothing resolved.
//! - one module a command: resolves its arguments and does the work.
//! - [`exit`]: how the process ends.

#![deny(unsafe_code)]

mod cli;
#[cfg(target_os = "linux")]
mod config;
#[cfg(target_os = "linux")]
mod control;
mod demo;
#[cfg(target_os = "linux")]
mod discover;
mod dissect;
#[cfg(target_os = "linux")]
mod doctor;
mod exit;
mod explain;
#[cfg(target_os = "linux")]
mod logging;
#[cfg(target_os = "linux")]
mod metrics;
mod pcap;
#[cfg(target_os = "linux")]
mod platform;
#[cfg(target_os = "linux")]
mod run;
mod setup;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod stop;
mod translate;

use clap::Parser;
use cli::{Cli, Command};
use exit::Exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap itself ends the process with 2 on a usage error and 0 after help or version.
    let cli = Cli::parse();
    exit::report(execute(cli.command)).into()
}

fn execute(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Translate(args) => translate::run(&args),
        #[cfg(target_os = "linux")]
        Command::Run(args) => run::run(&args),
        #[cfg(target_os = "linux")]
        Command::Status(args) => status::run(&args),
        #[cfg(target_os = "linux")]
        Command::Discover(args) => discover::run(&args),
        #[cfg(target_os = "linux")]
        Command::Doctor(args) => doctor::run(&args),
        #[cfg(target_os = "linux")]
        Command::Stop(args) => stop::run(&args),
        Command::Completions(args) => cli::shell::completions(args.shell),
        Command::Man => cli::shell::man(),
    }
}
