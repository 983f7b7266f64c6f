//! IPv6 as Ethernet frames on the uplink, by Npcap where it is installed: nothing is forwarded, no address is claimed,
//! and Windows' own IPv6 has no part in it.
//!
//! - [`clat_engine::ethernet`]: packets in and out of frames.
//! - [`ring`]: the device and the wire as one ring of packets; compiled and tested everywhere.
//! - `link`: the wire itself and what the control thread tells it.

#[cfg(windows)]
pub mod link;
pub mod ring;

use crate::ring::RingError;

/// An Ethernet link.
pub trait Wire {
    /// Our own link-layer address.
    fn mac(&self) -> [u8; 6];

    /// The router's, once it is known.
    fn next_hop(&self) -> Option<[u8; 6]>;

    /// The next frame, or `None` when none waits.
    ///
    /// # Errors
    /// When the link is gone.
    fn receive(&mut self) -> Result<Option<&[u8]>, RingError>;

    /// Sends a frame; one that the link does not take is lost, as on any link.
    fn send(&mut self, frame: &[u8]);
}
