//! Which section of which RFC changes a field on the way to the other family.

use crate::dissect::slot::Slot;
use clat_core::{AddressMap, ClatMap};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Field, rule to IPv6, rule to IPv4.
const RULES: &[(Slot, &str, &str)] = &[
    (Slot::HeaderLength, "RFC 7915 section 4.1: always 40 bytes", "RFC 7915 section 5.1: no options"),
    (Slot::TrafficClass, "RFC 7915 section 4.1: set by policy", "RFC 7915 section 5.1: set by policy"),
    (Slot::FlowLabel, "RFC 7915 section 4.1: zero", "RFC 7915 section 5.1: IPv4 has none"),
    (Slot::Length, "RFC 7915 section 4.1: without the header", "RFC 7915 section 5.1: with the header"),
    (Slot::Identification, "RFC 7915 section 4.1: only fragments have it", "RFC 7915 sections 5.1 and 5.1.1"),
    (
        Slot::DontFragment,
        "RFC 7915 section 4.1: implied in IPv6",
        "RFC 7915 section 5.1: set above 1260 bytes",
    ),
    (Slot::MoreFragments, "RFC 7915 section 4.1: only fragments have it", "RFC 7915 section 5.1.1"),
    (Slot::FragmentOffset, "RFC 7915 section 4.1: only fragments have it", "RFC 7915 section 5.1.1"),
    (Slot::Hops, "RFC 7915 section 4.1: one hop", "RFC 7915 section 5.1: one hop"),
    (
        Slot::Protocol,
        "RFC 7915 section 4.1: ICMPv4 becomes ICMPv6",
        "RFC 7915 section 5.1: ICMPv6 becomes ICMPv4",
    ),
    (Slot::HeaderChecksum, "RFC 7915 section 4.1: IPv6 has none", "RFC 7915 section 5.1: computed"),
    (Slot::Options, "RFC 7915 section 4.1: not translated", "RFC 7915 section 5.1: not translated"),
    (Slot::IcmpType, "RFC 7915 section 4.2", "RFC 7915 section 5.2"),
    (Slot::IcmpCode, "RFC 7915 section 4.2", "RFC 7915 section 5.2"),
    (
        Slot::Mtu,
        "RFC 7915 section 4.2: 20 more, at least 1280",
        "RFC 7915 section 5.2: 20 less, 28 for a fragment",
    ),
    (Slot::Pointer, "RFC 7915 section 4.2, Figure 3", "RFC 7915 section 5.2, Figure 6"),
    (Slot::QuotedLength, RFC4884, RFC4884),
    (Slot::Extension, RFC4884, RFC4884),
    (Slot::Checksum, "RFC 7915 section 4.5: the new addresses", "RFC 7915 section 5.5: the new addresses"),
    (
        Slot::Payload,
        "RFC 7915 section 4.1: cut into fragments",
        "RFC 7915 section 5.1: cut to the size of an error",
    ),
];

const RFC4884: &str = "RFC 4884 sections 4 and 5";

/// What the rule of a field depends on beside the field.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    /// One of the two packets has a Fragment Header.
    pub(super) fragment: bool,
    pub(super) icmp: bool,
}

/// The rule of a field in packets of this kind, to IPv6 and to IPv4, where it is not the one of the table.
#[allow(clippy::wildcard_enum_match_arm)] // most fields have the rule of the table
fn special(slot: Slot, kind: Kind, before: &str) -> Option<(&'static str, &'static str)> {
    Some(match slot {
        Slot::Options if kind.fragment => (
            "RFC 7915 section 4.1: fragments get a Fragment Header",
            "RFC 7915 section 5.1.1: the Fragment Header becomes fields",
        ),
        Slot::Length if kind.fragment => (
            "RFC 7915 section 4.1: with the Fragment Header",
            "RFC 7915 section 5.1.1: without extension headers",
        ),
        Slot::Identification if kind.fragment => {
            ("RFC 7915 section 4.1: as the low 16 bits", "RFC 7915 section 5.1.1: the low 16 bits")
        }
        Slot::DontFragment if kind.fragment => {
            ("RFC 7915 section 4.1: implied in IPv6", "RFC 7915 section 5.1.1: clear in fragments")
        }
        Slot::Checksum if kind.icmp => {
            ("RFC 7915 section 4.2: with a pseudo-header", "RFC 7915 section 5.2: without a pseudo-header")
        }
        Slot::Checksum if before == "none" => {
            ("RFC 7915 section 4.5: computed", "RFC 7915 section 5.5: computed")
        }
        Slot::Pointer if before.is_empty() => {
            ("RFC 7915 section 4.2: at the Next Header", "RFC 7915 section 5.2")
        }
        _ => return None,
    })
}

/// The rules of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'m, const N: usize> {
    map: &'m ClatMap<N>,
    to_v6: bool,
}

impl<'m, const N: usize> Rules<'m, N> {
    pub(super) const fn new(map: &'m ClatMap<N>, to_v6: bool) -> Self {
        Self { map, to_v6 }
    }

    /// The rule by which a field changed from `before`, which is empty where the family has no such field.
    pub(super) fn of(&self, slot: Slot, depth: u8, before: &str, kind: Kind) -> String {
        if matches!(slot, Slot::Source | Slot::Destination) {
            return self.address(before).to_owned();
        }
        if depth > 0 && slot == Slot::Payload {
            let limit = [
                "RFC 1812 section 4.3.2.3: at most 576 bytes",
                "RFC 4443 section 2.4 (c): at most 1280 bytes",
            ];
            return limit[usize::from(self.to_v6)].to_owned();
        }
        if depth > 0 {
            let section = if self.to_v6 { "4.3" } else { "5.3" };
            return format!("RFC 7915 section {section}: the quoted packet too");
        }
        let listed = || RULES.iter().find(|rule| rule.0 == slot).map(|rule| (rule.1, rule.2));
        let fallback = ("RFC 7915 section 4.1", "RFC 7915 section 5.1");
        let (to_v6, to_v4) = special(slot, kind, before).or_else(listed).unwrap_or(fallback);
        if self.to_v6 { to_v6 } else { to_v4 }.to_owned()
    }

    fn address(&self, before: &str) -> &'static str {
        if self.to_v6 {
            let by_row = before.parse::<Ipv4Addr>().is_ok_and(|a| self.map.local().to_v6(a).is_some());
            return match by_row {
                true => "RFC 7757 section 3.3.1: an explicit mapping",
                false => "RFC 6052 section 2.3: in the PREF64",
            };
        }
        let Ok(v6) = before.parse::<Ipv6Addr>() else { return "RFC 7915 section 5.1" };
        if self.map.local().to_v4(v6).is_some() {
            "RFC 7757 section 3.3.2: an explicit mapping"
        } else if self.map.pref64().extract(v6).is_some() {
            "RFC 6052 section 2.3: from the PREF64"
        } else {
            "draft-ietf-v6ops-icmpext-xlat-v6only-source, RFC 6791"
        }
    }
}
