//! The device and its threads.

use crate::capture::Capture;
use crate::cli::Source;
use crate::config::Settings;
use crate::replay::{Counted, Recorded, Summary};
use crate::status::model;
use clat_core::{ClatMap, EamRow, EamTable, Policy, Translator};
use clat_engine::{StepErrorKind, TranslatorParams};
use clat_linux::counters::{Totals, Traffic};
use clat_linux::device::{Features, OffloadRequest, OpenError, Queue, Tun};
use clat_linux::frames::Uplink;
use clat_linux::pump::{Pump, PumpError};
use clat_linux::shared::{HostTranslator, SharedTranslator};
use clat_linux::tap::{NoTap, Tap};
use clat_offload::recording::Pace;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Running threads, with a device unless what comes out goes into a capture alone.
#[derive(Debug)]
pub(super) struct DataPath {
    device: Option<Opened>,
    translator: Arc<SharedTranslator>,
    pump: Pump,
    /// Where IPv6 goes as frames.
    uplink: Option<Arc<Uplink>>,
}

/// The device that was opened.
#[derive(Debug)]
struct Opened {
    name: String,
    ifindex: u32,
    queues: usize,
    features: Features,
}

impl Opened {
    fn queues(tun: Tun) -> (Self, Vec<Queue>) {
        let (name, ifindex, features) = (tun.name().to_owned(), tun.ifindex(), tun.features());
        let queues = tun.into_queues();
        (Self { name, ifindex, queues: queues.len(), features }, queues)
    }
}

/// Opens the device.
pub(super) fn open_device(settings: &Settings) -> Result<Tun, OpenError> {
    // One thread speaks frames or replays, and what it takes is complete and no larger than the MTU.
    let alone = settings.source != Source::Routed;
    let request = if settings.offload && !alone { OffloadRequest::Best } else { OffloadRequest::Off };
    Tun::open(&settings.tun, if alone { 1 } else { usize::from(settings.queues) }, request)
}

impl DataPath {
    /// Starts the threads, with nothing to translate with yet.
    pub(super) fn start(
        tun: Tun,
        capture: Option<&mut Capture>,
        uplink: Option<Arc<Uplink>>,
    ) -> Result<Self, PumpError> {
        let (device, queues) = Opened::queues(tun);
        let translator = SharedTranslator::new(None);
        let pump = match capture {
            Some(capture) => {
                capture.start().map_err(PumpError::Thread)?;
                spawn(queues, uplink.as_ref(), &translator, || capture.tap())?
            }
            None => spawn(queues, uplink.as_ref(), &translator, || NoTap)?,
        };
        Ok(Self { device: Some(device), translator, pump, uplink })
    }

    /// Starts the thread that plays a capture.
    pub(super) fn replay(
        tun: Option<Tun>,
        capture: Option<&mut Capture>,
        recording: (Recorded, Pace),
    ) -> Result<Self, PumpError> {
        let (device, queues) = tun.map(Opened::queues).unzip();
        let queue = queues.and_then(|mut queues| queues.pop());
        let translator = SharedTranslator::new(None);
        let pump = match capture {
            Some(capture) => {
                capture.start().map_err(PumpError::Thread)?;
                Pump::spawn_replay(queue, recording, &translator, capture.tap())?
            }
            None => Pump::spawn_replay(queue, recording, &translator, NoTap)?,
        };
        Ok(Self { device, translator, pump, uplink: None })
    }

    /// Lets packets through.
    pub(super) fn activate(&self, params: &TranslatorParams, policy: &Policy) {
        self.translator.replace(Some(translator(params, policy)));
        if let Some(uplink) = &self.uplink {
            uplink.translate_for(Some(params.clat_v6), params.v6_mtu);
        }
    }

    /// Lets no packet through.
    pub(super) fn deactivate(&self) {
        self.translator.replace(None);
        if let Some(uplink) = &self.uplink {
            uplink.translate_for(None, 0);
        }
    }

    /// Name of the interface.
    pub(super) fn name(&self) -> Option<&str> {
        self.device.as_ref().map(|device| device.name.as_str())
    }

    /// Index of the interface.
    pub(super) fn ifindex(&self) -> Option<u32> {
        self.device.as_ref().map(|device| device.ifindex)
    }

    /// Becomes readable when a thread has ended by itself.
    pub(super) fn ended(&self) -> BorrowedFd<'_> {
        self.pump.as_fd()
    }

    /// Whether a thread has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.ended(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|n| n > 0)
    }

    /// Ends the threads and removes the device.
    pub(super) fn close(self) -> Result<(), PumpError> {
        self.pump.stop()
    }

    /// The device as it is shown.
    pub(super) fn device(&self) -> Option<model::Device> {
        let device = self.device.as_ref()?;
        let offload = device.features.to_string();
        let granted = |words: &str| words.split_whitespace().map(str::to_owned).collect();
        Some(model::Device {
            name: device.name.clone(),
            index: device.ifindex,
            queues: u32::try_from(device.queues).unwrap_or(u32::MAX),
            offload: if device.features.csum { granted(&offload) } else { Vec::new() },
        })
    }

    /// Says what became of a capture.
    pub(super) fn tell(&self, summary: &Summary) {
        let totals = self.totals();
        summary.tell(Counted {
            v4_to_v6: totals.v4_to_v6.packets,
            v6_to_v4: totals.v6_to_v4.packets,
            replies: totals.replies,
            drops: totals.drop_reasons(),
            noise: totals.noise,
            not_written: totals.write_errors,
        });
    }

    /// All that was counted.
    pub(super) fn totals(&self) -> Totals {
        self.pump.counters().totals()
    }

    /// The counters as they are shown.
    pub(super) fn counters(&self) -> model::Counters {
        let totals = self.totals();
        let flow = |t: Traffic| model::Flow { packets: t.packets, bytes: t.bytes };
        model::Counters {
            v4_to_v6: flow(totals.v4_to_v6),
            v6_to_v4: flow(totals.v6_to_v4),
            returned: totals.returned,
            replies: totals.replies,
            drops: totals.drop_reasons().map(|(reason, n)| (reason.as_str().to_owned(), n)).collect(),
            inactive: totals.inactive,
            lost: totals.lost,
        }
    }

    /// The last drops as they are shown.
    pub(super) fn last_drops(&self) -> Vec<model::Dropped> {
        let drops = self.pump.counters().last_drops();
        drops
            .iter()
            .map(|d| model::Dropped {
                at: time_text(d.at()),
                reason: d.reason().as_str().to_owned(),
                section: d.reason().section().to_owned(),
                text: d.reason().describe().trim().to_owned(),
                packet: d.to_string(),
            })
            .collect()
    }
}

fn spawn<T: Tap>(
    mut queues: Vec<Queue>,
    uplink: Option<&Arc<Uplink>>,
    translator: &Arc<SharedTranslator>,
    mut tap: impl FnMut() -> T,
) -> Result<Pump, PumpError> {
    match (uplink, queues.pop()) {
        (Some(uplink), Some(queue)) => Pump::spawn_frames(queue, uplink, translator, tap()),
        (_, last) => {
            queues.extend(last);
            Pump::spawn_with(queues, translator, tap)
        }
    }
}

/// What the engine needs to know of a device that could not be opened.
pub(super) const fn failure_kind(error: &OpenError) -> StepErrorKind {
    #[allow(clippy::wildcard_enum_match_arm)] // what is not named may pass
    match error {
        OpenError::Permission { .. } => StepErrorKind::Denied,
        OpenError::Busy(_) | OpenError::OtherKind(..) => StepErrorKind::Conflict,
        OpenError::NoDriver(_) => StepErrorKind::Unsupported,
        _ => StepErrorKind::Transient,
    }
}

fn translator(params: &TranslatorParams, policy: &Policy) -> HostTranslator {
    let mut local = EamTable::new();
    // An empty table has room for one row.
    let _ = local.insert(EamRow::host(params.clat_v4, params.clat_v6));
    let mut policy = *policy;
    policy.v6_mtu = params.v6_mtu;
    policy.v4_mtu = params.v4_mtu;
    Translator::new(ClatMap::from_parts(params.pref64, local), policy)
}

fn time_text(at: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|t| format!("{t:.3}")).unwrap_or_default()
}
