//! The kernel's words for addresses and routes in the engine's.

use crate::netlink::{Address, Link, Route};
use clat_engine::{Address6, AddressState, DefaultRoute4, DefaultRoute6, Input};
use netlink_packet_route::address::AddressFlags;
use std::net::IpAddr;

pub(super) fn address(address: &Address) -> Input<'static> {
    let ifindex = address.ifindex;
    match address.address {
        IpAddr::V4(addr) => Input::Address4 { ifindex, addr },
        IpAddr::V6(addr) => Input::Address6(Address6 {
            ifindex,
            addr,
            prefix_len: address.prefix_len,
            state: state(address),
            // One bit with two meanings: secondary for IPv4, temporary for IPv6 (`IFA_F_TEMPORARY`).
            temporary: address.flags.contains(AddressFlags::Secondary),
        }),
    }
}

pub(super) fn address_gone(address: &Address) -> Input<'static> {
    let ifindex = address.ifindex;
    match address.address {
        IpAddr::V4(addr) => Input::Address4Gone { ifindex, addr },
        IpAddr::V6(addr) => Input::Address6Gone { ifindex, addr },
    }
}

/// An optimistic address (RFC 4429) may be used while its detection runs, and counts by its outcome only. With each
/// advertisement the kernel takes the mark of a deprecated address away for a moment; its lifetime stays zero.
fn state(address: &Address) -> AddressState {
    let flags = address.flags;
    if flags.contains(AddressFlags::Dadfailed) {
        AddressState::Duplicate
    } else if flags.contains(AddressFlags::Tentative) {
        AddressState::Tentative
    } else if flags.contains(AddressFlags::Deprecated) || address.preferred_s == 0 {
        AddressState::Deprecated
    } else {
        AddressState::Preferred
    }
}

/// `None` for a route that is not a default route.
pub(super) fn route(route: &Route) -> Option<Input<'static>> {
    match default(route)? {
        Default::V4(found) => Some(Input::Default4(found)),
        Default::V6(found) => Some(Input::Default6(found)),
    }
}

/// `None` for a route that is not a default route.
pub(super) fn route_gone(route: &Route) -> Option<Input<'static>> {
    match default(route)? {
        Default::V4(found) => Some(Input::Default4Gone(found)),
        Default::V6(found) => Some(Input::Default6Gone(found)),
    }
}

enum Default {
    V4(DefaultRoute4),
    V6(DefaultRoute6),
}

fn default(route: &Route) -> Option<Default> {
    let (ifindex, metric) = (route.ifindex, route.metric);
    match route.destination {
        _ if route.prefix_len != 0 => None,
        IpAddr::V4(_) => Some(Default::V4(DefaultRoute4 { ifindex, metric })),
        IpAddr::V6(_) => {
            let router =
                route.gateway.and_then(|hop| if let IpAddr::V6(hop) = hop { Some(hop) } else { None });
            Some(Default::V6(DefaultRoute6 { ifindex, router, metric }))
        }
    }
}

/// The link's own MTU, or the smaller one that a router has announced (RFC 4861 section 4.6.4).
pub(super) fn ipv6_mtu(link: &Link) -> u32 {
    let path = format!("/proc/sys/net/ipv6/conf/{}/mtu", link.name);
    let announced = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    announced.map_or(link.mtu, |announced: u32| announced.min(link.mtu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4862_section_5_5_4_a_preferred_lifetime_of_zero_is_deprecated_whatever_the_mark_says() {
        let address = |flags, preferred_s| Address {
            ifindex: 2,
            address: "2001:db8::1".parse().unwrap(),
            prefix_len: 64,
            flags,
            preferred_s,
            valid_s: 3600,
            owner: 0,
        };
        let none = AddressFlags::empty();
        assert_eq!(state(&address(none, 0)), AddressState::Deprecated);
        assert_eq!(state(&address(none, 1800)), AddressState::Preferred);
        assert_eq!(state(&address(AddressFlags::Deprecated, 0)), AddressState::Deprecated);
        assert_eq!(
            state(&address(AddressFlags::Tentative, 0)),
            AddressState::Tentative,
            "its detection runs"
        );
    }
}
