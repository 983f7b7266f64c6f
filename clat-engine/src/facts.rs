//! What the host looks like, as the shell tells it. Bounded; renewed as a whole by a resynchronisation.

use crate::{
    Address6, AddressState, DefaultRoute4, DefaultRoute6, IfIndex, Instant, Link, LinkKind, OtherClat,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use heapless::Vec;

/// A fact and whether it was told since the last resynchronisation began.
#[derive(Clone, Copy, Debug)]
struct Told<T> {
    fact: T,
    fresh: bool,
}

/// A bounded set of facts; `same` tells which ones replace each other.
#[derive(Debug)]
pub(crate) struct Table<T, const N: usize>(Vec<Told<T>, N>);

impl<T: Copy, const N: usize> Table<T, N> {
    const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        self.0.iter().map(|told| told.fact)
    }

    /// Puts a fact in place of the one that `same` recognises; false when there is no room.
    fn put(&mut self, fact: T, same: impl Fn(&T) -> bool) -> bool {
        let told = Told { fact, fresh: true };
        match self.0.iter_mut().find(|t| same(&t.fact)) {
            Some(old) => *old = told,
            None => return self.0.push(told).is_ok(),
        }
        true
    }

    fn remove(&mut self, gone: impl Fn(&T) -> bool) {
        self.0.retain(|t| !gone(&t.fact));
    }

    fn age(&mut self) {
        self.0.iter_mut().for_each(|t| t.fresh = false);
    }

    /// What was not told again.
    fn stale(&self) -> Vec<T, N> {
        let mut stale = Vec::new();
        for told in self.0.iter().filter(|t| !t.fresh) {
            stale.push(told.fact).ok();
        }
        stale
    }

    fn sweep(&mut self) {
        self.0.retain(|t| t.fresh);
    }
}

/// The resolvers of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolver {
    pub(crate) ifindex: IfIndex,
    pub(crate) server: IpAddr,
    /// Whether a router announced it (RFC 8106).
    announced: bool,
    until: Option<Instant>,
}

/// A prefix of a link that a router announced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    pub(crate) ifindex: IfIndex,
    pub(crate) prefix: Ipv6Addr,
    pub(crate) len: u8,
    pub(crate) on_link: bool,
    /// Whether hosts make addresses in it by themselves, and new ones too.
    pub(crate) autonomous: bool,
    pub(crate) until: Instant,
    /// Who announced it last, and when.
    pub(crate) router: Ipv6Addr,
    pub(crate) heard: Instant,
}

impl Announced {
    fn covers(&self, ifindex: IfIndex, addr: Ipv6Addr) -> bool {
        let differ = (self.prefix.to_bits() ^ addr.to_bits()).checked_shr(128 - u32::from(self.len));
        self.ifindex == ifindex && differ.unwrap_or(0) == 0
    }
}

/// A client waits no shorter, whatever the server says (RFC 8925 section 3.4), in seconds.
const MIN_V6ONLY_WAIT: u32 = 300;

/// What the host looks like.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) links: Table<Link, 32>,
    pub(crate) addresses6: Table<Address6, 64>,
    pub(crate) addresses4: Table<(IfIndex, Ipv4Addr), 32>,
    pub(crate) defaults4: Table<DefaultRoute4, 16>,
    pub(crate) defaults6: Table<DefaultRoute6, 16>,
    resolvers: Vec<Resolver, 16>,
    announced: Vec<Announced, 16>,
    mtus: Table<(IfIndex, u32), 8>,
    others: Table<(IfIndex, OtherClat), 8>,
    v6_only: Table<(IfIndex, u32), 8>,
    /// The name of a table that had no room.
    pub(crate) overflow: Option<&'static str>,
    /// Whether the facts have been complete once.
    pub(crate) synced: bool,
}

impl Facts {
    pub(crate) const fn new() -> Self {
        Self {
            links: Table::new(),
            addresses6: Table::new(),
            addresses4: Table::new(),
            defaults4: Table::new(),
            defaults6: Table::new(),
            resolvers: Vec::new(),
            announced: Vec::new(),
            mtus: Table::new(),
            others: Table::new(),
            v6_only: Table::new(),
            overflow: None,
            synced: false,
        }
    }

    pub(crate) fn resync(&mut self) {
        self.links.age();
        self.addresses6.age();
        self.addresses4.age();
        self.defaults4.age();
        self.defaults6.age();
    }

    pub(crate) fn complete(&mut self) {
        for lost in self.addresses6.stale().iter().filter(|a| a.prefix_len <= 64) {
            self.doubt_prefix(lost.ifindex, lost.addr);
        }
        self.links.sweep();
        self.addresses6.sweep();
        self.addresses4.sweep();
        self.defaults4.sweep();
        self.defaults6.sweep();
        self.synced = true;
    }

    fn note(&mut self, fitted: bool, what: &'static str) {
        if !fitted {
            self.overflow = Some(what);
        }
    }

    pub(crate) fn put_link(&mut self, link: Link) {
        let fitted = self.links.put(link, |l| l.ifindex == link.ifindex);
        self.note(fitted, "links");
    }

    pub(crate) fn remove_link(&mut self, ifindex: IfIndex) {
        self.links.remove(|l| l.ifindex == ifindex);
        self.addresses6.remove(|a| a.ifindex == ifindex);
        self.addresses4.remove(|a| a.0 == ifindex);
        self.defaults4.remove(|r| r.ifindex == ifindex);
        self.defaults6.remove(|r| r.ifindex == ifindex);
        self.resolvers.retain(|r| r.ifindex != ifindex);
        self.announced.retain(|p| p.ifindex != ifindex);
        self.mtus.remove(|m| m.0 == ifindex);
        self.others.remove(|o| o.0 == ifindex);
        self.v6_only.remove(|v| v.0 == ifindex);
    }

    pub(crate) fn put_address6(&mut self, addr: Address6) {
        let fitted = self.addresses6.put(addr, |a| (a.ifindex, a.addr) == (addr.ifindex, addr.addr));
        self.note(fitted, "IPv6 addresses");
    }

    /// The host gave up an address of its own.
    pub(crate) fn lose_address6(&mut self, ifindex: IfIndex, addr: Ipv6Addr) {
        let own = |a: Address6| (a.ifindex, a.addr) == (ifindex, addr) && a.prefix_len <= 64;
        if self.addresses6.iter().any(own) {
            self.doubt_prefix(ifindex, addr);
        }
        self.remove_address6(ifindex, addr);
    }

    pub(crate) fn remove_address6(&mut self, ifindex: IfIndex, addr: Ipv6Addr) {
        self.addresses6.remove(|a| (a.ifindex, a.addr) == (ifindex, addr));
    }

    pub(crate) fn put_address4(&mut self, ifindex: IfIndex, addr: Ipv4Addr) {
        let fitted = self.addresses4.put((ifindex, addr), |a| *a == (ifindex, addr));
        self.note(fitted, "IPv4 addresses");
    }

    pub(crate) fn remove_address4(&mut self, ifindex: IfIndex, addr: Ipv4Addr) {
        self.addresses4.remove(|a| *a == (ifindex, addr));
    }

    pub(crate) fn put_default4(&mut self, route: DefaultRoute4) {
        let fitted = self.defaults4.put(route, |r| *r == route);
        self.note(fitted, "IPv4 default routes");
    }

    pub(crate) fn remove_default4(&mut self, route: DefaultRoute4) {
        self.defaults4.remove(|r| *r == route);
    }

    pub(crate) fn put_default6(&mut self, route: DefaultRoute6) {
        let fitted = self.defaults6.put(route, |r| *r == route);
        self.note(fitted, "IPv6 default routes");
    }

    pub(crate) fn remove_default6(&mut self, route: DefaultRoute6) {
        self.defaults6.remove(|r| *r == route);
    }

    pub(crate) fn put_other(&mut self, ifindex: IfIndex, other: Option<OtherClat>) {
        match other {
            Some(other) => drop(self.others.put((ifindex, other), |o| o.0 == ifindex)),
            None => self.others.remove(|o| o.0 == ifindex),
        }
    }

    pub(crate) fn put_v6_only(&mut self, ifindex: IfIndex, wait_s: Option<u32>) {
        match wait_s {
            Some(wait_s) => {
                self.v6_only.put((ifindex, wait_s.max(MIN_V6ONLY_WAIT)), |v| v.0 == ifindex);
            }
            None => self.v6_only.remove(|v| v.0 == ifindex),
        }
    }

    pub(crate) fn put_mtu(&mut self, ifindex: IfIndex, mtu: u32) {
        self.mtus.put((ifindex, mtu), |m| m.0 == ifindex);
    }

    /// The resolvers that the system knows for a link replace those it knew. Returns whether they differ.
    pub(crate) fn put_resolvers(&mut self, ifindex: IfIndex, servers: &[IpAddr]) -> bool {
        let known = self.resolvers.iter().filter(|r| !r.announced && r.ifindex == ifindex).map(|r| &r.server);
        if known.eq(servers.iter().take(4)) {
            return false;
        }
        self.resolvers.retain(|r| r.announced || r.ifindex != ifindex);
        for server in servers.iter().copied().take(4) {
            self.resolvers.push(Resolver { ifindex, server, announced: false, until: None }).ok();
        }
        true
    }

    /// A router announces a resolver until then; `None` withdraws it.
    pub(crate) fn announce_resolver(&mut self, ifindex: IfIndex, server: Ipv6Addr, until: Option<Instant>) {
        let server = IpAddr::V6(server);
        self.resolvers.retain(|r| !(r.announced && r.ifindex == ifindex && r.server == server));
        let of_link = self.resolvers.iter().filter(|r| r.announced && r.ifindex == ifindex).count();
        if until.is_some() && of_link < 4 {
            self.resolvers.push(Resolver { ifindex, server, announced: true, until }).ok();
        }
    }

    /// A router announces a prefix of the link.
    pub(crate) fn announce_prefix(&mut self, prefix: Announced) {
        let key = |p: &Announced| (p.ifindex, p.prefix, p.len);
        match self.announced.iter_mut().find(|p| key(p) == key(&prefix)) {
            Some(old) => *old = prefix,
            None => drop(self.announced.push(prefix)),
        }
    }

    /// A link was down: what routers announced on it counts until then, unless it is repeated.
    pub(crate) fn doubt(&mut self, ifindex: IfIndex, until: Instant) {
        for prefix in self.announced.iter_mut().filter(|p| p.ifindex == ifindex) {
            prefix.until = prefix.until.min(until);
        }
        for resolver in self.resolvers.iter_mut().filter(|r| r.ifindex == ifindex) {
            resolver.until = resolver.until.map(|at| at.min(until));
        }
    }

    /// A router speaks for the first time since then: what it said before and does not repeat is not so any more.
    pub(crate) fn forget_before(&mut self, ifindex: IfIndex, router: Ipv6Addr, since: Instant) {
        self.announced.retain(|p| (p.ifindex, p.router) != (ifindex, router) || p.heard >= since);
    }

    /// Forgets what routers announced and did not renew.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.resolvers.retain(|r| r.until.is_none_or(|at| at > now));
        self.announced.retain(|p| p.until > now);
    }

    pub(crate) fn link(&self, ifindex: IfIndex) -> Option<Link> {
        self.links.iter().find(|l| l.ifindex == ifindex)
    }

    /// Whether the address is in an announced on-link prefix.
    pub(crate) fn is_on_link(&self, ifindex: IfIndex, addr: Ipv6Addr) -> bool {
        self.announced.iter().any(|p| p.on_link && p.covers(ifindex, addr))
    }

    /// The /64s of a link in which hosts make addresses by themselves, and in which none is known yet.
    pub(crate) fn autonomous(&self, ifindex: IfIndex) -> impl Iterator<Item = Ipv6Addr> {
        // A claim (/128) is no address of the host's own.
        let own = move |p: &Announced, a: Address6| a.prefix_len <= 64 && p.covers(a.ifindex, a.addr);
        let unused = move |p: &&Announced| !self.addresses6.iter().any(|a| own(p, a));
        let of_link = move |p: &&Announced| p.ifindex == ifindex && p.autonomous && p.len == 64;
        self.announced.iter().filter(of_link).filter(unused).map(|p| p.prefix)
    }

    /// The host lost its address in a prefix: no longer a place for new ones, until it is announced again.
    fn doubt_prefix(&mut self, ifindex: IfIndex, addr: Ipv6Addr) {
        for prefix in self.announced.iter_mut().filter(|p| p.covers(ifindex, addr)) {
            prefix.autonomous = false;
        }
    }

    /// The resolvers of a link that can be reached, best first: the system's, then the routers'.
    pub(crate) fn resolvers(&self, ifindex: IfIndex) -> impl Iterator<Item = IpAddr> {
        let native_v4 = self.native_v4(ifindex);
        self.resolvers
            .iter()
            .filter(move |r| r.ifindex == ifindex)
            .map(|r| r.server)
            .filter(move |s| native_v4 || s.is_ipv6() || s.is_loopback())
    }

    pub(crate) fn native_v4(&self, ifindex: IfIndex) -> bool {
        self.defaults4.iter().any(|r| r.ifindex == ifindex)
    }

    pub(crate) fn other_clat(&self, ifindex: IfIndex) -> Option<OtherClat> {
        self.others.iter().find(|o| o.0 == ifindex).map(|o| o.1)
    }

    pub(crate) fn v6_only_wait_s(&self, ifindex: IfIndex) -> Option<u32> {
        self.v6_only.iter().find(|v| v.0 == ifindex).map(|v| v.1)
    }

    /// The IPv6 MTU of a link in bytes: its own or the smaller one that a router announced.
    pub(crate) fn v6_mtu(&self, ifindex: IfIndex) -> u32 {
        let link = self.link(ifindex).map_or(crate::mtu::V6_MIN, |l| l.mtu);
        let announced = self.mtus.iter().find(|m| m.0 == ifindex).map_or(link, |m| m.1);
        link.min(announced).max(crate::mtu::V6_MIN)
    }

    /// The default routers of a link, best first.
    pub(crate) fn routers(&self, ifindex: IfIndex) -> Vec<Ipv6Addr, 4> {
        let mut routers = Vec::new();
        let mut last = None;
        let of_link = || {
            let routes = self.defaults6.iter().filter(|r| r.ifindex == ifindex);
            routes.filter_map(|r| Some((r.metric, r.router?)))
        };
        while let Some(next) = of_link().filter(|r| Some(*r) > last).min() {
            last = Some(next);
            if !routers.contains(&next.1) && routers.push(next.1).is_err() {
                break;
            }
        }
        routers
    }

    /// A link-local address of ours on a link.
    pub(crate) fn link_local(&self, ifindex: IfIndex) -> Option<Ipv6Addr> {
        self.own(ifindex).find(|a| a.is_unicast_link_local())
    }

    /// The address from which a link hears us: a global one where there is one.
    pub(crate) fn speaker(&self, ifindex: IfIndex, except: Ipv6Addr) -> Option<Ipv6Addr> {
        let global = self.own(ifindex).find(|a| !a.is_unicast_link_local() && *a != except);
        global.or_else(|| self.link_local(ifindex))
    }

    fn own(&self, ifindex: IfIndex) -> impl Iterator<Item = Ipv6Addr> {
        let usable = |s| matches!(s, AddressState::Preferred | AddressState::Deprecated);
        self.addresses6.iter().filter(move |a| a.ifindex == ifindex && usable(a.state)).map(|a| a.addr)
    }

    /// The state of an address where it stands on a link.
    pub(crate) fn address_state(&self, ifindex: IfIndex, addr: Ipv6Addr) -> Option<AddressState> {
        self.addresses6.iter().find(|a| (a.ifindex, a.addr) == (ifindex, addr)).map(|a| a.state)
    }

    /// Whether a link other than our device has the IPv4 address.
    pub(crate) fn has_address4(&self, addr: Ipv4Addr) -> bool {
        let foreign = |ifindex| self.link(ifindex).is_some_and(|l| l.kind != LinkKind::Never);
        self.addresses4.iter().any(|(ifindex, a)| a == addr && foreign(ifindex))
    }
}
