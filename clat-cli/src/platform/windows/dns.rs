//! Questions to DNS, each in threads of its own: the uplink's resolver, and after its silence the DNS client.

use super::aside;
use super::wake::Wake;
use clat_engine::{DnsOutcome, DnsQuery, IfIndex, Input, Instant};
use clat_windows::resolver::{self, Told};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;
use tracing::debug;

/// The client may take longer than the engine waits: what it told is an answer to the questions of this time as well.
const KEPT_S: u32 = 60;

/// Who asks.
#[derive(Debug)]
pub(super) struct Asker {
    wakes: Sender<Wake>,
    /// Whether the client is asked: not where somebody named the resolvers to ask.
    client: bool,
    /// The client is busy with a question.
    busy: Arc<AtomicBool>,
    kept: Option<Kept>,
}

/// What the client told last.
#[derive(Clone, Debug)]
struct Kept {
    ifindex: IfIndex,
    until: Instant,
    told: Told,
}

impl Asker {
    pub(super) fn new(wakes: Sender<Wake>, client: bool) -> Self {
        Self { wakes, client, busy: Arc::default(), kept: None }
    }

    /// Asks. Answers come as [`Wake::Dns`] and [`Wake::DnsTold`].
    pub(super) fn ask(&mut self, now: Instant, query: &DnsQuery) {
        let answered = Arc::new(AtomicBool::new(false));
        self.ask_resolver(query.clone(), Arc::clone(&answered));
        if self.client {
            self.ask_client(now, query, answered);
        }
    }

    fn ask_resolver(&self, query: DnsQuery, answered: Arc<AtomicBool>) {
        let wakes = self.wakes.clone();
        aside("clat dns", move || match resolver::ask(query.ifindex, query.server, &query.message) {
            Ok(message) => {
                answered.store(true, Ordering::Relaxed);
                // The control thread is gone.
                let _ = wakes.send(Wake::Dns { server: query.server, message });
            }
            Err(e) => debug!("resolver {}: {e}", query.server),
        });
    }

    fn ask_client(&mut self, now: Instant, query: &DnsQuery, answered: Arc<AtomicBool>) {
        let (id, ifindex) = (query.id, query.ifindex);
        self.kept = self.kept.take().filter(|k| k.ifindex == ifindex && k.until > now);
        let (kept, busy, wakes) = (self.kept.clone(), Arc::clone(&self.busy), self.wakes.clone());
        aside("clat dns client", move || {
            std::thread::sleep(resolver::SILENCE);
            if answered.load(Ordering::Relaxed) {
                return;
            }
            let told = match kept {
                Some(kept) => Some(kept.told),
                None if busy.swap(true, Ordering::Relaxed) => return,
                None => {
                    let told = resolver::ask_client(ifindex);
                    busy.store(false, Ordering::Relaxed);
                    told.inspect_err(|e| debug!("DNS client: {e}")).ok().flatten()
                }
            };
            if let Some(told) = told {
                // The control thread is gone.
                let _ = wakes.send(Wake::DnsTold { id, ifindex, told });
            }
        });
    }

    /// Hands on what the client told, and keeps it for the next question.
    pub(super) fn told(
        &mut self,
        now: Instant,
        (id, ifindex): (u16, IfIndex),
        told: Told,
        sink: &mut dyn FnMut(Input<'_>),
    ) {
        let outcome = DnsOutcome::Records { addresses: &told.addresses, ttl_s: told.ttl_s };
        sink(Input::DnsRecords { id, outcome });
        if self.kept.is_none() {
            let until = now + Duration::from_secs(told.ttl_s.min(KEPT_S).into());
            self.kept = Some(Kept { ifindex, until, told });
        }
    }
}
