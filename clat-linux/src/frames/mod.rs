//! IPv6 as Ethernet frames on the uplink: nothing is forwarded, and the kernel has no part in it.
//!
//! # Layout
//!
//! - [`clat_engine::ethernet`]: packets in and out of frames.
//! - `wire`: the link itself, by libpcap (feature `live`).
//! - `unfinished`: checksums and super-packets that the network card or a virtual link left for later.
//! - [`nd`]: ICMPv6 messages as frames.
//!
//! The data thread is [`Pump::spawn_frames`](crate::pump::Pump::spawn_frames).

pub mod nd;
#[cfg_attr(not(feature = "live"), allow(dead_code))]
pub(crate) mod unfinished;
#[cfg_attr(not(feature = "live"), path = "no_wire.rs")]
mod wire;

pub use wire::Wire;

use crate::pump::PumpError;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the data thread goes by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) next_hop: Option<[u8; 6]>,
    pub(crate) address: Option<Ipv6Addr>,
    pub(crate) mtu: usize,
}

/// The uplink that one data thread at a time sends on and hears, with what the control thread tells it.
#[derive(Debug)]
pub struct Uplink {
    wire: Mutex<Wire>,
    mac: [u8; 6],
    facts: Mutex<Facts>,
    wake: OwnedFd,
}

impl Uplink {
    /// For the card with this address. It hears nothing until [`translate_for`](Self::translate_for).
    ///
    /// # Errors
    /// When libpcap refuses the filter, or the kernel a descriptor.
    pub fn new(mut wire: Wire, mac: [u8; 6]) -> io::Result<Arc<Self>> {
        wire.filter(NOTHING)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Self { wire: Mutex::new(wire), mac, facts: Mutex::default(), wake }))
    }

    /// The router's link-layer address; while there is none, packets are held.
    pub fn set_next_hop(&self, mac: Option<[u8; 6]>) {
        self.change(|facts| facts.next_hop = mac);
    }

    /// The address whose packets are taken, and the uplink's MTU in bytes; `None` takes none.
    pub fn translate_for(&self, address: Option<Ipv6Addr>, mtu: u32) {
        self.change(|facts| {
            facts.address = address;
            facts.mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
        // It fails only when the counter is full, and then the descriptor is readable already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    pub(crate) fn facts(&self) -> Facts {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// A filter that no IPv6 packet passes.
const NOTHING: &str = "ether proto 0xffff";

/// All IPv6 for this address but Neighbour Discovery and MLD, which the control thread hears.
pub(crate) fn filter_for(address: Option<Ipv6Addr>) -> String {
    address.map_or_else(
        || NOTHING.to_owned(),
        |address| {
            format!("ip6 dst host {address} and not (ip6[6] = 58 and ip6[40] >= 130 and ip6[40] <= 137)")
        },
    )
}

/// An error of the wire as the pump's.
pub(crate) fn lost(error: &io::Error) -> PumpError {
    PumpError::Uplink(error.to_string())
}
