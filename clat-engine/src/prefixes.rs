//! The PREF64s that are known: from the operator, from routers with their lifetimes (RFC 8781), from DNS
//! (RFC 7050). Bounded: a flood of advertisements costs neither memory nor the prefix in use.

use crate::wire::dns;
use crate::{IfIndex, Instant, Provenance};
use clat_core::{Pref64, RaPref64};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use heapless::Vec;

/// How many prefixes are kept.
const ENTRIES: usize = 16;
/// How many of one router are kept.
const PER_ROUTER: usize = 4;

/// A prefix and where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) prefix: Pref64,
    pub(crate) ifindex: IfIndex,
    pub(crate) source: Provenance,
    pub(crate) learnt: Instant,
    pub(crate) expires: Option<Instant>,
}

/// Why a prefix was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No NAT64 can have it.
    Bad,
    /// No room, and nothing less useful to make room.
    Full,
}

/// The prefixes that are known.
#[derive(Debug, Default)]
pub(crate) struct Pref64Table {
    entries: Vec<Entry, ENTRIES>,
}

impl Pref64Table {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Takes a router's option (RFC 8781 section 5): lifetime zero withdraws at once.
    /// `known` tells whether a router of this address is a default router of the link.
    pub(crate) fn announced(
        &mut self,
        now: Instant,
        ifindex: IfIndex,
        router: Ipv6Addr,
        option: RaPref64,
        known: impl Fn(Ipv6Addr) -> bool,
    ) -> Result<(), Refused> {
        let source = Provenance::Ra { router };
        let same = |e: &Entry| e.ifindex == ifindex && e.source == source && e.prefix == option.prefix;
        if option.lifetime_s == 0 {
            self.entries.retain(|e| !same(e));
            return Ok(());
        }
        if !is_plausible(option.prefix) {
            return Err(Refused::Bad);
        }
        let expires = Some(now + Duration::from_secs(option.lifetime_s.into()));
        if let Some(entry) = self.entries.iter_mut().find(|e| same(e)) {
            (entry.learnt, entry.expires) = (now, expires);
            return Ok(());
        }
        let of_router = |e: &&Entry| e.ifindex == ifindex && e.source == source;
        if self.entries.iter().filter(of_router).count() >= PER_ROUTER {
            return Err(Refused::Full);
        }
        if self.entries.is_full() {
            self.evict(known(router), known)?;
        }
        let entry = Entry { prefix: option.prefix, ifindex, source, learnt: now, expires };
        self.entries.push(entry).map_err(|_| Refused::Full)
    }

    /// Makes room: a prefix of a stranger goes for one of a default router, never the other way round.
    fn evict(&mut self, for_known: bool, known: impl Fn(Ipv6Addr) -> bool) -> Result<(), Refused> {
        let stranger = |e: &Entry| e.source.router().is_some_and(|router| !known(router));
        let at = self.entries.iter().position(stranger).filter(|_| for_known).ok_or(Refused::Full)?;
        self.entries.swap_remove(at);
        Ok(())
    }

    /// Replaces what DNS knows of a link by a new answer; an empty one removes it.
    /// Returns whether something in the answer was no PREF64.
    pub(crate) fn resolved(
        &mut self,
        now: Instant,
        ifindex: IfIndex,
        answer: &dns::Answer,
        ttl: Duration,
    ) -> bool {
        let mut found: Vec<Pref64, 8> = Vec::new();
        let mut bad = false;
        for addr in &answer.addresses {
            match well_known_position(*addr) {
                Some(prefix) if is_plausible(prefix) => {
                    if !found.contains(&prefix) {
                        found.push(prefix).ok();
                    }
                }
                _ => bad = true,
            }
        }
        let of_link = |e: &Entry| e.ifindex == ifindex && e.source == Provenance::Dns;
        self.entries.retain(|e| !of_link(e) || found.contains(&e.prefix));
        for prefix in found {
            let entry =
                Entry { prefix, ifindex, source: Provenance::Dns, learnt: now, expires: Some(now + ttl) };
            match self.entries.iter_mut().find(|e| of_link(e) && e.prefix == prefix) {
                Some(old) => *old = entry,
                None => drop(self.entries.push(entry)),
            }
        }
        bad
    }

    /// Removes what has ended by `now`.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.entries.retain(|e| e.expires.is_none_or(|at| at > now));
    }

    /// When the next one ends.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|e| e.expires).min()
    }

    /// When the last router's prefix of a link ends.
    pub(crate) fn announced_until(&self, ifindex: IfIndex) -> Option<Instant> {
        self.of_routers(ifindex).filter_map(|e| e.expires).max()
    }

    /// The prefixes that routers of a link announce.
    fn of_routers(&self, ifindex: IfIndex) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |e| e.ifindex == ifindex && matches!(e.source, Provenance::Ra { .. }))
    }

    /// A link was down: what was learnt on it counts until then, unless it is repeated.
    pub(crate) fn doubt(&mut self, ifindex: IfIndex, until: Instant) {
        for entry in self.entries.iter_mut().filter(|e| e.ifindex == ifindex) {
            entry.expires = entry.expires.map(|at| at.min(until));
        }
    }

    /// A router speaks for the first time since then: what it said before and does not repeat is not so any more.
    pub(crate) fn forget_before(&mut self, ifindex: IfIndex, router: Ipv6Addr, since: Instant) {
        let source = Provenance::Ra { router };
        self.entries.retain(|e| e.ifindex != ifindex || e.source != source || e.learnt >= since);
    }

    /// Forgets what was learnt on a link.
    pub(crate) fn forget_link(&mut self, ifindex: IfIndex) {
        self.entries.retain(|e| e.ifindex != ifindex);
    }
}

/// Whether a NAT64 could have the prefix: global or unique local unicast.
#[must_use]
pub fn is_plausible(prefix: Pref64) -> bool {
    let addr = prefix.prefix();
    let [first, ..] = addr.segments();
    let special = addr.is_unspecified() || addr.is_multicast() || addr.is_unicast_link_local();
    // ::/8 holds the unspecified, loopback and mapped addresses; 64:ff9b::/96 and 64:ff9b:1::/48 lie above it.
    let reserved = first < 0x0064;
    !special && !reserved && first & 0xffc0 != 0xfec0
}

/// The prefix of an address that holds a well-known IPv4 address at one of the six positions
/// (RFC 7050 section 3). Where several fit, the longest: an address is searched from its end.
fn well_known_position(addr: Ipv6Addr) -> Option<Pref64> {
    const WELL_KNOWN: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];
    Pref64::LENGTHS.into_iter().find_map(|len| {
        let bits = addr.to_bits() & !(u128::MAX >> len);
        let prefix = Pref64::new(Ipv6Addr::from_bits(bits), len).ok()?;
        let inside = prefix.extract(addr)?;
        // The rest must be zero, so that chance in a host's address is no prefix.
        (WELL_KNOWN.contains(&inside) && prefix.embed(inside) == addr).then_some(prefix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    fn at(s: u64) -> Instant {
        Instant::from_millis(s * 1000)
    }

    fn option(prefix: &str, lifetime_s: u16) -> RaPref64 {
        RaPref64 { prefix: prefix.parse().unwrap(), lifetime_s }
    }

    fn answer(addresses: &[&str]) -> dns::Answer {
        dns::Answer { addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(), ttl_s: 60 }
    }

    #[test]
    fn rfc7050_section_3_all_six_positions() {
        for len in Pref64::LENGTHS {
            let prefix = Pref64::new("2001:db8::".parse().unwrap(), len).unwrap();
            for last in [170, 171] {
                let addr = prefix.embed(Ipv4Addr::new(192, 0, 0, last));
                assert_eq!(well_known_position(addr), Some(prefix), "/{len}");
            }
        }
        assert_eq!(well_known_position("2001:db8::1".parse().unwrap()), None);
        assert_eq!(well_known_position("2001:db8::c000:ac".parse().unwrap()), None);
    }

    #[test]
    fn rfc7050_section_3_several_prefixes_without_duplicates_and_bad_ones_left() {
        let mut table = Pref64Table::new();
        let both = answer(&["64:ff9b::c000:aa", "64:ff9b::c000:ab", "2001:db8:1::c000:aa", "2001:db8::1"]);
        assert!(table.resolved(at(0), 2, &both, Duration::from_secs(60)));
        assert_eq!(table.iter().count(), 2);
        assert!(!table.resolved(at(1), 2, &answer(&["64:ff9b::c000:aa"]), Duration::from_secs(60)));
        assert_eq!(table.iter().count(), 1, "a new answer replaces the old one");
        table.expire(at(61));
        assert_eq!(table.iter().count(), 0);
    }

    #[test]
    fn rfc8781_section_5_per_router_with_lifetime() {
        let mut table = Pref64Table::new();
        let other = "fe80::2".parse().unwrap();
        let known = |_| true;
        table.announced(at(0), 2, ROUTER, option("64:ff9b::/96", 16), known).unwrap();
        table.announced(at(0), 2, other, option("64:ff9b::/96", 80), known).unwrap();
        assert_eq!(table.next_expiry(), Some(at(16)));
        table.announced(at(8), 2, ROUTER, option("64:ff9b::/96", 16), known).unwrap();
        table.expire(at(16));
        assert_eq!(table.iter().count(), 2, "announced again in time");
        table.announced(at(17), 2, ROUTER, option("64:ff9b::/96", 0), known).unwrap();
        assert_eq!(
            table.iter().map(|e| e.source).collect::<std::vec::Vec<_>>(),
            [Provenance::Ra { router: other }]
        );
        table.expire(at(80));
        assert_eq!(table.iter().count(), 0);
    }

    #[test]
    fn a_flood_of_routers_does_not_push_out_the_default_router() {
        let mut table = Pref64Table::new();
        let known = |router| router == ROUTER;
        let full = (0..40u16).filter(|i| {
            let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, *i);
            table.announced(at(0), 2, router, option("2001:db8::/96", 600), known) == Err(Refused::Full)
        });
        assert_eq!(full.count(), 40 - ENTRIES);
        table.announced(at(0), 2, ROUTER, option("64:ff9b::/96", 600), known).unwrap();
        assert!(table.iter().any(|e| e.source == Provenance::Ra { router: ROUTER }));
        let one = (0..9u16).filter(|i| {
            let prefix = Pref64::new(Ipv6Addr::new(0x2001, 0xdb8, *i, 0, 0, 0, 0, 0), 96).unwrap();
            table.announced(at(0), 2, ROUTER, RaPref64 { prefix, lifetime_s: 600 }, known).is_err()
        });
        assert_eq!(one.count(), 9 - (PER_ROUTER - 1), "one router has a share of its own");
    }

    #[test]
    fn what_no_nat64_can_have() {
        for bad in ["fe80::/64", "ff0e::/96", "::/96", "::ffff:0:0/96", "fec0::/96"] {
            assert!(!is_plausible(bad.parse().unwrap()), "{bad}");
        }
        for good in ["64:ff9b::/96", "64:ff9b:1::/48", "2001:db8::/32", "fd00::/96"] {
            assert!(is_plausible(good.parse().unwrap()), "{good}");
        }
    }
}
