//! System calls that need `unsafe`, one file a concern. Nothing here decides anything.

pub(crate) mod memory;
pub(crate) mod socket;
pub(crate) mod tun;
