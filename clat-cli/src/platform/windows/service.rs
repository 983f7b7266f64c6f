//! `service`: the commands, and `run` as the service itself.

use super::wake::{self, Wake};
use crate::cli::{Cli, Command, ServiceCommand};
use crate::exit::Exit;
use crate::platform::Notice;
use crate::{exit, run};
use anyhow::Context;
use clap::Parser;
use clat_windows::service::{self, Control};
use std::sync::OnceLock;
use tracing::warn;

/// What the service's own `run` was started with.
static ARGUMENTS: OnceLock<Vec<String>> = OnceLock::new();

/// Runs the command.
pub(crate) fn command(command: &ServiceCommand) -> anyhow::Result<Exit> {
    match command {
        ServiceCommand::Install => {
            let program = std::env::current_exe().context("cannot find this program's own path")?;
            for note in service::install(&program)? {
                eprintln!("note: this Windows does not know {note}");
            }
            println!(
                "the service is installed; it starts with the machine, and at once with `clat-cli service start`"
            );
        }
        ServiceCommand::Uninstall => {
            service::uninstall()?;
            println!("the service is removed");
        }
        ServiceCommand::Start => {
            service::start()?;
            println!("the service runs");
        }
        ServiceCommand::Stop => {
            service::stop()?;
            println!("the service has stopped; every change to this machine is undone");
        }
        ServiceCommand::Run { args } => {
            // One service a process.
            let _ = ARGUMENTS.set(args.clone());
            service::run(main).context("this command is for the service manager: use `clat-cli run`")?;
        }
    }
    Ok(Exit::Success)
}

/// The service's main function, in a thread of the service manager's.
fn main() {
    let control = |control| {
        wake::from_outside(match control {
            Control::Stop => Wake::Stop,
            Control::Suspend => Wake::Suspend,
            Control::Resume => Wake::Resume,
        });
    };
    if let Err(e) = service::begin(control) {
        warn!("service manager: {e}");
        return;
    }
    let result = arguments().and_then(|args| run::run(&args));
    if let Err(e) = &result {
        tracing::error!("{e:#}");
    }
    let code = u32::from(exit::report(result) != Exit::Success);
    service::stopped(code);
}

/// The arguments of `run`, checked as at the command line.
fn arguments() -> anyhow::Result<crate::cli::RunArgs> {
    let given = ARGUMENTS.get().map(Vec::as_slice).unwrap_or_default();
    let words = ["clat-cli", "run"].into_iter().chain(given.iter().map(String::as_str));
    match Cli::try_parse_from(words)?.command {
        Command::Run(args) => Ok(args),
        _ => anyhow::bail!("the service was registered with arguments that are not those of `run`"),
    }
}

/// Tells the service manager, where it started us.
pub(super) fn notify(notice: Notice<'_>) {
    match notice {
        Notice::Ready => service::running(),
        Notice::Stopping => service::stopping(),
        Notice::Status(_) | Notice::Reloading => {}
    }
}
