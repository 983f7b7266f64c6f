//! All `unsafe` of this crate: one file for each part of the Windows API, each function a safe wrapper.

pub(crate) mod event;
pub(crate) mod wintun;
