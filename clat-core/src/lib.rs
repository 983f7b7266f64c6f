//! The translation of a CLAT, the customer-side translator of 464XLAT (RFC 6877): IPv4 packets into
//! IPv6 packets and back, by RFC 7915 with RFC 6052, RFC 7757, RFC 4884 and RFC 8781.
//!
//! Bytes in, verdict out. No allocation, no clock, no randomness, no log, no lock, no unsafe code.
//!
//! # Layout
//!
//! - [`addr`]: how addresses correspond ([`Pref64`], [`EamTable`], [`ClatMap`]).
//! - [`Translator`]: the translation; [`Policy`] is what the standards leave open, [`QueueState`] all
//!   that changes from packet to packet, [`Offload`] what a device says beside the bytes.
//! - [`Verdict`]: what becomes of a packet; [`Parts`] is a rewritten head and a borrowed tail,
//!   [`DropReason`] says why there is none.
//! - [`RaPref64`]: the option by which a router announces the prefix.
//!
//! # Panics
//!
//! No function of this crate panics, whatever the bytes; a link test proves it
//! (`clat-link-test`).

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod addr;
mod drop_reason;
mod offload;
mod parts;
mod policy;
mod queue;
mod ra_pref64;
mod verdict;
mod wire;
mod xlat;

pub use addr::{
    AddressMap, ClatMap, EamError, EamRow, EamTable, HostPair, ParsePref64Error, Pref64, Pref64Error, Role,
};
pub use drop_reason::DropReason;
pub use offload::{Csum, Gso, GsoKind, Offload};
pub use parts::{MAX_HEAD, Parts};
pub use policy::{Errors, NativeSource, Policy, PrivateV4, Tos, UdpZero};
pub use queue::{QueueState, RateLimit};
pub use ra_pref64::RaPref64;
pub use verdict::{InPlace, Verdict};
pub use xlat::{Fragments, Translator};

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
