//! The mapping of a CLAT: its own addresses by explicit rows, everything else by the PREF64.

use super::{EamError, EamRow, EamTable, Pref64};
use core::net::{Ipv4Addr, Ipv6Addr};

/// Which side of the translator an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The host that the CLAT serves: the source on the way out, the destination on the way in.
    Local,
    /// Everybody beyond the PLAT.
    Plat,
}

/// How addresses correspond (RFC 7915 section 6).
pub trait AddressMap {
    /// The IPv6 address of an IPv4 address in this role.
    fn to_v6(&self, v4: Ipv4Addr, role: Role) -> Option<Ipv6Addr>;
    /// The IPv4 address of an IPv6 address in this role.
    fn to_v4(&self, v6: Ipv6Addr, role: Role) -> Option<Ipv4Addr>;
    /// The prefix that embeds addresses which no other rule covers.
    fn pref64(&self) -> Pref64;
    /// Set when the local side is exactly one pair and all else is embedded in a /96.
    ///
    /// It only makes translation faster: what [`to_v6`](Self::to_v6) and [`to_v4`](Self::to_v4) say must agree.
    fn host_pair(&self) -> Option<HostPair> {
        None
    }
}

/// The one address pair of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPair {
    /// The IPv4 address that the host's programs use.
    pub v4: Ipv4Addr,
    /// The CLAT's IPv6 address.
    pub v6: Ipv6Addr,
}

/// Explicit rows for the local side, a PREF64 for the rest: "a CLAT is one EAM row and a prefix".
///
/// Rows take precedence over the prefix on both sides (RFC 7757 section 4).
#[derive(Clone, Debug)]
pub struct ClatMap<const N: usize = 1> {
    plat: Pref64,
    local: EamTable<N>,
    pair: Option<HostPair>,
}

impl ClatMap<1> {
    /// The map of a host with one address in each family.
    #[must_use]
    pub fn host(plat: Pref64, v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        let mut local = EamTable::new();
        // A table of one row has room for one row.
        let _ = local.insert(EamRow::host(v4, v6));
        Self::from_parts(plat, local)
    }
}

impl<const N: usize> ClatMap<N> {
    /// A map with these rows.
    #[must_use]
    pub fn from_parts(plat: Pref64, local: EamTable<N>) -> Self {
        let pair = pair_of(plat, &local);
        Self { plat, local, pair }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// As [`EamTable::insert`].
    pub fn insert(&mut self, row: EamRow) -> Result<(), EamError> {
        self.local.insert(row)?;
        self.pair = pair_of(self.plat, &self.local);
        Ok(())
    }

    /// The rows of the local side.
    #[must_use]
    pub const fn local(&self) -> &EamTable<N> {
        &self.local
    }
}

/// The only row, where it is of one address in each family.
fn pair_of<const N: usize>(plat: Pref64, local: &EamTable<N>) -> Option<HostPair> {
    match local.rows() {
        [row] if plat.len() == 96 && row.v4().1 == 32 && row.v6().1 == 128 => {
            Some(HostPair { v4: row.v4().0, v6: row.v6().0 })
        }
        _ => None,
    }
}

impl<const N: usize> AddressMap for ClatMap<N> {
    #[inline]
    fn to_v6(&self, v4: Ipv4Addr, role: Role) -> Option<Ipv6Addr> {
        match (self.local.to_v6(v4), role) {
            (None, Role::Plat) => Some(self.plat.embed(v4)),
            (found, _) => found,
        }
    }

    #[inline]
    fn to_v4(&self, v6: Ipv6Addr, role: Role) -> Option<Ipv4Addr> {
        match (self.local.to_v4(v6), role) {
            (None, Role::Plat) => self.plat.extract(v6),
            (found, _) => found,
        }
    }

    #[inline]
    fn pref64(&self) -> Pref64 {
        self.plat
    }

    #[inline]
    fn host_pair(&self) -> Option<HostPair> {
        self.pair
    }
}
