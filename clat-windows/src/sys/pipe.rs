//! One instance of a named pipe, with a time limit on everything.

use super::event::Event;
use super::security::Descriptor;
use super::{Code, wide};
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;
use windows_sys::Win32::Foundation::{
    ERROR_IO_PENDING, ERROR_PIPE_CONNECTED, HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX, ReadFile, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, DisconnectNamedPipe, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS,
    PIPE_TYPE_BYTE, PIPE_WAIT,
};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForMultipleObjects};

/// Buffer of each direction in bytes.
const BUFFER: u32 = 4096;

/// A pipe instance that serves one client after the other.
#[derive(Debug)]
pub(crate) struct Pipe {
    handle: OwnedHandle,
    done: Event,
}

impl Pipe {
    /// Makes the first instance of `name`: it fails where somebody else serves it already.
    pub(crate) fn create(name: &str, descriptor: &Descriptor) -> io::Result<Self> {
        let (name, attributes) = (wide(name), descriptor.attributes());
        // SAFETY: the name ends with a zero, the attributes live during the call.
        let handle = unsafe {
            CreateNamedPipeW(
                name.as_ptr(),
                PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
                PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
                1,
                BUFFER,
                BUFFER,
                0,
                &raw const attributes,
            )
        };
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new and nobody else's.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Self { handle, done: Event::new()? })
    }

    fn raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }

    /// Waits for a client; false when it is time to end.
    pub(crate) fn connect(&self, stop: &Event) -> io::Result<bool> {
        match self.overlapped(None, stop, |pipe, o| {
            // SAFETY: the structure lives until the operation has ended.
            unsafe { ConnectNamedPipe(pipe, o) }
        }) {
            Ok(_) => Ok(true),
            Err(e) if e.raw_os_error() == Some(ERROR_PIPE_CONNECTED.cast_signed()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Reads what is there.
    pub(crate) fn read(&self, buf: &mut [u8], limit: Duration, stop: &Event) -> io::Result<usize> {
        let (data, len) = (buf.as_mut_ptr(), u32::try_from(buf.len()).unwrap_or(u32::MAX));
        self.overlapped(Some(limit), stop, |pipe, o| {
            // SAFETY: buffer and structure live until the operation has ended.
            unsafe { ReadFile(pipe, data, len, std::ptr::null_mut(), o) }
        })
    }

    /// Writes all of it.
    pub(crate) fn write(&self, mut bytes: &[u8], limit: Duration, stop: &Event) -> io::Result<()> {
        while !bytes.is_empty() {
            let (data, len) = (bytes.as_ptr(), u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            let n = self.overlapped(Some(limit), stop, |pipe, o| {
                // SAFETY: buffer and structure live until the operation has ended.
                unsafe { WriteFile(pipe, data, len, std::ptr::null_mut(), o) }
            })?;
            bytes = bytes.get(n..).unwrap_or_default();
        }
        Ok(())
    }

    /// Lets the client go; what it has not read is lost.
    pub(crate) fn disconnect(&self) {
        // SAFETY: our handle. It can only fail where no client is left, which is as good.
        unsafe { DisconnectNamedPipe(self.raw()) };
    }

    /// Starts an operation and waits for its end, the limit or the request to stop; an unfinished one is cancelled.
    fn overlapped(
        &self,
        limit: Option<Duration>,
        stop: &Event,
        start: impl FnOnce(HANDLE, *mut OVERLAPPED) -> i32,
    ) -> io::Result<usize> {
        self.done.reset();
        let mut state = OVERLAPPED { hEvent: self.done.raw(), ..OVERLAPPED::default() };
        if start(self.raw(), &raw mut state) == 0 {
            match Code::last() {
                Code(ERROR_IO_PENDING) => {}
                other => return Err(other.into()),
            }
        }
        let handles = [stop.raw(), self.done.raw()];
        let millis = limit.map_or(INFINITE, |l| u32::try_from(l.as_millis()).unwrap_or(INFINITE));
        // SAFETY: two handles that stay open during the call.
        let woken = unsafe { WaitForMultipleObjects(2, handles.as_ptr(), 0, millis) };
        let cut_short = match woken {
            WAIT_OBJECT_0 => Some(io::ErrorKind::Interrupted),
            WAIT_TIMEOUT => Some(io::ErrorKind::TimedOut),
            _ => None,
        };
        let mut n = 0;
        // SAFETY: the structure must not go before the operation has ended: cancel, then wait for that.
        let done = unsafe {
            if cut_short.is_some() {
                CancelIoEx(self.raw(), &raw const state);
            }
            GetOverlappedResult(self.raw(), &raw const state, &raw mut n, 1)
        };
        match cut_short {
            Some(kind) => Err(kind.into()),
            None if done == 0 => Err(io::Error::last_os_error()),
            None => Ok(n as usize),
        }
    }
}
