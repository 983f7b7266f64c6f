//! The provider's side: a NAT64 (RFC 6146) reduced to what a simulation needs. It binds each IPv6
//! host to a public IPv4 address of its own at its first packet; ports stay as they are.

use crate::{Outbox, Side, TranslatorNode};
use clat_core::{AddressMap, Policy, Pref64, Role, Translator};
use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The provider-side translator; IPv6 is on its left, IPv4 on its right.
#[derive(Debug)]
pub struct Nat64 {
    node: TranslatorNode<Nat64Map>,
}

impl Nat64 {
    /// A NAT64 that announces this prefix and has these public addresses.
    #[must_use]
    pub fn new(pref64: Pref64, pool: Vec<Ipv4Addr>, own_v6: Ipv6Addr, policy: Policy) -> Self {
        let mut policy = policy;
        policy.v6_error_source = Some(own_v6);
        let map = Nat64Map { pref64, pool, bindings: RefCell::default() };
        Self { node: TranslatorNode::with_v4_side(Translator::new(map, policy), Side::Right) }
    }

    /// The translator behind it, with its counters.
    #[must_use]
    pub const fn node(&self) -> &TranslatorNode<Nat64Map> {
        &self.node
    }

    pub(crate) fn packet(&mut self, from: Side, packet: &[u8]) -> Outbox {
        if from == Side::Left
            && let Some(source) = packet.get(8..24).and_then(|s| <[u8; 16]>::try_from(s).ok())
        {
            self.node.translator().map().bind(source.into());
        }
        self.node.packet(from, packet)
    }
}

/// The NAT64's view: servers by the prefix, clients by their bindings.
#[derive(Debug)]
pub struct Nat64Map {
    pref64: Pref64,
    pool: Vec<Ipv4Addr>,
    /// In the order of the pool.
    bindings: RefCell<Vec<Ipv6Addr>>,
}

impl Nat64Map {
    /// The public address of each client seen, in order.
    #[must_use]
    pub fn bindings(&self) -> Vec<(Ipv6Addr, Ipv4Addr)> {
        self.bindings.borrow().iter().copied().zip(self.pool.iter().copied()).collect()
    }

    fn bind(&self, client: Ipv6Addr) {
        let mut bindings = self.bindings.borrow_mut();
        let is_new = !bindings.contains(&client) && self.pref64.extract(client).is_none();
        if is_new && bindings.len() < self.pool.len() {
            bindings.push(client);
        }
    }
}

impl AddressMap for Nat64Map {
    fn to_v6(&self, v4: Ipv4Addr, role: Role) -> Option<Ipv6Addr> {
        let client = self.bindings().into_iter().find(|b| b.1 == v4).map(|b| b.0);
        match role {
            Role::Local if self.pool.contains(&v4) => None,
            Role::Local => Some(self.pref64.embed(v4)),
            Role::Plat => client,
        }
    }

    fn to_v4(&self, v6: Ipv6Addr, role: Role) -> Option<Ipv4Addr> {
        match role {
            Role::Local => self.pref64.extract(v6),
            Role::Plat => self.bindings().into_iter().find(|b| b.0 == v6).map(|b| b.1),
        }
    }

    fn pref64(&self) -> Pref64 {
        self.pref64
    }
}
