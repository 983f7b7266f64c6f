//! A look at every packet that passes, for a capture file.

use clat_core::DropReason;
use std::fmt::Debug;
use std::io::IoSlice;
use std::time::Duration;

/// Which way a packet went through the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Received from the adapter.
    In,
    /// Sent to the adapter.
    Out,
}

/// Sees each packet as it passes. Called from the data thread, which waits meanwhile.
pub trait Tap: Debug + Send + 'static {
    /// Takes a look at a packet given in runs of bytes.
    fn packet(&mut self, passing: Passing, packet: &[IoSlice<'_>]);

    /// The packet that was last received was dropped. An ICMP error in answer passes after this.
    fn dropped(&mut self, reason: DropReason);

    /// What follows was seen at this time since the Unix epoch, and not at this moment: it is a recording.
    fn at(&mut self, time: Duration) {
        let _ = time;
    }
}
