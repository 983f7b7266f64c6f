//! The Windows shell of the CLAT: everything that talks to Windows.
//!
//! # Layout
//!
//! Without a system call, compiled and tested everywhere: [`guid`] (the adapter's identity), [`dll`] (which
//! wintun.dll may be loaded), [`ring`] (ring size and the data path over any ring).
//!
//! Windows only: `device` (the Wintun adapter). All `unsafe` is in `sys`.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod before;
pub mod dll;
pub mod guid;
pub mod journal;
pub mod live;
pub mod ring;
pub mod win32;

#[cfg(windows)]
pub mod device;
#[cfg(windows)]
pub mod facts;
#[cfg(windows)]
pub mod firewall;
#[cfg(windows)]
pub mod icmp6;
#[cfg(windows)]
pub mod iphlp;
#[cfg(windows)]
pub mod netcfg;
#[cfg(windows)]
pub mod watch;

#[cfg(windows)]
#[allow(unsafe_code)]
mod sys;
