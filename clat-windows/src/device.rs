//! The Wintun adapter: one device for both families.

use crate::dll::{self, DllError};
use crate::frames::link::LinkError;
use crate::guid::adapter_guid;
use crate::ring::{CAPACITY, Ring, RingError, Wake};
use crate::sys::event::{self, Event};
use crate::sys::wintun::{self as loader, Wintun};
use std::fs::OpenOptions;
use std::io::Read;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Shown in the adapter's properties.
const TUNNEL_TYPE: &str = "CLAT";

/// `FILE_SHARE_READ`: others may read, nobody may write or replace.
const SHARE_READ: u32 = 1;

/// Why there is no adapter.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// wintun.dll was not loaded.
    #[error(transparent)]
    Dll(#[from] DllError),
    /// The driver made no adapter.
    #[error(
        "Wintun makes no adapter {name:?}: {reason}. Run as administrator; the system log names the driver's reason"
    )]
    Adapter {
        /// The adapter's name.
        name: String,
        /// What the driver said.
        reason: std::io::Error,
    },
    /// No event object.
    #[error("cannot make an event object: {0}")]
    Event(std::io::Error),
    /// Frames cannot be spoken on the uplink.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// No thread.
    #[error("cannot start the data thread: {0}")]
    Thread(std::io::Error),
}

/// wintun.dll, checked and loaded.
#[derive(Clone)]
pub struct Library(Wintun);

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wintun.dll")
    }
}

/// An open adapter. It disappears from the system when this is dropped.
pub struct Device {
    adapter: Arc<::wintun::Adapter>,
    name: String,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Library {
    /// Loads wintun.dll from the folder of the running program.
    ///
    /// # Errors
    /// [`DllError`]: the file is missing, is not the signed release, or does not load.
    pub fn load() -> Result<Self, DllError> {
        let path = beside_program()?;
        let unreadable = |reason| DllError::Unreadable { path: path.clone(), reason };
        // Held open until the loader has it: between the check and the load nobody can put another file there.
        let mut file =
            OpenOptions::new().read(true).share_mode(SHARE_READ).open(&path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        dll::verify(&path, &bytes, std::env::consts::ARCH)?;
        drop(bytes);
        let library = loader::load(&path).map_err(|reason| DllError::Load { path: path.clone(), reason })?;
        Ok(Self(library))
    }

    /// The version of the driver that is loaded, or `None` when no adapter exists.
    #[must_use]
    pub fn driver_version(&self) -> Option<String> {
        ::wintun::get_running_driver_version(&self.0).ok().map(|v| v.to_string())
    }
}

fn beside_program() -> Result<PathBuf, DllError> {
    let exe = std::env::current_exe()
        .map_err(|reason| DllError::Unreadable { path: dll::FILE_NAME.into(), reason })?;
    Ok(exe.parent().unwrap_or(Path::new("")).join(dll::FILE_NAME))
}

impl Device {
    /// Makes the adapter called `name`; an adapter that an earlier run left behind is replaced.
    ///
    /// # Errors
    /// [`DeviceError::Adapter`] with the driver's reason.
    pub fn create(library: &Library, name: &str) -> Result<Self, DeviceError> {
        let adapter = ::wintun::Adapter::create(&library.0, name, TUNNEL_TYPE, Some(adapter_guid(name)))
            .map_err(|e| DeviceError::Adapter { name: name.to_owned(), reason: loader::reason(e) })?;
        Ok(Self { adapter, name: name.to_owned() })
    }

    /// The adapter's locally unique identifier, which IP Helper takes.
    #[must_use]
    pub fn luid(&self) -> u64 {
        loader::luid(&self.adapter)
    }

    /// The adapter's interface index.
    ///
    /// # Errors
    /// What the driver said.
    pub fn index(&self) -> std::io::Result<u32> {
        self.adapter.get_adapter_index().map_err(loader::reason)
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a session; `stop` ends its waits.
    ///
    /// # Errors
    /// [`DeviceError::Adapter`] when another session runs or the driver refuses.
    pub fn session(&self, stop: Stop) -> Result<Session, DeviceError> {
        let failed = |e| DeviceError::Adapter { name: self.name.clone(), reason: loader::reason(e) };
        let session = self.adapter.start_session(CAPACITY).map_err(failed)?;
        let readable = loader::read_event(&session).map_err(failed)?;
        Ok(Session { session: Arc::new(session), wakes: vec![readable], stop })
    }
}

/// Asks data threads to end. Clones ask the same threads.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Event>);

impl Stop {
    /// A request that nobody has made yet.
    ///
    /// # Errors
    /// [`DeviceError::Event`] when the system has no event object left.
    pub fn new() -> Result<Self, DeviceError> {
        Ok(Self(Arc::new(Event::new().map_err(DeviceError::Event)?)))
    }

    /// Asks for the end.
    pub fn ask(&self) {
        self.0.set();
    }

    pub(crate) fn event(&self) -> &Event {
        &self.0
    }

    /// Waits for the request, at most this long; true when it was made.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        self.0.wait(timeout)
    }
}

/// A running session: the two rings.
pub struct Session {
    session: Arc<::wintun::Session>,
    /// What ends a sleep: the read event, and those of [`Session::wake_for`].
    wakes: Vec<event::Borrowed>,
    stop: Stop,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl Session {
    /// Its waits end for these events too, which somebody else closes after the session.
    pub(crate) fn wake_for(&mut self, events: &[event::Borrowed]) {
        self.wakes.extend_from_slice(events);
    }
}

/// A received packet in the ring.
pub struct Packet(::wintun::Packet);

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packet({} bytes)", self.0.bytes().len())
    }
}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl Ring for Session {
    type Packet = Packet;

    fn receive(&mut self) -> Result<Option<Packet>, RingError> {
        self.session.try_receive().map(|p| p.map(Packet)).map_err(ring_error)
    }

    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
        let mut slot = self.session.allocate_send_packet(len).map_err(ring_error)?;
        fill(slot.bytes_mut());
        self.session.send_packet(slot);
        Ok(())
    }

    fn wait(&mut self, limit: Option<Duration>) -> Wake {
        match event::wait_any(&self.stop.0, &self.wakes, limit) {
            Ok(true) => Wake::Readable,
            Ok(false) => Wake::Stop,
            Err(code) => Wake::Failed(code),
        }
    }
}

fn ring_error(error: ::wintun::Error) -> RingError {
    let code = loader::reason(error).raw_os_error().unwrap_or_default();
    RingError::from_code(code.cast_unsigned())
}
