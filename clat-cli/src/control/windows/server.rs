//! The doors of a running instance: two pipes, each served by a thread that waits for the control thread's answer.

use super::CallerId;
use super::paths::StateDir;
use super::protocol::{self, Answer, MAX_REQUEST, Request};
use clat_windows::pipe::{Door, PipeServer};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Undoing all changes may take this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Those who wait for an answer.
type Waiting = Arc<Mutex<HashMap<u64, Sender<Answer>>>>;

/// Both doors and whoever stands in them.
#[derive(Debug, Default)]
pub(crate) struct Server {
    waiting: Waiting,
    next_id: Arc<AtomicU64>,
    doors: Vec<PipeServer>,
}

impl Server {
    /// Opens the doors. `ask` is called from their threads with each request.
    pub(crate) fn open(
        &mut self,
        dir: &StateDir,
        ask: impl Fn(CallerId, Request) + Clone + Send + 'static,
    ) -> io::Result<()> {
        for door in [Door::Control, Door::Status] {
            let (waiting, next_id, ask) = (Arc::clone(&self.waiting), Arc::clone(&self.next_id), ask.clone());
            let answer = move |line: &[u8]| {
                let answer = match request(door, line) {
                    Ok(request) => {
                        let (id, answers) = stand(&waiting, &next_id);
                        ask(CallerId(id), request);
                        wait(&waiting, id, &answers)
                    }
                    Err(refusal) => refusal,
                };
                protocol::line(&answer)
            };
            self.doors.push(PipeServer::open(door, dir.instance(), MAX_REQUEST, answer)?);
        }
        Ok(())
    }

    /// Answers somebody who still waits.
    pub(crate) fn answer(&self, caller: CallerId, answer: &Answer) {
        if let Some(sender) = lock(&self.waiting).remove(&caller.0) {
            // Nobody waits any more: that is their loss.
            let _ = sender.send(answer.clone());
        }
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, Sender<Answer>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn request(door: Door, line: &[u8]) -> Result<Request, Answer> {
    let request = protocol::parse(line.trim_ascii_end())?;
    match door {
        Door::Status if !request.is_read_only() => {
            Err(Answer::Error("this pipe only tells; ask as an administrator".to_owned()))
        }
        Door::Status | Door::Control => Ok(request),
    }
}

fn stand(waiting: &Waiting, next_id: &AtomicU64) -> (u64, Receiver<Answer>) {
    let (sender, receiver) = channel();
    let id = next_id.fetch_add(1, Ordering::Relaxed);
    lock(waiting).insert(id, sender);
    (id, receiver)
}

fn wait(waiting: &Waiting, id: u64, answers: &Receiver<Answer>) -> Answer {
    answers.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        lock(waiting).remove(&id);
        Answer::Error("the instance is busy".to_owned())
    })
}
