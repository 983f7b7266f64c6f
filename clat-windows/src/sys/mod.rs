//! All `unsafe` of this crate: one file for each part of the Windows API, each function a safe wrapper.

pub(crate) mod adapters;
pub(crate) mod dns;
pub(crate) mod event;
pub(crate) mod eventlog;
pub(crate) mod firewall;
pub(crate) mod icmp6;
pub(crate) mod iphlp;
pub(crate) mod late;
pub(crate) mod notify;
pub(crate) mod npcap;
pub(crate) mod pipe;
#[cfg(target_env = "gnu")]
mod prng;
pub(crate) mod registry;
pub(crate) mod security;
pub(crate) mod service;
pub(crate) mod system;
pub(crate) mod wintun;

/// A Win32 error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    /// This thread's last error.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a number of this thread.
        Self(unsafe { windows_sys::Win32::Foundation::GetLastError() })
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::io::Error::from_raw_os_error(self.0.cast_signed()).fmt(f)
    }
}

impl std::error::Error for Code {}

impl From<Code> for std::io::Error {
    fn from(code: Code) -> Self {
        Self::from_raw_os_error(code.0.cast_signed())
    }
}

/// A string for the API: UTF-16 with a zero at its end.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A string from the API, up to its zero.
pub(crate) fn narrow(text: &[u16]) -> String {
    String::from_utf16_lossy(text.split(|c| *c == 0).next().unwrap_or_default())
}
