//! The kernel's tables as lists of this program's own types.

use super::{Address, Link, Netlink, NetlinkError, Route, link as links, message};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use std::net::Ipv6Addr;

/// A proxy entry of Neighbour Discovery: the kernel answers solicitations for `address` on `ifindex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxy {
    /// The interface that hears the solicitations.
    pub ifindex: u32,
    /// The address answered for.
    pub address: Ipv6Addr,
    /// Who made it (`NDA_PROTOCOL`); 0 where the kernel does not keep it (before 5.0).
    pub owner: u8,
}

impl Netlink {
    /// All interfaces.
    ///
    /// # Errors
    /// As [`Netlink::dump`].
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        Ok(self.dump(&links::links())?.iter().filter_map(link).collect())
    }

    /// The interface of that name; `None` where there is none.
    ///
    /// # Errors
    /// As [`Netlink::get`].
    pub fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        self.one(links::link_by_name(name))
    }

    /// The interface of that index; `None` where there is none.
    ///
    /// # Errors
    /// As [`Netlink::get`].
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, NetlinkError> {
        self.one(links::link_by_index(index))
    }

    fn one(&mut self, request: Message) -> Result<Option<Link>, NetlinkError> {
        match self.get(request) {
            Ok(message) => Ok(link(&message)),
            Err(error) if error.errno() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All addresses of both families.
    ///
    /// # Errors
    /// As [`Netlink::dump`].
    pub fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        Ok(self.dump(&message::addresses())?.iter().filter_map(address).collect())
    }

    /// All unicast routes of the main table, of both families.
    ///
    /// # Errors
    /// As [`Netlink::dump`].
    pub fn routes(&mut self) -> Result<Vec<Route>, NetlinkError> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            match self.dump(&message::routes(family)) {
                Ok(found) => routes.extend(found.iter().filter_map(route)),
                // A namespace without a route has no main table.
                Err(error) if error.errno() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(routes)
    }

    /// All proxy entries of Neighbour Discovery.
    ///
    /// # Errors
    /// As [`Netlink::dump`].
    pub fn proxies(&mut self) -> Result<Vec<Proxy>, NetlinkError> {
        Ok(self.dump(&message::proxy_neighbours())?.iter().filter_map(proxy).collect())
    }
}

pub(crate) fn link(message: &Message) -> Option<Link> {
    if let Message::NewLink(link) = message { Some(Link::parse(link)) } else { None }
}

pub(crate) fn address(message: &Message) -> Option<Address> {
    if let Message::NewAddress(address) = message { Address::parse(address) } else { None }
}

pub(crate) fn route(message: &Message) -> Option<Route> {
    if let Message::NewRoute(route) = message { Route::parse(route) } else { None }
}

fn proxy(message: &Message) -> Option<Proxy> {
    let Message::NewNeighbour(neighbour) = message else { return None };
    let (ifindex, address, owner) = message::parse_proxy(neighbour)?;
    Some(Proxy { ifindex, address, owner })
}
