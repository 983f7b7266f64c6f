//! `clat-cli`: the CLAT as a program.
//!
//! # Layout
//!
//! - [`cli`]: what was typed, nothing resolved.
//! - one module a command: resolves its arguments and does the work.
//! - [`exit`]: how the process ends.

#![deny(unsafe_code)]

mod cli;
mod exit;
mod pcap;
mod setup;
mod translate;

use clap::Parser;
use cli::{Cli, Command};
use exit::Exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap itself ends the process with 2 on a usage error and 0 after help or version.
    let cli = Cli::parse();
    exit::report(run(cli.command)).into()
}

fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Translate(args) => translate::run(&args),
        Command::Completions(args) => cli::shell::completions(args.shell),
        Command::Man => cli::shell::man(),
    }
}
