//! Asking a running instance.

use super::paths::StateDir;
use super::protocol::{self, Answer, Request};
use anyhow::{Context, bail};
use clat_windows::pipe::{self, Door};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It was answered.
    Answer(Answer),
    /// Nobody is there.
    NotRunning,
}

/// Asks the instance of this folder. Administrators are told more, so their door is tried first.
pub(crate) fn ask(dir: &StateDir, request: Request) -> anyhow::Result<Asked> {
    let denied = |e: &io::Error| e.kind() == ErrorKind::PermissionDenied;
    let pipe = match pipe::connect(Door::Control, dir.instance()) {
        Err(e) if denied(&e) && request.is_read_only() => pipe::connect(Door::Status, dir.instance()),
        other => other,
    };
    match pipe {
        Ok(pipe) => exchange(pipe, request).context("the instance does not answer").map(Asked::Answer),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Asked::NotRunning),
        Err(e) if denied(&e) => {
            Err(e).context("only administrators may ask for this: open the command prompt as administrator")
        }
        Err(e) => Err(e).context(Door::Control.name(dir.instance())),
    }
}

fn exchange(mut pipe: File, request: Request) -> anyhow::Result<Answer> {
    pipe.write_all(&protocol::line(&request))?;
    let mut line = String::new();
    // The server hangs up on its own when the answer takes too long.
    if BufReader::new(pipe).read_line(&mut line)? == 0 {
        bail!("it hung up");
    }
    Ok(serde_json::from_str(&line)?)
}
