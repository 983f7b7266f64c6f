//! Signals as bytes in a pipe, so that the control loop waits for them like for everything else.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::low_level::pipe;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// A signal that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT, SIGTERM, SIGQUIT (Ctrl-\\ at a terminal).
    Stop,
    /// SIGHUP.
    Reload,
}

/// The receiving ends. The handlers stay until the process ends.
#[derive(Debug)]
pub(super) struct Signals {
    stop: UnixStream,
    reload: UnixStream,
}

impl Signals {
    /// Takes the signals over.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self { stop: catch(&[SIGINT, SIGTERM, SIGQUIT])?, reload: catch(&[SIGHUP])? })
    }

    /// The descriptors to wait for.
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.stop.as_fd(), self.reload.as_fd()]
    }

    /// What came since the last call, each once.
    pub(super) fn take(&mut self) -> Vec<Signal> {
        let mut came = Vec::new();
        if drain(&mut self.reload) {
            came.push(Signal::Reload);
        }
        if drain(&mut self.stop) {
            came.push(Signal::Stop);
        }
        came
    }
}

fn catch(numbers: &[i32]) -> io::Result<UnixStream> {
    let (receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    for number in numbers {
        pipe::register(*number, sender.try_clone()?)?;
    }
    Ok(receiver)
}

fn drain(stream: &mut UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut any = false;
    while stream.read(&mut bytes).is_ok_and(|n| n > 0) {
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_arrives_once_and_as_what_it_means() {
        let mut signals = Signals::catch().unwrap();
        assert!(signals.take().is_empty());
        signal_hook::low_level::raise(SIGHUP).unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        assert_eq!(signals.take(), [Signal::Reload]);
        for ends in [SIGINT, SIGTERM, SIGQUIT] {
            signal_hook::low_level::raise(ends).unwrap();
            assert_eq!(signals.take(), [Signal::Stop], "{ends}");
        }
        assert!(signals.take().is_empty());
    }
}
