//! The event log and the registry keys that name a source of it.

use super::iphlp::check;
use super::{Code, wide};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::EventLog::{DeregisterEventSource, RegisterEventSourceW, ReportEventW};
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, REG_DWORD, REG_EXPAND_SZ, RegDeleteTreeW, RegSetKeyValueW,
};

/// An open source.
#[derive(Debug)]
pub(crate) struct Source(HANDLE);

// SAFETY: a handle is a number that any thread may use.
unsafe impl Send for Source {}
// SAFETY: as above; the calls lock for themselves.
unsafe impl Sync for Source {}

impl Source {
    pub(crate) fn open(name: &str) -> Result<Self, Code> {
        let name = wide(name);
        // SAFETY: no server, and a name that ends with a zero.
        let handle = unsafe { RegisterEventSourceW(std::ptr::null(), name.as_ptr()) };
        if handle.is_null() { Err(Code::last()) } else { Ok(Self(handle)) }
    }

    pub(crate) fn report(&self, kind: u16, id: u32, text: &str) -> Result<(), Code> {
        let text = wide(text);
        let strings = [text.as_ptr()];
        // SAFETY: one string that ends with a zero; no user and no data.
        let done = unsafe {
            ReportEventW(self.0, kind, 0, id, std::ptr::null_mut(), 1, 0, strings.as_ptr(), std::ptr::null())
        };
        if done == 0 { Err(Code::last()) } else { Ok(()) }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: our handle, closed once.
        unsafe { DeregisterEventSource(self.0) };
    }
}

/// Sets a string that names environment variables.
pub(crate) fn set_expandable(key: &str, name: &str, value: &str) -> Result<(), Code> {
    let (key, name, value) = (wide(key), wide(name), wide(value));
    // SAFETY: all strings end with a zero; the length is in bytes, that zero included.
    check(unsafe {
        RegSetKeyValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            REG_EXPAND_SZ,
            value.as_ptr().cast(),
            size_of_val(value.as_slice()) as u32,
        )
    })
}

/// Sets a number.
pub(crate) fn set_number(key: &str, name: &str, value: u32) -> Result<(), Code> {
    let (key, name) = (wide(key), wide(name));
    // SAFETY: both strings end with a zero; the value is four bytes.
    check(unsafe {
        RegSetKeyValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            REG_DWORD,
            (&raw const value).cast(),
            4,
        )
    })
}

/// Deletes a key with all that is below.
pub(crate) fn delete_key(key: &str) -> Result<(), Code> {
    let key = wide(key);
    // SAFETY: the string ends with a zero.
    check(unsafe { RegDeleteTreeW(HKEY_LOCAL_MACHINE, key.as_ptr()) })
}
