//! Which Neighbour Solicitation gets which answer, and which message means that somebody else has the
//! address (RFC 4861 sections 7.1, 7.2.4; RFC 4862 sections 5.4.3, 5.4.4).
//!
//! | solicitation | answer |
//! |---|---|
//! | from ::, to the solicited-node group (duplicate detection) | to ff02::1, S=0, O=1, with link-layer address |
//! | to the solicited-node group | to its source, S=1, O=1, with link-layer address |
//! | to the address itself | to its source, S=1, O=0, without |
//! | for another target, to another group, or not valid | none |
//!
//! The last line but one is RFC 4861 section 7.2.4: without the option the O flag should be clear, and the
//! option may be left out where the asker knew the link-layer address.

use super::messages::{ALL_NODES, Route, advertisement, flag};
use crate::wire::icmp6::{self, kind, option};
use crate::{Icmpv6In, Icmpv6Out, Mac};
use core::net::Ipv6Addr;

/// An address that is answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) addr: Ipv6Addr,
    /// From which address answers come: the address itself, or another of the link where the operating
    /// system does not let us speak as it.
    pub(crate) speaker: Ipv6Addr,
    /// Our link-layer address.
    pub(crate) mac: Mac,
}

/// A valid Neighbour Solicitation (RFC 4861 section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Solicitation {
    pub(crate) target: Ipv6Addr,
    pub(crate) source: Ipv6Addr,
    pub(crate) source_mac: Option<Mac>,
    multicast: bool,
}

impl Solicitation {
    pub(crate) fn parse(received: &Icmpv6In<'_>) -> Option<Self> {
        let options = icmp6::neighbour_discovery(received, 24)?;
        let target = icmp6::address(received.message, 8).filter(|t| !t.is_multicast())?;
        let source_mac = icmp6::link_layer(options, option::SOURCE_LINK_LAYER);
        let multicast = received.destination.is_multicast();
        let probe = received.source.is_unspecified();
        let for_group = received.destination == icmp6::solicited_node(target);
        let sound = !probe || for_group && source_mac.is_none();
        // What is sent to other groups is heard by chance only, and by one host more than was asked.
        let addressed = !multicast || for_group || received.destination == ALL_NODES;
        let solicits = received.message.first() == Some(&kind::NEIGHBOUR_SOLICITATION);
        (solicits && sound && addressed).then_some(Self {
            target,
            source: received.source,
            source_mac,
            multicast,
        })
    }

    /// Whether it asks in duplicate address detection.
    pub(crate) const fn is_probe(&self) -> bool {
        self.source.is_unspecified()
    }

    /// The answer, where it asks for the address.
    pub(crate) fn answer(&self, received: &Icmpv6In<'_>, owned: &Owned) -> Option<Icmpv6Out> {
        if self.target != owned.addr || received.source_mac == Some(owned.mac) {
            return None;
        }
        let to =
            |destination, mac| Route { ifindex: received.ifindex, source: owned.speaker, destination, mac };
        Some(if self.is_probe() {
            advertisement(to(ALL_NODES, None), owned.addr, flag::OVERRIDE, Some(owned.mac))
        } else {
            let asker = to(self.source, self.source_mac.or(received.source_mac));
            match self.multicast {
                true => advertisement(asker, owned.addr, flag::SOLICITED | flag::OVERRIDE, Some(owned.mac)),
                false => advertisement(asker, owned.addr, flag::SOLICITED, None),
            }
        })
    }
}

/// A valid Neighbour Advertisement (RFC 4861 section 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advertisement {
    pub(crate) target: Ipv6Addr,
    pub(crate) target_mac: Option<Mac>,
    pub(crate) solicited: bool,
    pub(crate) overrides: bool,
}

impl Advertisement {
    pub(crate) fn parse(received: &Icmpv6In<'_>) -> Option<Self> {
        let options = icmp6::neighbour_discovery(received, 24)?;
        let [kind::NEIGHBOUR_ADVERTISEMENT, _, _, _, flags, ..] = received.message else { return None };
        let target = icmp6::address(received.message, 8).filter(|t| !t.is_multicast())?;
        let solicited = flags & flag::SOLICITED != 0;
        let sound = !(solicited && received.destination.is_multicast());
        sound.then_some(Self {
            target,
            target_mac: icmp6::link_layer(options, option::TARGET_LINK_LAYER),
            solicited,
            overrides: flags & flag::OVERRIDE != 0,
        })
    }

    /// Whether it says that somebody else has the address: another link-layer address than ours.
    pub(crate) fn contests(&self, received: &Icmpv6In<'_>, addr: Ipv6Addr, mac: Option<Mac>) -> bool {
        let told = self.target_mac.or(received.source_mac);
        self.target == addr
            && told.is_some()
            && told != mac
            && received.source_mac.is_none_or(|m| Some(m) != mac)
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::solicitation;
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 9];
    const ASKER: Mac = [2, 0, 0, 0, 0, 1];

    fn a(s: &str) -> Ipv6Addr {
        s.parse().unwrap()
    }

    fn owned() -> Owned {
        Owned { addr: a("2001:db8::9"), speaker: a("2001:db8::9"), mac: MAC }
    }

    fn ask(source: &str, destination: &str, target: &str, mac: Option<Mac>) -> Icmpv6Out {
        let route = Route { ifindex: 2, source: a(source), destination: a(destination), mac: None };
        solicitation(route, a(target), mac)
    }

    fn received(out: &Icmpv6Out) -> Icmpv6In<'_> {
        Icmpv6In {
            ifindex: 2,
            source: out.source,
            destination: out.destination,
            hop_limit: out.hop_limit,
            source_mac: None,
            message: &out.message,
        }
    }

    fn answer(out: &Icmpv6Out) -> Option<Icmpv6Out> {
        let received = received(out);
        Solicitation::parse(&received)?.answer(&received, &owned())
    }

    #[test]
    fn rfc4861_section_7_2_4_multicast_question() {
        let na = answer(&ask("fe80::1", "ff02::1:ff00:9", "2001:db8::9", Some(ASKER))).unwrap();
        assert_eq!((na.source, na.destination, na.mac), (a("2001:db8::9"), a("fe80::1"), Some(ASKER)));
        assert_eq!(na.message[4], 0x60);
        assert_eq!(na.message[24..], [2, 1, 2, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn rfc4861_section_7_2_4_unicast_question_without_option_and_override() {
        let na = answer(&ask("fe80::1", "2001:db8::9", "2001:db8::9", Some(ASKER))).unwrap();
        assert_eq!(na.message[4], 0x40);
        assert_eq!(na.message.len(), 24);
    }

    #[test]
    fn rfc4862_section_5_4_3_the_address_is_defended_in_duplicate_detection() {
        let na = answer(&ask("::", "ff02::1:ff00:9", "2001:db8::9", None)).unwrap();
        assert_eq!((na.destination, na.message[4]), (a("ff02::1"), 0x20));
        assert_eq!(na.message[24..], [2, 1, 2, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn rfc4861_section_7_1_1_what_is_not_answered() {
        assert_eq!(
            answer(&ask("fe80::1", "ff02::1:ff00:8", "2001:db8::8", Some(ASKER))),
            None,
            "another target"
        );
        assert_eq!(answer(&ask("::", "2001:db8::9", "2001:db8::9", None)), None, "probe not to the group");
        assert_eq!(answer(&ask("fe80::1", "ff02::1", "ff02::1", Some(ASKER))), None, "multicast target");
        assert_eq!(
            answer(&ask("fe80::1", "ff02::1:ff00:8", "2001:db8::9", Some(ASKER))),
            None,
            "another group"
        );
        assert!(answer(&ask("fe80::1", "ff02::1", "2001:db8::9", Some(ASKER))).is_some(), "all nodes");
        let good = ask("fe80::1", "ff02::1:ff00:9", "2001:db8::9", Some(ASKER));
        let mut far = received(&good);
        far.hop_limit = 254;
        assert_eq!(Solicitation::parse(&far), None, "hop limit");
        let mut own = received(&good);
        own.source_mac = Some(MAC);
        assert_eq!(Solicitation::parse(&own).unwrap().answer(&own, &owned()), None, "our own, heard back");
        for cut in 0..good.message.len() {
            let mut short = received(&good);
            short.message = &good.message[..cut];
            assert_eq!(Solicitation::parse(&short), None, "cut at {cut}");
        }
    }

    #[test]
    fn rfc4862_section_5_4_4_an_advertisement_of_another_host_contests() {
        let theirs = advertisement(
            Route { ifindex: 2, source: a("2001:db8::9"), destination: ALL_NODES, mac: None },
            a("2001:db8::9"),
            flag::OVERRIDE,
            Some(ASKER),
        );
        let received = received(&theirs);
        let parsed = Advertisement::parse(&received).unwrap();
        assert!(parsed.contests(&received, a("2001:db8::9"), Some(MAC)));
        assert!(!parsed.contests(&received, a("2001:db8::9"), Some(ASKER)), "it is ours");
        assert!(!parsed.contests(&received, a("2001:db8::8"), Some(MAC)));
    }

    #[test]
    fn rfc4861_section_7_1_2_solicited_multicast_is_not_valid() {
        let na = advertisement(
            Route { ifindex: 2, source: a("fe80::1"), destination: ALL_NODES, mac: None },
            a("fe80::1"),
            flag::SOLICITED,
            Some(ASKER),
        );
        assert_eq!(Advertisement::parse(&received(&na)), None);
    }
}
