//! Loading wintun.dll, and the few places where the `wintun` crate hands out raw types.

use super::event::Borrowed;
use std::io;
use std::path::Path;

pub(crate) use ::wintun::Wintun;

/// Imports of the DLL come from the system folder and nowhere else (`LOAD_LIBRARY_SEARCH_SYSTEM32`).
const SEARCH_SYSTEM32: u32 = 0x800;

/// Loads the file at this absolute path.
pub(crate) fn load(path: &Path) -> Result<Wintun, String> {
    use libloading::os::windows::Library;
    // SAFETY: the caller has checked that the file is the signed release, whose initialisation has no side effect.
    let library = unsafe { Library::load_with_flags(path, SEARCH_SYSTEM32) }.map_err(|e| chain(&e))?;
    // SAFETY: the signed release has the functions that the crate declares.
    let wintun = unsafe { ::wintun::load_from_library(library) }.map_err(|e| e.to_string())?;
    ::wintun::set_logger(&wintun, Some(log));
    Ok(wintun)
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Puts what the driver library says into our own log.
// The crate declares the callback so; on 64-bit Windows there is one calling convention.
#[allow(unsupported_calling_conventions)]
extern "stdcall" fn log(level: i32, _timestamp: u64, message: *const u16) {
    if message.is_null() {
        return;
    }
    // SAFETY: Wintun hands over a string that ends with a zero and lives during the call.
    let text = unsafe {
        let len = (0..4096).find(|i| *message.add(*i) == 0).unwrap_or_default();
        String::from_utf16_lossy(std::slice::from_raw_parts(message, len))
    };
    match level {
        0 => tracing::debug!("wintun: {text}"),
        1 => tracing::warn!("wintun: {text}"),
        _ => tracing::error!("wintun: {text}"),
    }
}

/// The 64-bit value of an adapter's LUID.
pub(crate) fn luid(adapter: &::wintun::Adapter) -> u64 {
    // SAFETY: every member of the union covers the same 64 bits.
    unsafe { adapter.get_luid().Value }
}

/// The event that is set when a session has packets.
pub(crate) fn read_event(session: &::wintun::Session) -> Result<Borrowed, ::wintun::Error> {
    Ok(Borrowed::new(std::ptr::with_exposed_provenance_mut(session.get_read_wait_event()?.cast_unsigned())))
}

/// The crate's error as the system's, with the Win32 code where there is one.
#[allow(clippy::wildcard_enum_match_arm)] // all others carry no code
pub(crate) fn reason(error: ::wintun::Error) -> io::Error {
    match error {
        ::wintun::Error::Io(error) => error,
        // The crate loses the code of these: the system still has it.
        ::wintun::Error::String(text) => match io::Error::last_os_error() {
            last if last.raw_os_error().unwrap_or_default() != 0 => last,
            _ => io::Error::other(text),
        },
        other => io::Error::other(other),
    }
}
