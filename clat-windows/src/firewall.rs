//! Neighbour Discovery past the firewall, for as long as this process lives.
//!
//! The built-in rules let Router Advertisements and Neighbour Solicitations in for the system's own stack only. The
//! filter is one of the Windows Filtering Platform in a dynamic session: no rule is stored, nothing is left behind by
//! a crash, and the firewall's configuration stays as it is.

use crate::sys::firewall::Engine;
use std::io;

/// Router Advertisement, Neighbour Solicitation and Advertisement (RFC 4861 section 4), echo reply (RFC 4443).
const TYPES: [u8; 4] = [129, 134, 135, 136];

/// The permission. It ends when this is dropped.
#[derive(Debug)]
pub struct NeighbourDiscoveryAllowed(#[allow(dead_code)] Engine);

impl NeighbourDiscoveryAllowed {
    /// Lets Neighbour Discovery in.
    ///
    /// # Errors
    /// What the filtering platform said; without it the program goes on, and hears less.
    pub fn new() -> io::Result<Self> {
        let engine = Engine::open()?;
        engine.add_sublayer()?;
        for icmp_type in TYPES {
            engine.permit_icmpv6(icmp_type)?;
        }
        Ok(Self(engine))
    }
}
