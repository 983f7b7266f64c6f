//! Messages about interfaces.

use clat_engine::LinkKind;
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, InfoPortKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
};

/// An interface, as far as this program cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is set up by the administrator.
    pub up: bool,
    /// Whether its cable, radio or other end is there (`IFF_RUNNING`).
    pub carrier: bool,
    /// Whether it is the loopback interface.
    pub loopback: bool,
    /// Largest packet in bytes, IP header included.
    pub mtu: u32,
    /// What sort of link it is.
    pub kind: LinkKind,
    /// The link-layer address, where it has one of six bytes.
    pub mac: Option<[u8; 6]>,
}

impl Link {
    /// Reads a link message.
    pub(crate) fn parse(message: &LinkMessage) -> Self {
        let flags = message.header.flags;
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::Running),
            loopback: flags.contains(LinkFlags::Loopback),
            mtu: 0,
            kind: kind_of(message),
            mac: None,
        };
        for attribute in &message.attributes {
            if let LinkAttribute::IfName(name) = attribute {
                link.name.clone_from(name);
            } else if let LinkAttribute::Mtu(mtu) = attribute {
                link.mtu = *mtu;
            } else if let LinkAttribute::Address(mac) = attribute {
                link.mac = mac.as_slice().try_into().ok().filter(|mac| mac != &[0; 6]);
            }
        }
        link
    }
}

/// What sort of link it is, for the choice of an uplink.
fn kind_of(message: &LinkMessage) -> LinkKind {
    let flags = message.header.flags;
    let infos = message.attributes.iter().flat_map(|attribute| {
        if let LinkAttribute::LinkInfo(infos) = attribute { infos.as_slice() } else { &[] }
    });
    let mut kind = if flags.contains(LinkFlags::Loopback) {
        LinkKind::Never
    } else if flags.intersects(LinkFlags::Pointopoint | LinkFlags::Noarp) {
        LinkKind::PointToPoint
    } else {
        LinkKind::Broadcast
    };
    for info in infos {
        if let LinkInfo::PortKind(port) = info {
            // The addresses are on the bridge or the bond, not on its ports.
            if matches!(port, InfoPortKind::Bridge | InfoPortKind::Bond | InfoPortKind::Team) {
                return LinkKind::Never;
            }
        } else if let LinkInfo::Kind(name) = info
            && is_tunnel(name)
        {
            kind = LinkKind::Tunnel;
        }
    }
    kind
}

fn is_tunnel(kind: &InfoKind) -> bool {
    use InfoKind::{
        Amt, BareUdp, ErSpan, Geneve, GreTap, GreTap6, GreTun, GreTun6, Gtp, Ip6ErSpan, Ip6Tnl, IpIp, SitTun,
        Tun, Vti, Vti6, Vxlan, Wireguard, Xfrm,
    };
    matches!(
        kind,
        Amt | BareUdp
            | ErSpan
            | Geneve
            | GreTap
            | GreTap6
            | GreTun
            | GreTun6
            | Gtp
            | Ip6ErSpan
            | Ip6Tnl
            | IpIp
            | SitTun
            | Tun
            | Vti
            | Vti6
            | Vxlan
            | Wireguard
            | Xfrm
    )
}

/// Asks for the interface of that name.
pub(crate) fn link_by_name(name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    RouteNetlinkMessage::GetLink(message)
}

/// Asks for the interface of that index.
pub(crate) fn link_by_index(index: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(link(index))
}

/// Asks for all interfaces.
pub(crate) fn links() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(LinkMessage::default())
}

/// Sets an interface up or down.
pub(crate) fn set_link_up(index: u32, up: bool) -> RouteNetlinkMessage {
    let mut message = link(index);
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    RouteNetlinkMessage::SetLink(message)
}

/// Sets the MTU of an interface, in bytes.
pub(crate) fn set_link_mtu(index: u32, mtu: u32) -> RouteNetlinkMessage {
    let mut message = link(index);
    message.attributes = vec![LinkAttribute::Mtu(mtu)];
    RouteNetlinkMessage::SetLink(message)
}

/// From which length on, in bytes, IPv4 super-packets to this interface are cut before they get there.
pub(crate) fn set_gso_ipv4_max_size(index: u32, bytes: u32) -> RouteNetlinkMessage {
    let mut message = link(index);
    message.attributes.push(LinkAttribute::GsoIpv4MaxSize(bytes));
    RouteNetlinkMessage::SetLink(message)
}

/// How many packets wait in the interface until the next is dropped.
pub(crate) fn set_queue_len(index: u32, packets: u32) -> RouteNetlinkMessage {
    let mut message = link(index);
    message.attributes.push(LinkAttribute::TxQueueLen(packets));
    RouteNetlinkMessage::SetLink(message)
}

fn link(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}
