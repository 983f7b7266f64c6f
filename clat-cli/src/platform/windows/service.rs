//! `service`: the commands, and `run` as the service itself.

use super::wake::{self, Wake};
use crate::cli::{Cli, Command, ServiceCommand};
use crate::exit::Exit;
use crate::platform::Notice;
use crate::{logging, run};
use anyhow::Context;
use clap::Parser;
use clat_windows::service::{self, Control};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
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

/// Between two tries, when the machine is not ready: the driver is missing, another instance runs.
const AGAIN: Duration = Duration::from_secs(30);

/// The service's main function, in a thread of the service manager's.
///
/// A failure does not end the service: at boot the network may not be there, and an administrator who installs the
/// missing piece need not know that a service waits for it. The event log has each reason.
fn main() {
    let (ask, asked) = channel();
    let control = move |control| {
        wake::from_outside(match control {
            Control::Stop => {
                // The service is ending already.
                let _ = ask.send(());
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
    loop {
        let result = arguments().and_then(|args| run::run(&args));
        let failed = !matches!(result, Ok(Exit::Success));
        if let Err(e) = &result {
            // There is no log yet where the configuration is wrong.
            let _ = logging::start(None);
            tracing::error!("{e:#}. Tried again every {} seconds", AGAIN.as_secs());
        }
        if !failed || asked.recv_timeout(AGAIN) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    service::stopped(0);
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
