//! Which PREF64 and which prefix for the CLAT address: RFC 6724 section 5, rules 3, 6 and 8, as
//! draft-ietf-v6ops-claton section 7 asks.

use crate::facts::Facts;
use crate::prefixes::Entry;
use crate::{Address6, AddressState, ClatV6, Config, IfIndex, Instant, Provenance};
use clat_core::Pref64;
use core::cmp::Reverse;
use core::net::Ipv6Addr;

/// Where the CLAT address is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The prefix, or the whole address where it is fixed.
    pub(crate) prefix: Ipv6Addr,
    /// In bits; 128 is a fixed address.
    pub(crate) len: u8,
    /// Whether neighbours on the link have to find it.
    pub(crate) on_link: bool,
    /// Whether nothing says that the prefix is on-link.
    pub(crate) doubtful: bool,
}

/// What is in use: kept while nothing speaks against it, so that flows live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InUse {
    pub(crate) pref64: Pref64,
    pub(crate) prefix: Ipv6Addr,
}

/// The best PREF64, and the best prefix for it where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) entry: Entry,
    pub(crate) source: Option<Source>,
}

/// What the choice is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chooser<'a> {
    pub(crate) config: &'a Config,
    pub(crate) facts: &'a Facts,
    pub(crate) uplink: IfIndex,
    /// The CLAT address that is held, and the one that is being asked for: no sources for themselves.
    pub(crate) own: [Option<Ipv6Addr>; 2],
    pub(crate) in_use: Option<InUse>,
}

impl Chooser<'_> {
    /// The best of these PREF64s.
    pub(crate) fn choose<'e>(&self, entries: impl Iterator<Item = &'e Entry>) -> Option<Choice> {
        if let Some(prefix) = self.config.pref64 {
            return Some(Choice { entry: manual(prefix, self.uplink), source: self.source(prefix) });
        }
        let router = self.facts.routers(self.uplink).first().copied();
        entries
            .filter(|e| e.ifindex == self.uplink && !self.covers_host(e.prefix))
            .map(|e| Choice { entry: *e, source: self.source(e.prefix) })
            .filter(|c| !is_unreachable(c) && !covers_source(c))
            .min_by_key(|c| {
                let common = c.source.map_or(0, |s| common_bits(s.prefix, c.entry.prefix));
                let label = c.source.is_some_and(|s| same_label(s.prefix, c.entry.prefix));
                let in_use = self.in_use.is_some_and(|u| u.pref64 == c.entry.prefix);
                let by_router = c.entry.source.router().is_some_and(|r| router == Some(r));
                (rank(c.entry.source), !label, !in_use, Reverse(common), !by_router, c.entry.prefix)
            })
    }

    /// Whether the prefix holds an address of the link itself: no NAT64 has that.
    fn covers_host(&self, pref64: Pref64) -> bool {
        self.facts.addresses6.iter().any(|a| a.ifindex == self.uplink && pref64.contains(a.addr))
    }

    /// Where the CLAT address for this PREF64 is made.
    fn source(&self, pref64: Pref64) -> Option<Source> {
        match self.config.clat_v6 {
            ClatV6::Fixed(addr) => Some(Source { prefix: addr, len: 128, on_link: true, doubtful: false }),
            ClatV6::Delegated { prefix, len } => {
                Some(Source { prefix, len: len.min(120), on_link: false, doubtful: false })
            }
            ClatV6::Auto => self.on_link_source(pref64),
        }
    }

    fn on_link_source(&self, pref64: Pref64) -> Option<Source> {
        // A deprecated prefix is the last resort: until another one comes the host itself has no better source
        // (RFC 4862 section 5.5.4).
        let (prefix, _, doubtful) = self.places().min_by_key(|(prefix, state, doubtful)| {
            let deprecated = *state == AddressState::Deprecated;
            let common = Reverse(common_bits(*prefix, pref64));
            (deprecated, !same_label(*prefix, pref64), !self.is_in_use(*prefix), common, *doubtful, *prefix)
        })?;
        Some(Source { prefix, len: 64, on_link: true, doubtful })
    }

    /// The /64s of the uplink, each with its state and whether nothing says that it is on-link. They are
    /// known from the host's addresses, tentative ones too, and from the routers before there are any: the
    /// claim need not wait for the host's own address.
    fn places(&self) -> impl Iterator<Item = (Ipv6Addr, AddressState, bool)> {
        let usable = |a: &Address6| {
            a.ifindex == self.uplink
                && a.state != AddressState::Duplicate
                && !self.own.contains(&Some(a.addr))
                && is_global(a.addr)
        };
        let of_host = self.facts.addresses6.iter().filter(usable);
        let of_routers = self.facts.autonomous(self.uplink).filter(|prefix| is_global(*prefix));
        of_host
            .map(|a| (high_half(a.addr), a.state, self.is_single(&a)))
            .chain(of_routers.map(|prefix| (high_half(prefix), AddressState::Preferred, false)))
    }

    fn is_in_use(&self, prefix: Ipv6Addr) -> bool {
        self.in_use.is_some_and(|u| u.prefix == prefix)
    }

    /// Whether the address stands alone (DHCPv6, /128) and no router says that its /64 is on-link.
    fn is_single(&self, a: &Address6) -> bool {
        a.prefix_len > 64 && !self.facts.is_on_link(a.ifindex, a.addr)
    }
}

/// The prefix that the operator gave, as an entry.
pub(crate) const fn manual(prefix: Pref64, ifindex: IfIndex) -> Entry {
    let learnt = Instant::from_millis(0);
    Entry { prefix, ifindex, source: Provenance::Manual, learnt, expires: None }
}

const fn rank(source: Provenance) -> u8 {
    match source {
        Provenance::Manual => 0,
        Provenance::Ra { .. } => 1,
        Provenance::Dns => 2,
    }
}

/// A unique local PREF64 (RFC 4193) is reached from a unique local address only.
fn is_unreachable(choice: &Choice) -> bool {
    let source = choice.source.map(|s| s.prefix);
    choice.entry.prefix.prefix().is_unique_local() && source.is_some_and(|s| !s.is_unique_local())
}

/// No NAT64 has a prefix of the link itself.
fn covers_source(choice: &Choice) -> bool {
    choice.source.is_some_and(|s| s.on_link && choice.entry.prefix.contains(s.prefix))
}

const fn is_global(addr: Ipv6Addr) -> bool {
    !addr.is_unicast_link_local() && !addr.is_multicast() && !addr.is_loopback() && !addr.is_unspecified()
}

const fn high_half(addr: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(addr.to_bits() & !(u64::MAX as u128))
}

/// Rule 8: how many leading bits agree, as far as either prefix goes.
fn common_bits(prefix: Ipv6Addr, pref64: Pref64) -> u32 {
    let differ = prefix.to_bits() ^ pref64.prefix().to_bits();
    differ.leading_zeros().min(64).min(u32::from(pref64.len()))
}

/// Rule 6.
fn same_label(prefix: Ipv6Addr, pref64: Pref64) -> bool {
    label(prefix) == label(pref64.prefix())
}

/// The label of the default policy table (RFC 6724 section 2.1).
const fn label(addr: Ipv6Addr) -> u8 {
    let [a, b, ..] = addr.segments();
    match (a, b) {
        (0x2002, _) => 2,
        (0x2001, 0) => 5,
        (0x3ffe, _) => 12,
        _ if a & 0xffc0 == 0xfec0 => 11,
        _ if a & 0xfe00 == 0xfc00 => 13,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Announced;
    use std::vec::Vec;

    const UPLINK: IfIndex = 2;

    fn address(addr: &str, prefix_len: u8, state: AddressState) -> Address6 {
        Address6 { ifindex: UPLINK, addr: addr.parse().unwrap(), prefix_len, state, temporary: false }
    }

    fn ra(prefix: &str, router: &str) -> Entry {
        let source = Provenance::Ra { router: router.parse().unwrap() };
        Entry { source, expires: Some(Instant::from_millis(1)), ..manual(prefix.parse().unwrap(), UPLINK) }
    }

    fn announced(prefix: &str) -> Announced {
        let (prefix, until) = (prefix.parse().unwrap(), Instant::from_millis(9));
        Announced {
            ifindex: UPLINK,
            prefix,
            len: 64,
            on_link: true,
            autonomous: true,
            until,
            router: Ipv6Addr::UNSPECIFIED,
            heard: until,
        }
    }

    fn dns(prefix: &str) -> Entry {
        Entry { source: Provenance::Dns, ..ra(prefix, "::") }
    }

    fn choose(
        addresses: &[Address6],
        entries: &[Entry],
        in_use: Option<InUse>,
    ) -> Option<(std::string::String, Option<Source>)> {
        let mut facts = Facts::new();
        addresses.iter().for_each(|a| facts.put_address6(*a));
        let config = Config::new([0; 16], 0);
        let chooser = Chooser { config: &config, facts: &facts, uplink: UPLINK, own: [None; 2], in_use };
        chooser.choose(entries.iter()).map(|c| (c.entry.prefix.to_string(), c.source))
    }

    fn chosen(
        addresses: &[(&str, AddressState)],
        entries: &[Entry],
    ) -> Option<(std::string::String, std::string::String)> {
        let addresses: Vec<_> = addresses.iter().map(|(a, s)| address(a, 64, *s)).collect();
        let (prefix, source) = choose(&addresses, entries, None)?;
        Some((prefix, source?.prefix.to_string()))
    }

    use AddressState::{Deprecated, Duplicate, Preferred, Tentative};
    use std::string::ToString;

    fn pair(a: &str, b: &str) -> Option<(std::string::String, std::string::String)> {
        Some((a.to_string(), b.to_string()))
    }

    #[test]
    fn ra_over_dns() {
        let entries = [dns("2001:db8:1::/96"), ra("64:ff9b::/96", "fe80::1")];
        assert_eq!(
            chosen(&[("2001:db8:1:2::3", Preferred)], &entries),
            pair("64:ff9b::/96", "2001:db8:1:2::")
        );
    }

    #[test]
    fn rfc6724_section_5_rule_8_longest_match_of_prefix_and_source() {
        let addresses = [("2001:db8:aaaa:1::5", Preferred), ("2001:db8:bbbb:1::5", Preferred)];
        let near = [ra("2001:db8:bbbb:64::/96", "fe80::1"), ra("64:ff9b::/96", "fe80::1")];
        assert_eq!(chosen(&addresses, &near), pair("2001:db8:bbbb:64::/96", "2001:db8:bbbb:1::"));
    }

    #[test]
    fn rfc6724_section_5_rule_6_label() {
        let addresses = [("fd00:1::5", Preferred), ("2001:db8:1:2::5", Preferred)];
        assert_eq!(chosen(&addresses, &[ra("fd00:64::/96", "fe80::1")]), pair("fd00:64::/96", "fd00:1::"));
        assert_eq!(
            chosen(&addresses, &[ra("64:ff9b::/96", "fe80::1")]),
            pair("64:ff9b::/96", "2001:db8:1:2::")
        );
        assert_eq!(
            chosen(&addresses[1..], &[ra("fd00:64::/96", "fe80::1")]),
            None,
            "no ULA source for a ULA prefix"
        );
        assert_eq!(
            chosen(&addresses[..1], &[ra("64:ff9b::/96", "fe80::1")]),
            pair("64:ff9b::/96", "fd00:1::")
        );
    }

    #[test]
    fn rfc6724_section_5_rule_3_deprecated_only_as_the_last_resort() {
        let addresses = [("2001:db8:1:1::5", Deprecated), ("2001:db8:1:2::5", Preferred)];
        let entries = [ra("64:ff9b::/96", "fe80::1")];
        assert_eq!(chosen(&addresses, &entries), pair("64:ff9b::/96", "2001:db8:1:2::"));
        let old = [address("2001:db8:1:1::5", 64, Deprecated)];
        let source = choose(&old, &entries, None).unwrap().1.unwrap();
        assert_eq!(source.prefix.to_string(), "2001:db8:1:1::");
    }

    #[test]
    fn a_tentative_address_tells_its_prefix_and_a_duplicate_does_not() {
        let entries = [ra("64:ff9b::/96", "fe80::1")];
        assert_eq!(
            chosen(&[("2001:db8:1:2::5", Tentative)], &entries),
            pair("64:ff9b::/96", "2001:db8:1:2::")
        );
        assert_eq!(chosen(&[("2001:db8:1:2::5", Duplicate)], &entries), None);
    }

    #[test]
    fn a_router_tells_the_prefix_until_the_host_knows_better() {
        let config = Config::new([0; 16], 0);
        let mut facts = Facts::new();
        let source = |facts: &Facts| {
            let chooser = Chooser { config: &config, facts, uplink: UPLINK, own: [None; 2], in_use: None };
            chooser.source(Pref64::WELL_KNOWN).map(|s| s.prefix.to_string())
        };
        facts.announce_prefix(announced("2001:db8:1:2::"));
        assert_eq!(source(&facts).as_deref(), Some("2001:db8:1:2::"));
        let own = address("2001:db8:1:2::3", 64, Deprecated);
        facts.put_address6(own);
        facts.put_address6(address("2001:db8:1:3::3", 64, Preferred));
        assert_eq!(source(&facts).as_deref(), Some("2001:db8:1:3::"), "the host deprecated the other");
        facts.lose_address6(UPLINK, "2001:db8:1:3::3".parse().unwrap());
        facts.lose_address6(UPLINK, own.addr);
        assert_eq!(source(&facts), None, "the host gave up its address there");
        facts.announce_prefix(announced("2001:db8:1:2::"));
        assert_eq!(source(&facts).as_deref(), Some("2001:db8:1:2::"));
        facts.expire(Instant::from_millis(9));
        assert_eq!(source(&facts), None);
    }

    #[test]
    fn what_is_in_use_stays_against_a_longer_match() {
        let addresses =
            [address("2001:db8:aaaa:1::5", 64, Preferred), address("2001:db8:bbbb:1::5", 64, Preferred)];
        let entries = [ra("2001:db8:bbbb:64::/96", "fe80::1"), ra("64:ff9b::/96", "fe80::1")];
        let in_use = InUse { pref64: Pref64::WELL_KNOWN, prefix: "2001:db8:aaaa:1::".parse().unwrap() };
        let (prefix, source) = choose(&addresses, &entries, Some(in_use)).unwrap();
        assert_eq!((prefix.as_str(), source.unwrap().prefix), ("64:ff9b::/96", in_use.prefix));
    }

    #[test]
    fn a_prefix_around_the_host_is_no_pref64() {
        assert_eq!(chosen(&[("2001:db8:1:2::3", Preferred)], &[ra("2001:db8:1::/48", "fe80::1")]), None);
    }

    #[test]
    fn a_single_address_is_doubtful_until_a_router_says_on_link() {
        let single = address("2001:db8:1:2::3", 128, Preferred);
        let (_, source) = choose(&[single], &[ra("64:ff9b::/96", "fe80::1")], None).unwrap();
        assert!(source.unwrap().doubtful);
        let mut facts = Facts::new();
        facts.put_address6(single);
        facts.announce_prefix(announced("2001:db8:1:2::"));
        let config = Config::new([0; 16], 0);
        let chooser =
            Chooser { config: &config, facts: &facts, uplink: UPLINK, own: [None; 2], in_use: None };
        assert!(!chooser.source(Pref64::WELL_KNOWN).unwrap().doubtful);
    }
}
