//! `status`: what a running instance says about itself.

pub(crate) mod model;
pub(crate) mod text;

use crate::cli::StatusArgs;
use crate::control::client::{self, Asked};
use crate::control::paths::StateDir;
use crate::control::protocol::{Answer, Request};
use crate::exit::Exit;
use anyhow::bail;
use model::Status;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// Runs the command.
pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<Exit> {
    loop {
        let status = fetch(args.at.state_dir.as_deref())?;
        let mut out = io::stdout().lock();
        if args.watch && out.is_terminal() && !args.json {
            write!(out, "\x1b[H\x1b[2J")?;
        }
        match (&status, args.json) {
            (Some(status), true) => serde_json::to_writer(&mut out, status)?,
            (Some(status), false) => write!(out, "{}", text::Page(status))?,
            (None, true) => write!(out, r#"{{"state":"stopped"}}"#)?,
            (None, false) => write!(out, "CLAT is not running: start it with `clat-cli run`")?,
        }
        if args.json || status.is_none() {
            writeln!(out)?;
        }
        out.flush()?;
        if !args.watch {
            return Ok(if status.is_some() { Exit::Success } else { Exit::Failure });
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The document of the running instance; nothing when there is none.
pub(crate) fn fetch(state_dir: Option<&Path>) -> anyhow::Result<Option<Status>> {
    match client::ask(&StateDir::find(state_dir), Request::Status)? {
        Asked::Answer(Answer::Status(status)) => Ok(Some(*status)),
        Asked::NotRunning => Ok(None),
        Asked::Answer(Answer::Error(text) | Answer::Ok(text)) => bail!("{text}"),
    }
}
