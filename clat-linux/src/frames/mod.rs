//! IPv6 as Ethernet frames on the uplink: nothing is forwarded, and the kernel has no part in it.
//!
//! # Layout
//!
//! - [`clat_engine::ethernet`]: packets in and out of frames.
//! - `wire`: the link itself, by libpcap (feature `live`).
//! - [`clat_offload::unfinished`]: what the network card or a virtual link left for later.
//! - [`nd`]: ICMPv6 messages as frames.
//!
//! The data thread is [`Pump::spawn_frames`](crate::pump::Pump::spawn_frames).

pub mod nd;
#[cfg_attr(not(feature = "live"), path = "no_wire.rs")]
mod wire;

pub use wire::Wire;

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

/// An open interface, and the address of its card.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) wire: Wire,
    pub(crate) mac: [u8; 6],
}

impl Station {
    /// It hears nothing until the data thread knows for whom.
    fn deaf(mut wire: Wire, mac: [u8; 6]) -> io::Result<Self> {
        wire.filter(NOTHING)?;
        Ok(Self { wire, mac })
    }
}

/// What the data thread is told.
#[derive(Debug, Default)]
struct Orders {
    facts: Facts,
    /// The interface to go on with, or that there is none; nothing where it stays.
    fresh: Option<Option<Station>>,
    /// The data thread has lost its interface.
    lost: bool,
}

/// The uplink of one data thread, with what the control thread tells it.
#[derive(Debug)]
pub struct Uplink {
    orders: Mutex<Orders>,
    wake: OwnedFd,
}

impl Uplink {
    /// For the card with this address. It hears nothing until [`translate_for`](Self::translate_for).
    ///
    /// # Errors
    /// When libpcap refuses the filter, or the kernel a descriptor.
    pub fn new(wire: Wire, mac: [u8; 6]) -> io::Result<Arc<Self>> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let uplink = Arc::new(Self { orders: Mutex::default(), wake });
        uplink.replace(Some((wire, mac)))?;
        Ok(uplink)
    }

    /// The data thread closes its interface and goes on with this one, whose router is not known yet; or with none.
    ///
    /// # Errors
    /// When libpcap refuses the filter; it goes on with none then.
    pub fn replace(&self, with: Option<(Wire, [u8; 6])>) -> io::Result<()> {
        let (station, refused) = match with.map(|(wire, mac)| Station::deaf(wire, mac)).transpose() {
            Ok(station) => (station, Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.change(|orders| {
            orders.facts.next_hop = None;
            (orders.fresh, orders.lost) = (Some(station), false);
        });
        refused
    }

    /// The router's link-layer address; while there is none, packets are held.
    pub fn set_next_hop(&self, mac: Option<[u8; 6]>) {
        self.change(|orders| orders.facts.next_hop = mac);
    }

    /// The address whose packets are taken, and the uplink's MTU in bytes; `None` takes none.
    pub fn translate_for(&self, address: Option<Ipv6Addr>, mtu: u32) {
        self.change(|orders| {
            orders.facts.address = address;
            orders.facts.mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        });
    }

    /// Whether the data thread has lost the interface and was given no other.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lock().lost
    }

    pub(crate) fn note_lost(&self) {
        let mut orders = self.lock();
        orders.lost = orders.fresh.is_none();
    }

    fn change(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.lock());
        // It fails only when the counter is full, and then the descriptor is readable already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// What the control thread says, and the interface to go on with, where it is another one.
    pub(crate) fn orders(&self) -> (Facts, Option<Option<Station>>) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        let mut orders = self.lock();
        (orders.facts, orders.fresh.take())
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
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
