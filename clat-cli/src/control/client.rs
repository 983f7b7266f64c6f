//! Asking a running instance.

use super::paths::StateDir;
use super::protocol::{self, Answer, Request};
use anyhow::Context;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A status answer comes at once or not at all.
const SOON: Duration = Duration::from_secs(5);

/// Undoing all changes may take this long.
const STOP: Duration = Duration::from_secs(30);

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It was answered.
    Answer(Answer),
    /// Nobody is there.
    NotRunning,
}

/// Asks the instance in this folder, by the door for root where it opens.
pub(crate) fn ask(dir: &StateDir, request: Request) -> anyhow::Result<Asked> {
    let socket = dir.control_socket();
    let stream = match UnixStream::connect(&socket) {
        Err(e) if request.is_read_only() && e.kind() == ErrorKind::PermissionDenied => {
            UnixStream::connect(dir.status_socket())
        }
        other => other,
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Ok(Asked::NotRunning);
        }
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            return Err(e).with_context(|| format!("{}: only root may ask for this", socket.display()));
        }
        Err(e) => return Err(e).with_context(|| socket.display().to_string()),
    };
    let patience = if request == Request::Status { SOON } else { STOP };
    exchange(stream, request, patience).with_context(|| silent(&socket)).map(Asked::Answer)
}

fn exchange(mut stream: UnixStream, request: Request, patience: Duration) -> anyhow::Result<Answer> {
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&protocol::line(&request))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn silent(socket: &Path) -> String {
    format!("{}: the instance does not answer", socket.display())
}
