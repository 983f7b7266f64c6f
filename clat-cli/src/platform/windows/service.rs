//! `service`: the commands, and `run` as the service itself.

use super::waiting::{self, Then, Word};
use super::wake::{self, Wake};
use crate::cli::{Cli, Command, ServiceCommand};
use crate::control::paths::StateDir;
use crate::exit::Exit;
use crate::platform::Notice;
use crate::{logging, run};
use anyhow::Context;
use clap::Parser;
use clat_windows::service::{self, Control};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Duration;
use tracing::{error, warn};

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

/// Between two tries, when the machine is not ready: the driver is missing, another instance runs.
const AGAIN: Duration = Duration::from_secs(30);

/// The service's main function, in a thread of the service manager's.
///
/// A failure does not end the service: at boot the network may not be there, and an administrator who installs the
/// missing piece need not know that a service waits for it. `status` tells the reason, and the event log each new one.
fn main() {
    let (ask, asked) = channel();
    let stop = ask.clone();
    let control = move |control| {
        wake::from_outside(match control {
            Control::Stop => {
                // The service is ending already.
                let _ = stop.send(Word::Stop);
                Wake::Stop
            }
            Control::Reload => Wake::Reload,
            Control::Suspend => Wake::Suspend,
            Control::Resume => Wake::Resume,
        });
    };
    if let Err(e) = service::begin(control) {
        warn!("service manager: {e}");
        return;
    }
    service::running();
    let state_dir = arguments().ok().and_then(|args| args.at.state_dir);
    let dir = StateDir::here(state_dir.as_deref());
    let mut told = None;
    while let Err(why) = once() {
        // There is no log yet where the configuration is wrong.
        let _ = logging::start(None);
        if told.as_ref() != Some(&why) {
            error!("{why}. Tried again every {} seconds", AGAIN.as_secs());
        }
        if waiting::wait(&dir, &why, AGAIN, (&ask, &asked)) == Then::End {
            break;
        }
        told = Some(why);
    }
    service::stopped(0);
}

/// Translates until somebody wants the end, or says why not.
fn once() -> Result<(), String> {
    match arguments().and_then(|args| run::run(&args)) {
        Ok(Exit::Success) => Ok(()),
        Ok(exit) => Err(format!("it ended by itself ({exit:?})")),
        Err(e) => Err(format!("{e:#}")),
    }
}

/// The arguments of `run`, checked as at the command line.
fn arguments() -> anyhow::Result<crate::cli::RunArgs> {
    let given = ARGUMENTS.get().map(Vec::as_slice).unwrap_or_default();
    let words = ["clat-cli", "run"].into_iter().chain(given.iter().map(String::as_str));
    if let Command::Run(args) = Cli::try_parse_from(words)?.command {
        return Ok(args);
    }
    anyhow::bail!("the service was registered with arguments that are not those of `run`")
}

/// Tells the service manager, where it started us.
pub(super) fn notify(notice: Notice<'_>) {
    match notice {
        Notice::Stopping => service::stopping(),
        Notice::Ready | Notice::Status(_) | Notice::Reloading => {}
    }
}
