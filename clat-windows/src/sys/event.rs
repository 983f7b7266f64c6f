//! Event objects and waiting for them.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::time::Duration;
use windows_sys::Win32::Foundation::{GetLastError, HANDLE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForMultipleObjects, WaitForSingleObject,
};

/// A manual-reset event: once set it ends every wait.
#[derive(Debug)]
pub(crate) struct Event(OwnedHandle);

/// A handle that somebody else closes, after the last wait for it: the read event of a Wintun session or of Npcap, which
/// are kept beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Borrowed(HANDLE);

// SAFETY: a handle is a number that any thread may use.
unsafe impl Send for Borrowed {}

impl Borrowed {
    pub(super) const fn new(handle: HANDLE) -> Self {
        Self(handle)
    }
}

impl Event {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no name and no security attributes; the result is checked.
        let handle = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new and nobody else's.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    pub(crate) fn set(&self) {
        // SAFETY: the handle is open as long as `self`. It can only fail for a handle that is none.
        unsafe { SetEvent(self.raw()) };
    }

    pub(crate) fn reset(&self) {
        // SAFETY: the handle is open as long as `self`. It can only fail for a handle that is none.
        unsafe { ResetEvent(self.raw()) };
    }

    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(INFINITE);
        // SAFETY: the handle is open as long as `self`.
        unsafe { WaitForSingleObject(self.raw(), millis) == WAIT_OBJECT_0 }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// For a wait that ends before `self` does.
    pub(crate) fn borrow(&self) -> Borrowed {
        Borrowed(self.raw())
    }

    pub(crate) fn raw(&self) -> RawHandle {
        self.0.as_raw_handle()
    }
}

/// Most that a wait may wait for, the stop included.
const MOST: usize = 4;

/// Sleeps until one of them is set, at most for `limit`: false for `stop`, true for another or none, or the Win32 error
/// code.
pub(crate) fn wait_any(stop: &Event, others: &[Borrowed], limit: Option<Duration>) -> Result<bool, u32> {
    let millis = limit.map_or(INFINITE, |l| u32::try_from(l.as_millis()).unwrap_or(INFINITE));
    // The stop event stands first so that it wins when several are set.
    let mut handles = [stop.raw(); MOST];
    handles.iter_mut().skip(1).zip(others).for_each(|(to, from)| *to = from.0);
    let count = (1 + others.len()).min(MOST) as u32;
    // SAFETY: so many handles that stay open during the call.
    match unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, millis) } {
        WAIT_OBJECT_0 => Ok(false),
        // SAFETY: reads this thread's error code.
        WAIT_FAILED => Err(unsafe { GetLastError() }),
        _ => Ok(true),
    }
}
