//! The adapter of this instance: opened, made again when it is lost, closed.

use super::frames::Frames;
use super::wake::Wake;
use super::{Windows, after, data};
use clat_engine::{Instant, StepError, StepErrorKind, StepId};
use clat_windows::data::DataPath;
use clat_windows::ring::Ended;
use clat_windows::tap::Tap;
use tracing::{error, info, warn};

/// Between two tries to make the adapter again after it was removed.
const REOPEN_MS: u64 = 1_000;

impl Windows {
    pub(super) fn on_data_end(&self) -> impl Fn() + Send + 'static {
        let waker = self.waker.clone();
        move || {
            // The control thread is gone.
            let _ = waker.send(Wake::DataEnded);
        }
    }

    /// What sees each packet, where a capture was asked for.
    pub(super) fn tap(&mut self) -> Option<Box<dyn Tap>> {
        let capture = self.capture.as_mut()?;
        match capture.start() {
            Ok(()) => Some(Box::new(capture.tap())),
            Err(e) => {
                warn!("nothing is captured: the thread that writes cannot be started: {e}");
                None
            }
        }
    }

    pub(super) fn open_data(&mut self) -> anyhow::Result<DataPath> {
        let tap = self.tap();
        let link = self.frames.as_ref().map(Frames::link);
        Ok(DataPath::open(&self.settings.tun, link, tap, self.on_data_end())?)
    }

    pub(super) fn open_device(&mut self, id: StepId) -> Result<(), StepError> {
        match self.open_data() {
            Ok(data) => {
                data.no_neighbours();
                if let Some(plan) = &mut self.plan {
                    plan.set_device(Some(data.luid()));
                }
                self.data = Some(data);
                Ok(())
            }
            Err(e) => {
                error!("{e:#}");
                if let Some(plan) = &mut self.plan {
                    // Nothing was made.
                    let _ = plan.undo(id);
                }
                Err(StepError { kind: StepErrorKind::Transient, code: 0 })
            }
        }
    }

    pub(super) fn close_device(&mut self) {
        if let Some(plan) = &mut self.plan {
            plan.set_device(None);
        }
        if let Some(data) = self.data.take() {
            self.past.add(&data::counters(data.counters()));
        }
        self.reopen_at = None;
    }

    /// The adapter was removed, or its driver gave up: it is made again, and what was set on it as well.
    pub(super) fn data_ended(&mut self, now: Instant) {
        let Some(ended) = self.data.as_mut().and_then(DataPath::ended) else { return };
        if let Ended::Adapter(why) = ended {
            warn!("the adapter is gone ({why:?}); making it again");
            self.reopen_at = Some(now);
        }
    }

    pub(super) fn reopen(&mut self, now: Instant) {
        let (tap, on_end) = (self.tap(), self.on_data_end());
        let Some(data) = self.data.as_mut() else { return };
        match data.reopen(tap, on_end) {
            Ok(()) => {
                self.reopen_at = None;
                let luid = data.luid();
                info!("the adapter is back");
                if let Some(plan) = &mut self.plan {
                    data.no_neighbours();
                    plan.set_device(Some(luid));
                    plan.remake_device_steps();
                }
            }
            Err(e) => {
                warn!("{e}");
                self.reopen_at = Some(after(now, REOPEN_MS));
            }
        }
    }
}
