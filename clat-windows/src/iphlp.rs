//! An interface by its locally unique identifier, with what IP Helper can do to it as methods.

use crate::sys::iphlp::{self, Change};
use crate::win32;
use std::io;
use std::net::IpAddr;

/// An interface. The number stays the same over restarts, where an index does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Luid(pub u64);

/// The settings of one family on an interface, as far as we change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilySettings {
    /// MTU in bytes.
    pub mtu: u32,
    /// Metric that is added to that of each route.
    pub metric: u32,
    /// Whether packets that came in by it are forwarded.
    pub forwarding: bool,
    /// Whether it sends Router Advertisements.
    pub advertising: bool,
    /// Whether it heeds Router Advertisements.
    pub router_discovery: bool,
    /// Whether it is attached to a network.
    pub connected: bool,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Luid {
    /// The interface with this index.
    ///
    /// # Errors
    /// Not found.
    pub fn from_index(index: u32) -> io::Result<Self> {
        Ok(Self(iphlp::index_to_luid(index)?))
    }

    /// The interface with this name, as the network connections folder shows it.
    ///
    /// # Errors
    /// Not found.
    pub fn from_name(name: &str) -> io::Result<Self> {
        Ok(Self(iphlp::alias_to_luid(name)?))
    }

    /// Its index at present.
    ///
    /// # Errors
    /// Not found.
    pub fn index(self) -> io::Result<u32> {
        Ok(iphlp::luid_to_index(self.0)?)
    }

    /// Its name.
    ///
    /// # Errors
    /// Not found.
    pub fn name(self) -> io::Result<String> {
        Ok(iphlp::luid_to_alias(self.0)?)
    }

    /// Its settings for one family.
    ///
    /// # Errors
    /// Not found where the family is not bound to it.
    pub fn settings(self, family: Family) -> io::Result<FamilySettings> {
        let s = iphlp::settings(self.0, family == Family::V6)?;
        Ok(FamilySettings {
            mtu: s.mtu,
            metric: s.metric,
            forwarding: s.forwarding,
            advertising: s.advertising,
            router_discovery: s.router_discovery,
            connected: s.connected,
        })
    }

    /// Sets the MTU of one family, in bytes.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_mtu(self, family: Family, mtu: u32) -> io::Result<()> {
        self.change(family, Change { mtu: Some(mtu), ..Change::default() })
    }

    /// Forwards IPv6 packets that come in by it, or does not.
    ///
    /// Windows stops to heed Router Advertisements where it forwards, and starts to send them where it is told to
    /// advertise: all three are set in one call, so that there is no moment without a default route.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_forwarding(
        self,
        forwarding: bool,
        router_discovery: bool,
        advertising: bool,
    ) -> io::Result<()> {
        let change = Change {
            forwarding: Some(forwarding),
            router_discovery: Some(router_discovery),
            advertising: Some(advertising),
            ..Change::default()
        };
        self.change(Family::V6, change)
    }

    /// The link behind it has no neighbours: addresses are taken at once, and nobody advertises routes.
    ///
    /// # Errors
    /// What the system said.
    pub fn no_neighbours(self, family: Family) -> io::Result<()> {
        let router_discovery = (family == Family::V6).then_some(false);
        self.change(family, Change { dad_transmits: Some(0), router_discovery, ..Change::default() })
    }

    fn change(self, family: Family, change: Change) -> io::Result<()> {
        Ok(iphlp::change(self.0, family == Family::V6, change)?)
    }

    /// Adds an address that is used at once.
    ///
    /// # Errors
    /// Code 5010 when it is there already.
    pub fn add_address(self, addr: IpAddr, prefix_len: u8) -> io::Result<()> {
        Ok(iphlp::add_address(self.0, addr, prefix_len, false)?)
    }

    /// Adds an address for duplicate address detection, never taken as a source by itself (`SkipAsSource`).
    ///
    /// # Errors
    /// Code 5010 when it is there already.
    pub fn claim_address(self, addr: IpAddr, prefix_len: u8) -> io::Result<()> {
        Ok(iphlp::add_address(self.0, addr, prefix_len, true)?)
    }

    /// Takes an address away.
    ///
    /// # Errors
    /// Code 1168 when there is none.
    pub fn delete_address(self, addr: IpAddr) -> io::Result<()> {
        Ok(iphlp::delete_address(self.0, addr)?)
    }

    /// Adds an on-link route; the interface's metric is added to this one.
    ///
    /// # Errors
    /// Code 5010 when it is there already.
    pub fn add_route(self, dest: IpAddr, prefix_len: u8, metric: u32) -> io::Result<()> {
        Ok(iphlp::add_route(self.0, dest, prefix_len, metric)?)
    }

    /// Takes an on-link route away.
    ///
    /// # Errors
    /// Code 1168 when there is none.
    pub fn delete_route(self, dest: IpAddr, prefix_len: u8) -> io::Result<()> {
        Ok(iphlp::delete_route(self.0, dest, prefix_len)?)
    }
}

/// The Win32 code of an error of this module, or zero.
#[must_use]
pub fn code(error: &io::Error) -> u32 {
    error.raw_os_error().unwrap_or_default().cast_unsigned()
}

/// Whether the error says that the object is not there.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    matches!(code(error), win32::NOT_FOUND | win32::FILE_NOT_FOUND)
}
