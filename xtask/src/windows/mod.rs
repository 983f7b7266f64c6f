//! The Windows program from a Debian machine: compiler, std, build, lints, tests under Wine.
//!
//! rustup offers no std for the target where it cannot download one, so Debian's `rustc-web` compiles std from
//! `rust-web-src` once into a private sysroot; every build after that is an ordinary `cargo build --target`.

mod build;
mod imports;
mod resource;
mod scenes;
mod standins;
mod sysroot;
mod toolchain;
mod wine;

use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use build::release;

/// The target of every Windows build made on Linux.
pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the tools, build std for the target and make the Wine prefix (once a machine)
    Setup,
    /// Build clat-cli.exe, release profile; prints its path last
    Build,
    /// Clippy for the target, warnings are errors
    Clippy,
    /// Type-check the program for arm64, which nothing on Debian links for
    CheckArm64,
    /// Unit and integration tests of the Windows crates under Wine, then the scenes
    Test {
        /// Leave the scenes out
        #[arg(long)]
        no_scenes: bool,
        /// Arguments for `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The release program under Wine in namespaces: traffic through a NAT64, service, packages, faults
    Scenes {
        /// Only scenes whose names contain one of these words
        words: Vec<String>,
        /// This program instead of building one
        #[arg(long)]
        exe: Option<PathBuf>,
    },
    /// Build the DLLs that stand in for what Wine lacks; prints their folder last
    Standins,
    /// Run a Windows program under Wine (cargo's runner for the target)
    Exec {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup => {
            toolchain::require(toolchain::SETUP)?;
            let sysroot = sysroot::ensure()?;
            let prefix = wine::ensure_prefix()?;
            println!("sysroot {}\nwine prefix {}", sysroot.display(), prefix.display());
        }
        Command::Build => println!("{}", release()?.display()),
        Command::Clippy => build::clippy()?,
        Command::CheckArm64 => build::check_arm64()?,
        Command::Test { no_scenes, args } => {
            build::test(&args)?;
            if !no_scenes {
                scenes::run(&release()?, &[])?;
            }
        }
        Command::Scenes { words, exe } => {
            let exe = exe.map_or_else(release, Ok)?;
            scenes::run(&exe, &words)?;
        }
        Command::Standins => println!("{}", standins::ensure()?.display()),
        Command::Exec { args } => return wine::exec(&args),
    }
    Ok(ExitCode::SUCCESS)
}

/// Fails unless the tools for the packages are there.
pub(crate) fn require_package_tools() -> Result<()> {
    toolchain::require(&[toolchain::PACKAGE])
}
