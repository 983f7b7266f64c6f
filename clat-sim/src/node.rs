//! What stands between the two hosts.

use crate::{Clat, Nat64, Router};

/// The two directions of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Towards the client.
    Left,
    /// Towards the server.
    Right,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Packets that a node sends, each to one side.
pub type Outbox = Vec<(Side, Vec<u8>)>;

/// A box in the chain.
#[derive(Debug)]
pub enum Node {
    /// Forwards within a family.
    Router(Router),
    /// The customer-side translator; IPv4 is on its left.
    Clat(Box<Clat>),
    /// The provider-side translator; IPv4 is on its right.
    Nat64(Box<Nat64>),
}

impl Node {
    pub(crate) fn packet(&mut self, from: Side, packet: &[u8]) -> Outbox {
        match self {
            Self::Router(router) => router.packet(from, packet),
            Self::Clat(clat) => clat.packet(from, packet),
            Self::Nat64(nat64) => nat64.packet(from, packet),
        }
    }
}
