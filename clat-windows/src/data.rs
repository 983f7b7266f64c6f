//! The device and its data thread. An adapter that is removed is made again, without an end of the service.

use crate::device::{Device, DeviceError, Library, Stop};
use crate::frames::link::{DataWire, Link};
use crate::frames::ring::FrameRing;
use crate::iphlp::{Family, Luid};
use crate::live::{Counters, HostTranslator, Live, View};
use crate::ring::{Ended, Pump, Ring, RingError};
use crate::tap::Tap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The thread's stack: the pump recurses nowhere and keeps a packet's head at most.
const STACK: usize = 128 << 10;

/// An open device with a running thread.
#[derive(Debug)]
pub struct DataPath {
    device: Option<Device>,
    thread: Option<JoinHandle<Ended>>,
    stop: Stop,
    live: Arc<Live>,
    counters: Arc<Counters>,
    library: Library,
    /// Where IPv6 goes as frames.
    link: Option<Arc<Link>>,
    name: String,
    luid: Luid,
}

impl DataPath {
    /// Makes the adapter called `name` and starts its thread, with no translator in force. IPv6 goes to `link` as frames,
    /// or to the adapter where there is none. `tap` sees each packet.
    ///
    /// `on_end` is called from the thread when the adapter is gone; [`reopen`](Self::reopen) then makes it again.
    ///
    /// # Errors
    /// [`DeviceError`]
    pub fn open(
        name: &str,
        link: Option<Arc<Link>>,
        tap: Option<Box<dyn Tap>>,
        on_end: impl Fn() + Send + 'static,
    ) -> Result<Self, DeviceError> {
        let library = Library::load()?;
        let (live, counters) = (Arc::new(Live::default()), Arc::new(Counters::default()));
        let running = Running::start(&library, name, link.as_ref(), (&live, &counters), tap, on_end)?;
        Ok(Self {
            luid: Luid(running.device.luid()),
            device: Some(running.device),
            thread: Some(running.thread),
            stop: running.stop,
            live,
            counters,
            library,
            link,
            name: name.to_owned(),
        })
    }

    /// Makes the adapter again after it was removed. Translator and counters stay; addresses and routes are gone.
    ///
    /// # Errors
    /// [`DeviceError`]; a later try may do.
    pub fn reopen(
        &mut self,
        tap: Option<Box<dyn Tap>>,
        on_end: impl Fn() + Send + 'static,
    ) -> Result<(), DeviceError> {
        self.close();
        let running = Running::start(
            &self.library,
            &self.name,
            self.link.as_ref(),
            (&self.live, &self.counters),
            tap,
            on_end,
        )?;
        self.luid = Luid(running.device.luid());
        self.stop = running.stop;
        self.device = Some(running.device);
        self.thread = Some(running.thread);
        Ok(())
    }

    /// Why the data thread ended by itself, if it did. It announces its end a moment before it is over: that
    /// moment is waited for.
    pub fn ended(&mut self) -> Option<Ended> {
        ended(&mut self.thread)
    }

    /// Nobody is behind the adapter: no duplicate detection, no Router Discovery. It lasts as long as the adapter.
    pub fn no_neighbours(&self) {
        for family in [Family::V4, Family::V6] {
            if let Err(e) = self.luid.no_neighbours(family) {
                tracing::debug!("{family:?} on our adapter keeps Windows' own settings: {e}");
            }
        }
    }

    /// Puts a translator in force, or none.
    pub fn set_translator(&self, translator: Option<HostTranslator>) {
        self.live.set(translator);
    }

    /// The adapter.
    #[must_use]
    pub const fn luid(&self) -> Luid {
        self.luid
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the data thread counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Ends the thread and removes the adapter.
    pub fn close(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            // How it ended does not matter any more.
            let _ = thread.join();
        }
        // After the session, which the thread owned.
        self.device = None;
    }
}

impl Drop for DataPath {
    fn drop(&mut self) {
        self.close();
    }
}

/// An adapter with its thread.
struct Running {
    device: Device,
    thread: JoinHandle<Ended>,
    stop: Stop,
}

impl Running {
    fn start(
        library: &Library,
        name: &str,
        link: Option<&Arc<Link>>,
        (live, counters): (&Arc<Live>, &Arc<Counters>),
        tap: Option<Box<dyn Tap>>,
        on_end: impl Fn() + Send + 'static,
    ) -> Result<Self, DeviceError> {
        let device = Device::create(library, name)?;
        let stop = Stop::new()?;
        let mut session = device.session(stop.clone())?;
        let (view, counters) = (View::new(Arc::clone(live)), Arc::clone(counters));
        let thread = match link {
            None => pump(session, view, tap, counters, on_end),
            Some(link) => {
                let wire = DataWire::open(link)?;
                session.wake_for(&wire.events());
                pump(FrameRing::new(session, wire), view, tap, counters, on_end)
            }
        };
        Ok(Self { device, thread: thread.map_err(DeviceError::Thread)?, stop })
    }
}

/// Why a data thread ended by itself, if it did.
pub(crate) fn ended(thread: &mut Option<JoinHandle<Ended>>) -> Option<Ended> {
    const MOMENTS: u32 = 100;
    let over = |t: &JoinHandle<Ended>| t.is_finished();
    for _ in 0..MOMENTS {
        if thread.as_ref().is_none_or(over) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let thread = thread.take_if(|t| t.is_finished())?;
    // A panic of the data thread is an end like the loss of the adapter.
    Some(thread.join().unwrap_or(Ended::Adapter(RingError::Corrupt)))
}

/// Starts the data thread over a ring.
pub(crate) fn pump<R: Ring + Send + 'static>(
    ring: R,
    view: View,
    tap: Option<Box<dyn Tap>>,
    counters: Arc<Counters>,
    on_end: impl Fn() + Send + 'static,
) -> io::Result<JoinHandle<Ended>> {
    let mut pump = Pump::new(ring, view, crate::secret::seed()).with_tap(tap);
    let body = move || {
        let ended = pump.run(&counters);
        // The session ends before anybody hears of it: the adapter can be closed then.
        drop(pump);
        if ended != Ended::Stopped {
            on_end();
        }
        ended
    };
    std::thread::Builder::new().name("clat data".to_owned()).stack_size(STACK).spawn(body)
}
