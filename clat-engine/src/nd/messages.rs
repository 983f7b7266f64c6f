//! The messages of Neighbour Discovery, Multicast Listener Discovery and the echo.
//!
//! ```text
//! |  Type 135/136 |     Code 0    |          Checksum             |
//! |R|S|O|                     Reserved                            |
//! |                       Target Address                          |
//! | Option type   |  Length (1)   |    Link-layer address ...     |
//! ```
//! (RFC 4861 sections 4.3, 4.4 and 4.6.1; R, S and O in the advertisement only.)

use crate::action::ICMPV6_MESSAGE;
use crate::wire::icmp6::{self, kind, option};
use crate::{Icmpv6Out, IfIndex, Mac};
use core::net::Ipv6Addr;
use heapless::Vec;

/// All nodes of the link.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers of the link.
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All MLDv2-capable routers (RFC 3810 section 5.2.14).
pub(crate) const ALL_MLDV2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// The flags of an advertisement in the first octet of their word.
pub(crate) mod flag {
    pub(crate) const SOLICITED: u8 = 0x40;
    pub(crate) const OVERRIDE: u8 = 0x20;
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) ifindex: IfIndex,
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) mac: Option<Mac>,
}

impl Route {
    fn send(self, parts: &[&[u8]]) -> Icmpv6Out {
        let mut message: Vec<u8, ICMPV6_MESSAGE> = Vec::new();
        for part in parts {
            message.extend_from_slice(part).ok();
        }
        icmp6::seal(self.source, self.destination, &mut message);
        let Self { ifindex, source, destination, mac } = self;
        Icmpv6Out { ifindex, source, destination, mac, hop_limit: 255, router_alert: false, message }
    }
}

/// The option with a link-layer address of ours.
fn link_layer(kind: u8, mac: Mac) -> [u8; 8] {
    let [a, b, c, d, e, f] = mac;
    [kind, 1, a, b, c, d, e, f]
}

/// A Neighbour Advertisement for `target`.
pub(crate) fn advertisement(route: Route, target: Ipv6Addr, flags: u8, mac: Option<Mac>) -> Icmpv6Out {
    let head = [kind::NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    let target = target.octets();
    match mac {
        Some(mac) => route.send(&[&head, &target, &link_layer(option::TARGET_LINK_LAYER, mac)]),
        None => route.send(&[&head, &target]),
    }
}

/// A Neighbour Solicitation for `target`. In duplicate address detection the source is unspecified and
/// no link-layer address is told (RFC 4861 section 4.3).
pub(crate) fn solicitation(route: Route, target: Ipv6Addr, mac: Option<Mac>) -> Icmpv6Out {
    let head = [kind::NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    let target = target.octets();
    match mac.filter(|_| !route.source.is_unspecified()) {
        Some(mac) => route.send(&[&head, &target, &link_layer(option::SOURCE_LINK_LAYER, mac)]),
        None => route.send(&[&head, &target]),
    }
}

/// A Router Solicitation (RFC 4861 section 4.1).
pub(crate) fn router_solicitation(ifindex: IfIndex, source: Ipv6Addr, mac: Option<Mac>) -> Icmpv6Out {
    let route = Route { ifindex, source, destination: ALL_ROUTERS, mac: None };
    let head = [kind::ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    match mac.filter(|_| !source.is_unspecified()) {
        Some(mac) => route.send(&[&head, &link_layer(option::SOURCE_LINK_LAYER, mac)]),
        None => route.send(&[&head]),
    }
}

/// An echo request (RFC 4443 section 4.1).
pub(crate) fn echo_request(route: Route, id: u16, sequence: u16) -> Icmpv6Out {
    let ([a, b], [c, d]) = (id.to_be_bytes(), sequence.to_be_bytes());
    let mut out = route.send(&[&[kind::ECHO_REQUEST, 0, 0, 0, a, b, c, d]]);
    out.hop_limit = 64;
    out
}

/// What an MLDv2 report says of a group (RFC 3810 section 5.2.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// An answer to a query: we listen to every source.
    IsExclude = 2,
    /// We have left.
    ToInclude = 3,
    /// We have joined.
    ToExclude = 4,
}

/// An MLDv2 report of one group: hop limit 1 and the router alert option (RFC 3810 sections 5 and 5.2.13).
pub(crate) fn mld2_report(
    ifindex: IfIndex,
    source: Ipv6Addr,
    group: Ipv6Addr,
    membership: Membership,
) -> Icmpv6Out {
    let route = Route { ifindex, source, destination: ALL_MLDV2_ROUTERS, mac: None };
    let head = [kind::MLD2_REPORT, 0, 0, 0, 0, 0, 0, 1];
    let record = [membership as u8, 0, 0, 0];
    let mut out = route.send(&[&head, &record, &group.octets()]);
    (out.hop_limit, out.router_alert) = (1, true);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        Icmpv6Packet, Icmpv6Repr, MldAddressRecord, MldRecordType, MldRepr, NdiscNeighborFlags, NdiscRepr,
        RawHardwareAddress,
    };

    const MAC: Mac = [2, 0, 0, 0, 0, 9];

    fn a(s: &str) -> Ipv6Addr {
        s.parse().unwrap()
    }

    fn route(source: &str, destination: &str) -> Route {
        Route { ifindex: 2, source: a(source), destination: a(destination), mac: None }
    }

    #[test]
    fn rfc4861_section_4_4_advertisement_bytes() {
        let out = advertisement(
            route("2001:db8::9", "fe80::1"),
            a("2001:db8::9"),
            flag::SOLICITED | flag::OVERRIDE,
            Some(MAC),
        );
        assert_eq!(out.hop_limit, 255);
        assert_eq!(out.message[..2], [136, 0]);
        assert_eq!(out.message[4..8], [0x60, 0, 0, 0]);
        assert_eq!(out.message[8..24], a("2001:db8::9").octets());
        assert_eq!(out.message[24..], [2, 1, 2, 0, 0, 0, 0, 9]);
        assert!(icmp6::checksum_is_valid(out.source, out.destination, &out.message));
    }

    #[test]
    fn rfc4861_section_4_3_no_link_layer_address_in_duplicate_detection() {
        let probe = solicitation(route("::", "ff02::1:ff00:9"), a("2001:db8::9"), Some(MAC));
        assert_eq!(probe.message.len(), 24);
        let ask = solicitation(route("fe80::9", "ff02::1:ff00:1"), a("fe80::1"), Some(MAC));
        assert_eq!(ask.message[24..], [1, 1, 2, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn rfc3810_section_5_2_report_bytes() {
        let out = mld2_report(2, a("fe80::9"), a("ff02::1:ff00:9"), Membership::ToExclude);
        assert_eq!((out.hop_limit, out.router_alert), (1, true));
        assert_eq!(out.destination, a("ff02::16"));
        assert_eq!(out.message[..2], [143, 0]);
        assert_eq!(out.message[4..12], [0, 0, 0, 1, 4, 0, 0, 0]);
        assert_eq!(out.message[12..], a("ff02::1:ff00:9").octets());
    }

    #[test]
    fn rfc4861_section_4_1_solicitation_without_address_tells_no_link_layer_address() {
        assert_eq!(router_solicitation(2, Ipv6Addr::UNSPECIFIED, Some(MAC)).message.len(), 8);
        assert_eq!(router_solicitation(2, a("fe80::9"), Some(MAC)).message.len(), 16);
    }

    /// What smoltcp reads in a message of ours.
    fn by_smoltcp(out: &Icmpv6Out, check: impl FnOnce(Icmpv6Repr<'_>)) {
        let packet = Icmpv6Packet::new_checked(out.message.as_slice()).unwrap();
        let checksums = ChecksumCapabilities::default();
        check(Icmpv6Repr::parse(&out.source, &out.destination, &packet, &checksums).unwrap());
    }

    #[test]
    fn smoltcp_reads_what_is_meant() {
        let (target, mac) = (a("2001:db8::9"), RawHardwareAddress::from_bytes(&MAC));
        let na = advertisement(route("2001:db8::9", "fe80::1"), target, flag::SOLICITED, Some(MAC));
        by_smoltcp(&na, |repr| {
            let flags = NdiscNeighborFlags::SOLICITED;
            let told = NdiscRepr::NeighborAdvert { flags, target_addr: target, lladdr: Some(mac) };
            assert_eq!(repr, Icmpv6Repr::Ndisc(told));
        });
        by_smoltcp(&solicitation(route("fe80::9", "ff02::1:ff00:9"), target, Some(MAC)), |repr| {
            let asked = NdiscRepr::NeighborSolicit { target_addr: target, lladdr: Some(mac) };
            assert_eq!(repr, Icmpv6Repr::Ndisc(asked));
        });
        by_smoltcp(&router_solicitation(2, a("fe80::9"), Some(MAC)), |repr| {
            assert_eq!(repr, Icmpv6Repr::Ndisc(NdiscRepr::RouterSolicit { lladdr: Some(mac) }));
        });
        by_smoltcp(&echo_request(route("2001:db8::9", "fe80::1"), 7, 1), |repr| {
            assert_eq!(repr, Icmpv6Repr::EchoRequest { ident: 7, seq_no: 1, data: &[] });
        });
        let report = mld2_report(2, a("fe80::9"), a("ff02::1:ff00:9"), Membership::ToExclude);
        by_smoltcp(&report, |repr| {
            let Icmpv6Repr::Mld(MldRepr::Report { nr_mcast_addr_rcrds: 1, data }) = repr else {
                panic!("{repr:?}")
            };
            let record = MldAddressRecord::new_checked(data).unwrap();
            let read = (record.record_type(), record.mcast_addr(), record.num_srcs());
            assert_eq!(read, (MldRecordType::ChangeToExclude, a("ff02::1:ff00:9"), 0));
        });
    }
}
