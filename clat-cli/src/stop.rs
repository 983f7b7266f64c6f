//! `stop`: ends the running instance, and puts the host back where one has crashed.

use crate::cli::StopArgs;
use crate::control::client::{self, Asked};
use crate::control::paths::StateDir;
use crate::control::protocol::{Answer, Request};
use crate::exit::Exit;
use crate::platform::current;
use anyhow::bail;

/// Runs the command. An instance that runs undoes its changes itself.
pub(crate) fn run(args: &StopArgs) -> anyhow::Result<Exit> {
    // What is put back is what was changed here, even while an instance of another namespace runs.
    let find = if args.recover { StateDir::here } else { StateDir::find };
    let dir = find(args.at.state_dir.as_deref());
    match client::ask(&dir, Request::Stop)? {
        Asked::Answer(Answer::Ok(text)) => println!("{text}"),
        Asked::Answer(Answer::Error(text)) => bail!("{text}"),
        Asked::Answer(Answer::Status(_)) => bail!("the instance answers what was not asked"),
        Asked::NotRunning if args.recover => return recover(&dir),
        Asked::NotRunning => println!("CLAT is not running"),
    }
    Ok(Exit::Success)
}

fn recover(dir: &StateDir) -> anyhow::Result<Exit> {
    let lines = current::recover(dir)?;
    if lines.is_empty() {
        println!("nothing was left over from a crash");
    }
    for line in lines {
        println!("{line}");
    }
    Ok(Exit::Success)
}
