//! A recording that is played, into a device or into nothing: then only the tap sees what comes out, and neither a DLL
//! nor rights are needed.

use crate::data::{ended, pump};
use crate::device::{Device, DeviceError, Library, Stop};
use crate::iphlp::Luid;
use crate::live::{Counters, HostTranslator, Live, View};
use crate::outlet::Outlet;
use crate::ring::{Begin, Ended, Replay};
use crate::tap::Tap;
use clat_offload::recording::{Pace, Recording};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A running replay.
#[derive(Debug)]
pub struct Player {
    device: Option<Device>,
    thread: Option<JoinHandle<Ended>>,
    stop: Stop,
    live: Arc<Live>,
    counters: Arc<Counters>,
    begin: Begin,
}

impl Player {
    /// Makes the adapter called `name`, if any, and starts the thread, which waits for [`begin`](Self::begin). `tap`
    /// sees each packet; `on_end` is called from the thread when it ended by itself.
    ///
    /// # Errors
    /// [`DeviceError`]
    pub fn open(
        name: Option<&str>,
        recording: (impl Recording, Pace),
        tap: Option<Box<dyn Tap>>,
        on_end: impl Fn() + Send + 'static,
    ) -> Result<Self, DeviceError> {
        let (live, counters) = (Arc::new(Live::default()), Arc::new(Counters::default()));
        let (stop, begin, view) = (Stop::new()?, Begin::default(), View::new(Arc::clone(&live)));
        let device = name.map(|name| Device::create(&Library::load()?, name)).transpose()?;
        let (theirs, counted) = (begin.clone(), Arc::clone(&counters));
        let outlet = match &device {
            Some(device) => Outlet::Device(device.session(stop.clone())?),
            None => Outlet::Nowhere(stop.clone()),
        };
        let ring = Replay::new(outlet, recording, theirs);
        let thread = pump(ring, view, tap, counted, on_end);
        let thread = Some(thread.map_err(DeviceError::Thread)?);
        Ok(Self { device, thread, stop, live, counters, begin })
    }

    /// Puts a translator in force, or none.
    pub fn set_translator(&self, translator: Option<HostTranslator>) {
        self.live.set(translator);
    }

    /// Plays: there is a translator for this MTU of the IPv6 side in bytes, and the device takes packets.
    pub fn begin(&self, v6_mtu: u32) {
        self.begin.with_mtu(v6_mtu);
    }

    /// The adapter.
    #[must_use]
    pub fn luid(&self) -> Option<Luid> {
        self.device.as_ref().map(|device| Luid(device.luid()))
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.device.as_ref().map(Device::name)
    }

    /// What the thread counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Why the thread ended by itself, if it did.
    pub fn ended(&mut self) -> Option<Ended> {
        ended(&mut self.thread)
    }

    /// Ends the thread; what was counted stays.
    pub fn stop(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            // How it ended does not matter any more.
            let _ = thread.join();
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // Before the device, whose session the thread owns.
        self.stop();
    }
}
