//! A look at every packet that passes, for a capture file.

use clat_core::DropReason;
use std::io::IoSlice;
use std::time::Duration;

/// Which way a packet went through the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Read from the device.
    In,
    /// Written to the device, or refused by it.
    Out,
}

/// Sees each packet as it passes: super-packets whole, and those put together as they were written.
/// Called from a data thread, which waits meanwhile.
pub trait Tap: Send + 'static {
    /// Takes a look at a packet given in runs of bytes, without virtio-net header.
    fn packet(&mut self, passing: Passing, packet: &[IoSlice<'_>]);

    /// The packet that was last read, or a segment of it, was dropped. An ICMP error in answer passes after this.
    fn dropped(&mut self, reason: DropReason) {
        let _ = reason;
    }

    /// What follows was seen at this time since the Unix epoch, and not at this moment: it is a recording.
    fn at(&mut self, time: Duration) {
        let _ = time;
    }
}

/// Nobody looks, at no cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTap;

impl Tap for NoTap {
    #[inline]
    fn packet(&mut self, _: Passing, _: &[IoSlice<'_>]) {}
}
