//! `clat-cli`: the CLAT as a program.
//!
//! # Layout
//!
//! - [`cli`]: what was typed, nothing resolved.
//! - one module a command: resolves its arguments and does the work.
//! - [`exit`]: how the process ends.

#![deny(unsafe_code)]

#[cfg(any(target_os = "linux", windows))]
mod capture;
mod cli;
#[cfg(any(target_os = "linux", windows))]
mod config;
#[cfg(any(target_os = "linux", windows))]
mod control;
mod demo;
#[cfg(any(target_os = "linux", windows))]
mod discover;
mod dissect;
#[cfg(any(target_os = "linux", windows))]
mod doctor;
mod exit;
mod explain;
#[cfg(any(target_os = "linux", windows))]
mod logging;
#[cfg(any(target_os = "linux", windows))]
mod metrics;
mod pcap;
#[cfg(any(target_os = "linux", windows))]
mod platform;
#[cfg(any(target_os = "linux", windows))]
mod replay;
#[cfg(any(target_os = "linux", windows))]
mod run;
mod setup;
#[cfg(any(target_os = "linux", windows))]
mod status;
#[cfg(any(target_os = "linux", windows))]
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
        #[cfg(any(target_os = "linux", windows))]
        Command::Run(args) => run::run(&args),
        #[cfg(any(target_os = "linux", windows))]
        Command::Status(args) => status::run(&args),
        #[cfg(any(target_os = "linux", windows))]
        Command::Discover(args) => discover::run(&args),
        #[cfg(any(target_os = "linux", windows))]
        Command::Doctor(args) => doctor::run(&args),
        #[cfg(any(target_os = "linux", windows))]
        Command::Stop(args) => stop::run(&args),
        #[cfg(windows)]
        Command::Service(command) => platform::windows::service::command(&command),
        Command::Completions(args) => cli::shell::completions(args.shell),
        Command::Man => cli::shell::man(),
    }
}
