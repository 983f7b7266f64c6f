//! Messages about addresses, routes and neighbours: those that this program sends, and what it reads out of the
//! kernel's.

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage},
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope,
        RouteType,
    },
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The owner that this program writes on its addresses, routes and neighbour entries (`rtm_protocol`,
/// `IFA_PROTO`, `NDA_PROTOCOL`), so that it takes away its own and nobody else's. Not assigned in
/// `rt_protos`; `ip` shows it as a bare number.
pub(crate) const OWNER: u8 = 0x64;

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub ifindex: u32,
    /// The address itself, not that of the peer.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix_len: u8,
    /// The kernel's `IFA_F_*` flags.
    pub flags: AddressFlags,
    /// How long it stays preferred, in seconds; `u32::MAX` is for ever.
    pub preferred_s: u32,
    /// How long it stays valid, in seconds; `u32::MAX` is for ever.
    pub valid_s: u32,
    /// The owner (`IFA_PROTO`); 0 where the kernel does not keep it (before 5.18).
    pub owner: u8,
}

impl Address {
    /// Reads an address message; `None` where it holds no address.
    pub(crate) fn parse(message: &AddressMessage) -> Option<Self> {
        let (mut address, mut local, mut owner) = (None, None, 0);
        let (mut preferred_s, mut valid_s) = (u32::MAX, u32::MAX);
        let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
        for attribute in &message.attributes {
            if let AddressAttribute::Address(value) = attribute {
                address = Some(*value);
            } else if let AddressAttribute::Local(value) = attribute {
                local = Some(*value);
            } else if let AddressAttribute::Flags(value) = attribute {
                flags = *value;
            } else if let AddressAttribute::CacheInfo(info) = attribute {
                (preferred_s, valid_s) = (info.ifa_preferred, info.ifa_valid);
            } else if let AddressAttribute::Protocol(value) = attribute {
                owner = u8::from(*value);
            }
        }
        let (ifindex, prefix_len) = (message.header.index, message.header.prefix_len);
        Some(Self { ifindex, address: local.or(address)?, prefix_len, flags, preferred_s, valid_s, owner })
    }

    /// The message that adds or removes it. Flags, lifetimes and owner are written only where they are set.
    pub(crate) fn message(&self) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.family = family(self.address);
        message.header.prefix_len = self.prefix_len;
        message.header.index = self.ifindex;
        message.attributes =
            vec![AddressAttribute::Local(self.address), AddressAttribute::Address(self.address)];
        if !self.flags.is_empty() {
            message.attributes.push(AddressAttribute::Flags(self.flags));
        }
        if (self.preferred_s, self.valid_s) != (u32::MAX, u32::MAX) {
            let mut info = netlink_packet_route::address::CacheInfo::default();
            (info.ifa_preferred, info.ifa_valid) = (self.preferred_s, self.valid_s);
            message.attributes.push(AddressAttribute::CacheInfo(info));
        }
        if self.owner != 0 {
            message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(self.owner)));
        }
        message
    }
}

/// A unicast route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to: the first address.
    pub destination: IpAddr,
    /// Where to: the prefix length; 0 is the default route.
    pub prefix_len: u8,
    /// The interface it leaves by.
    pub ifindex: u32,
    /// The next hop; `None` is on-link.
    pub gateway: Option<IpAddr>,
    /// Lower is better.
    pub metric: u32,
    /// The path MTU in bytes, 0 for the interface's.
    pub mtu: u32,
    /// The TCP MSS to advertise in bytes, 0 for the one that follows from the MTU.
    pub mss: u32,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// The owner (`rtm_protocol`).
    pub owner: u8,
}

impl Route {
    /// Reads a route message; `None` for another table, another type, a multipath route without an interface
    /// and clones.
    pub(crate) fn parse(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let any: IpAddr = if header.address_family == AddressFamily::Inet {
            Ipv4Addr::UNSPECIFIED.into()
        } else if header.address_family == AddressFamily::Inet6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            return None;
        };
        let mut table = u32::from(header.table);
        let mut route = Self {
            destination: any,
            prefix_len: header.destination_prefix_length,
            ifindex: 0,
            gateway: None,
            metric: 0,
            mtu: 0,
            mss: 0,
            source: None,
            owner: u8::from(header.protocol),
        };
        for attribute in &message.attributes {
            if let RouteAttribute::Table(value) = attribute {
                table = *value;
            } else {
                route.take(attribute);
            }
        }
        let main = table == u32::from(RouteHeader::RT_TABLE_MAIN);
        (main && header.kind == RouteType::Unicast && route.ifindex != 0).then_some(route)
    }

    fn take(&mut self, attribute: &RouteAttribute) {
        if let RouteAttribute::Destination(value) = attribute {
            self.destination = ip(value).unwrap_or(self.destination);
        } else if let RouteAttribute::Gateway(value) = attribute {
            self.gateway = ip(value);
        } else if let RouteAttribute::PrefSource(value) = attribute {
            self.source = ip(value);
        } else if let RouteAttribute::Oif(value) = attribute {
            self.ifindex = *value;
        } else if let RouteAttribute::Priority(value) = attribute {
            self.metric = *value;
        } else if let RouteAttribute::MultiPath(hops) = attribute {
            // The first next hop stands for all: enough to know that there is a route and where it leaves.
            let Some(hop) = hops.first() else { return };
            self.ifindex = hop.interface_index;
            hop.attributes.iter().for_each(|attribute| self.take(attribute));
        } else if let RouteAttribute::Metrics(metrics) = attribute {
            for metric in metrics {
                if let RouteMetric::Mtu(mtu) = metric {
                    self.mtu = *mtu;
                } else if let RouteMetric::Advmss(mss) = metric {
                    self.mss = *mss;
                }
            }
        }
    }

    /// The message that adds or removes it.
    pub(crate) fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(self.destination),
            destination_prefix_length: self.prefix_len,
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::from(self.owner),
            scope: if self.destination.is_ipv4() && self.gateway.is_none() {
                RouteScope::Link
            } else {
                RouteScope::Universe
            },
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        let attributes = &mut message.attributes;
        if self.prefix_len != 0 {
            attributes.push(RouteAttribute::Destination(RouteAddress::from(self.destination)));
        }
        attributes.push(RouteAttribute::Oif(self.ifindex));
        attributes.extend(self.gateway.map(|hop| RouteAttribute::Gateway(RouteAddress::from(hop))));
        attributes.extend(self.source.map(|source| RouteAttribute::PrefSource(RouteAddress::from(source))));
        if self.metric != 0 {
            attributes.push(RouteAttribute::Priority(self.metric));
        }
        let metrics = [
            (self.mtu != 0).then_some(RouteMetric::Mtu(self.mtu)),
            (self.mss != 0).then_some(RouteMetric::Advmss(self.mss)),
        ];
        if metrics.iter().any(Option::is_some) {
            attributes.push(RouteAttribute::Metrics(metrics.into_iter().flatten().collect()));
        }
        message
    }
}

/// The message that adds or removes a proxy entry of Neighbour Discovery: the kernel answers solicitations
/// for `address` that arrive on `ifindex`.
pub(crate) fn proxy_neighbour(ifindex: u32, address: Ipv6Addr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.ifindex = ifindex;
    message.header.flags = NeighbourFlags::Proxy;
    message.attributes = vec![
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)),
        NeighbourAttribute::Protocol(RouteProtocol::from(OWNER)),
    ];
    message
}

/// Asks for all proxy entries of Neighbour Discovery.
pub(crate) fn proxy_neighbours() -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.flags = NeighbourFlags::Proxy;
    RouteNetlinkMessage::GetNeighbour(message)
}

/// The interface, the address and the owner of a proxy entry; `None` for any other neighbour.
pub(crate) fn parse_proxy(message: &NeighbourMessage) -> Option<(u32, Ipv6Addr, u8)> {
    let (mut address, mut owner) = (None, 0);
    for attribute in &message.attributes {
        if let NeighbourAttribute::Destination(NeighbourAddress::Inet6(value)) = attribute {
            address = Some(*value);
        } else if let NeighbourAttribute::Protocol(value) = attribute {
            owner = u8::from(*value);
        }
    }
    let proxy = message.header.flags.contains(NeighbourFlags::Proxy);
    proxy.then_some((message.header.ifindex, address?, owner))
}

/// Asks for all addresses of both families.
pub(crate) fn addresses() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetAddress(AddressMessage::default())
}

/// Asks for the unicast routes of a family's main table. Older kernels send all tables.
pub(crate) fn routes(family: AddressFamily) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.kind = RouteType::Unicast;
    RouteNetlinkMessage::GetRoute(message)
}

pub(crate) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(v4) = address {
        Some((*v4).into())
    } else if let RouteAddress::Inet6(v6) = address {
        Some((*v6).into())
    } else {
        None
    }
}
