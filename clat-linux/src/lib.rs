//! The Linux shell of the CLAT: everything that talks to the kernel.
//!
//! # Layout
//!
//! Data plane: [`device`] (the TUN and what it can offload), [`virtio`] (the header that travels with
//! each packet), [`merge`] (packets put together into
//! super-packets), [`segment`] (super-packets cut in software).

#![cfg(target_os = "linux")]
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod checksum;
pub mod device;
mod headers;
pub mod merge;
pub mod segment;
#[cfg(test)]
mod testing;
pub mod virtio;

#[allow(unsafe_code)]
mod sys;
