//! The Windows shell of the CLAT: everything that talks to Windows.
//!
//! # Layout
//!
//! Without a system call, compiled and tested everywhere: [`guid`] (the adapter's identity), [`dll`] (which
//! wintun.dll may be loaded), [`ring`] (ring size and the data path over any ring), [`frames`] (the same with IPv6 as
//! frames), [`tap`] (a look at each packet).
//!
//! Windows only: `device` (the Wintun adapter), `player` (a capture in place of the network). All `unsafe` is in `sys`.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod before;
pub mod checks;
pub mod dll;
pub mod frames;
pub mod guid;
pub mod journal;
pub mod live;
pub mod native_clat;
pub mod recent;
pub mod resolver;
pub mod ring;
pub mod sddl;
pub mod tap;
pub mod win32;

#[cfg(windows)]
pub mod data;
#[cfg(windows)]
pub mod device;
#[cfg(windows)]
pub mod eventlog;
#[cfg(windows)]
pub mod facts;
#[cfg(windows)]
pub mod firewall;
#[cfg(windows)]
pub mod folder;
#[cfg(windows)]
pub mod icmp6;
#[cfg(windows)]
pub mod iphlp;
#[cfg(windows)]
pub mod netcfg;
#[cfg(windows)]
mod outlet;
#[cfg(windows)]
pub mod pipe;
#[cfg(windows)]
pub mod plan;
#[cfg(windows)]
pub mod player;
#[cfg(windows)]
pub mod secret;
#[cfg(windows)]
pub mod service;
#[cfg(windows)]
pub mod system;
#[cfg(windows)]
pub mod watch;

#[cfg(windows)]
#[allow(unsafe_code)]
mod sys;

/// Whether this is Wine: its own users run everything, and parts of the network API are missing.
#[cfg(windows)]
#[must_use]
pub fn wine() -> bool {
    sys::system::has_function("ntdll.dll", c"wine_get_version")
}
