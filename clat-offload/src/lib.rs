//! What a network card would have done, in software and on byte slices: checksums that a sender's kernel left for
//! later, super-packets (TCP and UDP segmentation offload) cut to the size that a link takes.
//!
//! Both platforms need it for packets that were seen before a card had finished them: [`unfinished`] finds them,
//! [`segment`] cuts, [`recording`] is where they come from besides a link; [`headers`] and [`checksum`] are what it takes, and what merging in `clat-linux` takes too.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod checksum;
pub mod headers;
pub mod recording;
pub mod segment;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod unfinished;

/// Largest IP packet of either family with its frame, in bytes.
pub const MAX_PACKET: usize = 65_535 + 40 + 18;
