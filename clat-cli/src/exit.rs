//! How the process ends.

use std::io::{self, Write};
use std::process::ExitCode;

/// The exit codes of every command: 0, 1, 2, and those that `doctor` has for each finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Success,
    /// It could not be done; standard error says what to do about it.
    Failure,
    /// The command line is wrong, or a file that it names cannot be read.
    Usage,
    /// `doctor` found something: the code of `doctor::Finding`, 0 for nothing.
    #[cfg_attr(not(any(target_os = "linux", windows)), allow(dead_code))]
    Finding(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Finding(code) => code,
        })
    }
}

/// An error of the person's making: [`Exit::Usage`] instead of [`Exit::Failure`].
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// A [`UsageError`] with this text.
pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
    UsageError(text.into()).into()
}

/// Says what went wrong, and turns it into an exit code.
pub(crate) fn report(result: anyhow::Result<Exit>) -> Exit {
    let error = match result {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    if is_broken_pipe(&error) {
        // The reader had enough (`| head`): nobody is left to tell.
        return Exit::Success;
    }
    // Where nobody reads standard error, the exit code says it alone.
    let _ = writeln!(io::stderr(), "clat-cli: {error:#}");
    if error.chain().any(|cause| cause.is::<UsageError>()) { Exit::Usage } else { Exit::Failure }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|io| io.kind() == io::ErrorKind::BrokenPipe || (cfg!(windows) && not_connected(io)))
}

/// What Windows may say of a pipe whose reader is gone (ERROR_PIPE_NOT_CONNECTED), beside what std knows as broken.
fn not_connected(error: &io::Error) -> bool {
    error.raw_os_error() == Some(233)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let broken: Result<(), _> = Err(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(broken.context("writing").map(|()| Exit::Failure)), Exit::Success);
    }

    #[test]
    fn usage_errors_are_found_under_their_context() {
        assert_eq!(report(Err(usage("no").context("while reading"))), Exit::Usage);
        assert_eq!(report(Err(anyhow::anyhow!("no"))), Exit::Failure);
    }
}
