//! The service between two tries to start: it answers, and says why it does not translate.

use crate::control::CallerId;
use crate::control::paths::StateDir;
use crate::control::protocol::{Answer, Request};
use crate::control::server::Server;
use crate::status::model::{CANNOT_START, Status};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tracing::debug;

/// What ends the wait early.
#[derive(Debug)]
pub(super) enum Word {
    /// The service manager wants the end.
    Stop,
    /// A client asks.
    Request(CallerId, Request),
}

/// What came of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Try again.
    Again,
    /// Somebody wants the end.
    End,
}

/// Waits for `pause`, with the doors of this folder open. `why` is the error of the last try.
pub(super) fn wait(
    dir: &StateDir,
    why: &str,
    pause: Duration,
    (ask, asked): (&Sender<Word>, &Receiver<Word>),
) -> Then {
    let mut server = Server::default();
    let ask = ask.clone();
    let opened = server.open(dir, move |caller, request| {
        // Nobody listens any more at the end.
        let _ = ask.send(Word::Request(caller, request));
    });
    if let Err(e) = opened {
        debug!("control pipes: {e}");
    }
    let end = Instant::now() + pause;
    loop {
        match asked.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => return Then::Again,
            Err(RecvTimeoutError::Disconnected) | Ok(Word::Stop) => return Then::End,
            Ok(Word::Request(caller, request)) => {
                let (answer, then) = answer(request, why);
                server.answer(caller, &answer);
                if let Some(then) = then {
                    return then;
                }
            }
        }
    }
}

fn answer(request: Request, why: &str) -> (Answer, Option<Then>) {
    match request {
        Request::Status => (Answer::Status(Box::new(status(why))), None),
        Request::Stop => (Answer::Ok("stopped; nothing was in force".to_owned()), Some(Then::End)),
        Request::Reload => (Answer::Ok("trying again".to_owned()), Some(Then::Again)),
    }
}

fn status(why: &str) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        state: "idle".to_owned(),
        reason: CANNOT_START.to_owned(),
        reason_text: format!("the service cannot begin, and tries again by itself: {why}"),
        ..Status::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::client::{self, Asked};
    use std::sync::mpsc::channel;

    /// Waits for the doors of a thread that has just started.
    fn told(dir: &StateDir, request: Request) -> Answer {
        for _ in 0..500 {
            match client::ask(dir, request).unwrap() {
                Asked::Answer(answer) => return answer,
                Asked::NotRunning => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        panic!("nobody answers");
    }

    #[test]
    fn a_service_that_cannot_begin_says_why_and_can_be_stopped() {
        let dir = StateDir::here(Some(r"C:\clat-test-of-waiting".as_ref()));
        let (ask, asked) = channel();
        let theirs = dir.clone();
        let waiting =
            std::thread::spawn(move || wait(&theirs, "no adapter", Duration::from_secs(300), (&ask, &asked)));
        let Answer::Status(status) = told(&dir, Request::Status) else { panic!("no status") };
        assert_eq!((status.state.as_str(), status.reason.as_str()), ("idle", CANNOT_START));
        assert!(status.reason_text.ends_with("no adapter"), "{}", status.reason_text);
        assert!(matches!(told(&dir, Request::Stop), Answer::Ok(_)));
        assert_eq!(waiting.join().unwrap(), Then::End);
    }

    #[test]
    fn the_manager_ends_the_wait_and_time_begins_another_try() {
        let dir = StateDir::here(Some(r"C:\clat-test-of-the-end".as_ref()));
        let (ask, asked) = channel();
        assert_eq!(wait(&dir, "", Duration::ZERO, (&ask, &asked)), Then::Again);
        ask.send(Word::Stop).unwrap();
        assert_eq!(wait(&dir, "", Duration::from_secs(300), (&ask, &asked)), Then::End);
    }
}
