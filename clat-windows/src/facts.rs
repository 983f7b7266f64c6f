//! What the engine wants to know about the machine, read anew each time.

use crate::iphlp::{Family, Luid};
use crate::native_clat::Seen;
use crate::sys::{adapters, iphlp, registry};
use clat_engine::{Address6, AddressState, DefaultRoute4, DefaultRoute6, Input, Link, LinkKind};
use std::io;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// `IF_TYPE_*` of ipifcons.h.
mod if_type {
    pub(super) const PPP: u32 = 23;
    pub(super) const LOOPBACK: u32 = 24;
    pub(super) const PROP_VIRTUAL: u32 = 53;
    pub(super) const TUNNEL: u32 = 131;
    pub(super) const WWANPP: u32 = 243;
    pub(super) const WWANPP2: u32 = 244;
}

/// An interface for people and for the raw socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name, as the network connections folder shows it.
    pub name: String,
    /// The device behind it.
    pub description: String,
    /// Whether it is up.
    pub up: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The next hops of its default routes.
    pub gateways: Vec<IpAddr>,
    /// Its resolvers, best first.
    pub resolvers: Vec<IpAddr>,
}

/// Every interface.
///
/// # Errors
/// What the system said.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let all = adapters::adapters()?.into_iter();
    Ok(all
        .map(|a| Interface {
            index: a.index,
            name: a.name,
            description: a.description,
            up: a.up,
            addresses: a.addresses.iter().map(|a| a.addr).collect(),
            gateways: a.gateways,
            resolvers: a.resolvers,
        })
        .collect())
}

/// Tells all facts, from [`Input::Resync`] to [`Input::Synced`]. `own` is our device, which is no uplink; `resolvers`
/// take the place of each interface's own where there are any.
///
/// # Errors
/// What the system said; nothing was told then.
pub fn tell(own: Option<Luid>, resolvers: &[IpAddr], sink: &mut dyn FnMut(Input<'_>)) -> io::Result<()> {
    let all = adapters::adapters()?;
    let (v4, v6) = (iphlp::routes(false)?, iphlp::routes(true)?);
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    sink(Input::Resync);
    for adapter in &all {
        link(adapter, own, sink);
        let servers = if resolvers.is_empty() { &adapter.resolvers } else { resolvers };
        sink(Input::Resolvers { ifindex: adapter.index, servers });
        sink(Input::Dhcp4Lease { ifindex: adapter.index, options: &lease(&adapter.guid), unix_s });
    }
    let own = own.map_or(0, |luid| luid.0);
    let of = |luid: u64| all.iter().find(|a| a.luid == luid);
    for route in v4.iter().filter(|r| r.prefix_len == 0 && r.luid != own) {
        let metric = route.metric.saturating_add(of(route.luid).map_or(0, |a| a.v4_metric));
        sink(Input::Default4(DefaultRoute4 { ifindex: route.index, metric }));
    }
    for route in v6.iter().filter(|r| r.prefix_len == 0 && r.luid != own) {
        let metric = route.metric.saturating_add(of(route.luid).map_or(0, |a| a.v6_metric));
        let router = match route.next_hop {
            IpAddr::V6(hop) if !hop.is_unspecified() => Some(hop),
            IpAddr::V6(_) | IpAddr::V4(_) => None,
        };
        sink(Input::Default6(DefaultRoute6 { ifindex: route.index, router, metric }));
    }
    sink(Input::Synced);
    Ok(())
}

/// What Windows' DHCP client keeps of the interface's last lease: it is not asked, and no message is sent.
fn lease(guid: &str) -> Vec<u8> {
    let key = format!(r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\{guid}");
    registry::bytes(&key, "DhcpInterfaceOptions").unwrap_or_default()
}

impl Interface {
    /// What matters of it where another CLAT is looked for.
    #[must_use]
    pub fn seen(&self) -> Seen<'_> {
        let Self { index, description, addresses, gateways, .. } = self;
        Seen { index: *index, device: description, addresses, gateways }
    }
}

fn link(a: &adapters::Adapter, own: Option<Luid>, sink: &mut dyn FnMut(Input<'_>)) {
    let ifindex = a.index;
    let kind = if own == Some(Luid(a.luid)) { LinkKind::Never } else { kind(a.if_type) };
    // The link's MTU counts where the family's is not told.
    let mtu = Luid(a.luid).settings(Family::V6).map_or(a.mtu, |s| s.mtu);
    sink(Input::Link(Link { ifindex, up: a.up, mtu, kind, mac: a.mac, network: network(&a.network) }));
    for address in &a.addresses {
        match (address.addr, state(address.dad_state)) {
            (IpAddr::V6(addr), Some(state)) => {
                let temporary = address.temporary;
                sink(Input::Address6(Address6 {
                    ifindex,
                    addr,
                    prefix_len: address.prefix_len,
                    state,
                    temporary,
                }));
            }
            (IpAddr::V4(addr), Some(_)) => sink(Input::Address4 { ifindex, addr }),
            (_, None) => {}
        }
    }
}

const fn kind(if_type: u32) -> LinkKind {
    match if_type {
        if_type::LOOPBACK => LinkKind::Never,
        if_type::TUNNEL | if_type::PROP_VIRTUAL => LinkKind::Tunnel,
        if_type::PPP | if_type::WWANPP | if_type::WWANPP2 => LinkKind::PointToPoint,
        _ => LinkKind::Broadcast,
    }
}

/// `NL_DAD_STATE` as the engine calls it; an invalid address is none.
const fn state(dad_state: i32) -> Option<AddressState> {
    match dad_state {
        1 => Some(AddressState::Tentative),
        2 => Some(AddressState::Duplicate),
        3 => Some(AddressState::Deprecated),
        4 => Some(AddressState::Preferred),
        _ => None,
    }
}

/// The network that an interface is attached to, as a number: its profile's GUID, folded.
fn network(guid: &[u8; 16]) -> u64 {
    let bits = u128::from_be_bytes(*guid);
    #[allow(clippy::cast_possible_truncation)]
    let folded = (bits >> 64) as u64 ^ bits as u64;
    folded
}

/// Takes an address from interfaces that are down, as an adapter of an earlier run may be; true when one had it.
///
/// Windows refuses an address twice even where one of them is on an adapter that is not connected.
pub(crate) fn free_stale(addr: IpAddr, ours: Luid) -> bool {
    let all = adapters::adapters().unwrap_or_default();
    let stale =
        all.iter().filter(|a| !a.up && a.luid != ours.0 && a.addresses.iter().any(|has| has.addr == addr));
    stale.filter(|a| Luid(a.luid).delete_address(addr).is_ok()).count() > 0
}

/// The name of an interface.
#[must_use]
pub fn name(index: u32) -> Option<String> {
    Luid::from_index(index).and_then(Luid::name).ok()
}

/// The index of an interface.
#[must_use]
pub fn index(name: &str) -> Option<u32> {
    Luid::from_name(name).and_then(Luid::index).ok()
}

/// The IPv6 MTU of an interface in bytes.
#[must_use]
pub fn mtu(name: &str) -> Option<u32> {
    Luid::from_name(name).and_then(|l| l.settings(Family::V6)).ok().map(|s| s.mtu)
}
