//! The doors of a running instance: two pipes, and a port of the loopback where metrics are wanted. Each is served by a
//! thread that waits for the control thread's answer.

#[path = "metrics.rs"]
mod door;

use super::CallerId;
use super::paths::StateDir;
use super::protocol::{self, Answer, MAX_REQUEST, Request};
use crate::config::Metrics;
use clat_windows::pipe::{Door, PipeServer};
use door::MetricsDoor;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Undoing all changes may take this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// All doors and whoever stands in them.
#[derive(Debug, Default)]
pub(crate) struct Server {
    desk: Arc<Desk>,
    doors: Vec<PipeServer>,
    metrics: Option<MetricsDoor>,
}

/// Those who wait for an answer.
#[derive(Debug, Default)]
struct Desk {
    waiting: Mutex<HashMap<u64, Sender<Answer>>>,
    next_id: AtomicU64,
}

impl Server {
    /// Opens the doors. `ask` is called from their threads with each request.
    pub(crate) fn open(
        &mut self,
        dir: &StateDir,
        ask: impl Fn(CallerId, Request) + Clone + Send + 'static,
    ) -> io::Result<()> {
        for door in [Door::Control, Door::Status] {
            let (desk, ask) = (Arc::clone(&self.desk), ask.clone());
            let answer = move |line: &[u8]| {
                let answer = request(door, line).map_or_else(|refusal| refusal, |r| desk.ask(r, &ask));
                let answer = if door == Door::Status { protocol::for_everybody(&answer) } else { answer };
                protocol::line(&answer)
            };
            self.doors.push(PipeServer::open(door, dir.instance(), MAX_REQUEST, answer)?);
        }
        Ok(())
    }

    /// Opens the door for metrics. `ask` is called from its thread with each request.
    pub(crate) fn open_metrics(
        &mut self,
        at: &Metrics,
        ask: impl Fn(CallerId, Request) + Send + 'static,
    ) -> io::Result<()> {
        let Metrics::Loopback(at) = at else { return Err(io::ErrorKind::Unsupported.into()) };
        let desk = Arc::clone(&self.desk);
        self.metrics = Some(MetricsDoor::open(*at, move |request| desk.ask(request, &ask))?);
        Ok(())
    }

    /// Answers somebody who still waits.
    pub(crate) fn answer(&self, caller: CallerId, answer: &Answer) {
        if let Some(sender) = self.desk.lock().remove(&caller.0) {
            // Nobody waits any more: that is their loss.
            let _ = sender.send(answer.clone());
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a question on and waits for the answer.
    fn ask(&self, request: Request, pass_on: &impl Fn(CallerId, Request)) -> Answer {
        let (sender, answers) = channel();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, sender);
        pass_on(CallerId(id), request);
        answers.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            self.lock().remove(&id);
            Answer::Error("the instance is busy".to_owned())
        })
    }
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
