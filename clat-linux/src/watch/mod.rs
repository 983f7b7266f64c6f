//! What happens to links, addresses and routes, as inputs of the engine.
//!
//! The kernel's multicast groups tell each change. Some it does not tell: the IPv4 routes that fall with a
//! link or an address, and the one that a replacing route pushes out. After such an event, and when events
//! were lost, everything is listed anew between [`Input::Resync`] and [`Input::Synced`]. An address made from
//! an announced prefix is told by the kernel only when it is known to be unique, and by us when the prefix is heard.

mod facts;
mod option;

use crate::netlink::message::OWNER;
use crate::netlink::{Address, Link, Messages, Netlink, NetlinkError, Route, buffer, receive};
use clat_engine::{Input, LinkKind};
use netlink_packet_core::{NLM_F_REPLACE, NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// `RTNLGRP_*`: links, addresses and routes of both families, IPv6 settings of links, prefixes that routers
/// announce, ND user options.
const GROUPS: [u32; 8] = [1, 5, 7, 9, 11, 12, 18, 20];
/// Room for a burst of events while the control thread is busy, in bytes.
const RECEIVE_BUFFER: i32 = 1024 * 1024;

/// A subscription to the kernel's events. Readable ([`AsFd`]) when there are some.
#[derive(Debug)]
pub struct Watch {
    events: Socket,
    tables: Netlink,
    device: Option<u32>,
    buffer: Box<[u8]>,
}

impl Watch {
    /// Subscribes, in the network namespace of the calling thread. [`Watch::list`] then tells what is there.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket.
    pub fn open() -> Result<Self, NetlinkError> {
        let mut events = Socket::new(NETLINK_ROUTE)?;
        events.bind(&SocketAddr::new(0, 0))?;
        events.set_non_blocking(true)?;
        // A smaller buffer loses events sooner, and then everything is listed anew.
        let _ = events.set_rx_buf_sz(RECEIVE_BUFFER);
        for group in GROUPS {
            events.add_membership(group)?;
        }
        Ok(Self { events, tables: Netlink::open()?, device: None, buffer: buffer() })
    }

    /// Tells the index of our own device, which is never an uplink.
    pub fn set_device(&mut self, ifindex: Option<u32>) {
        self.device = ifindex;
    }

    /// Tells everything that is there.
    ///
    /// # Errors
    /// As [`Netlink::dump`]; the engine then still waits for [`Input::Synced`].
    pub fn list(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> Result<(), NetlinkError> {
        let (links, addresses) = (self.tables.links()?, self.tables.addresses()?);
        let routes = self.tables.routes()?;
        sink(Input::Resync);
        for link in &links {
            self.tell_link(link, sink);
        }
        for address in &addresses {
            sink(facts::address(address));
        }
        for route in &routes {
            facts::route(route).into_iter().for_each(&mut *sink);
        }
        sink(Input::Synced);
        Ok(())
    }

    /// Tells what has happened; returns at once when nothing has.
    ///
    /// # Errors
    /// When the socket fails or the tables cannot be listed.
    pub fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> Result<(), NetlinkError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let drained = self.drain(&mut buffer, sink);
        self.buffer = buffer;
        let (anew, prefix) = drained?;
        if anew {
            return self.list(sink);
        }
        if prefix {
            let addresses = self.tables.addresses()?;
            addresses.iter().filter(|a| a.address.is_ipv6()).for_each(|a| sink(facts::address(a)));
        }
        Ok(())
    }

    /// Tells all events that are there. The answer: whether more may have changed, whether a prefix was heard.
    fn drain(
        &mut self,
        buffer: &mut [u8],
        sink: &mut dyn FnMut(Input<'_>),
    ) -> Result<(bool, bool), NetlinkError> {
        let (mut anew, mut prefix) = (false, false);
        loop {
            match receive(&self.events, buffer) {
                Ok(Some(datagram)) => {
                    for message in Messages(datagram) {
                        prefix |= is_prefix(message);
                        anew |= self.event(message, sink)?;
                    }
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((anew, prefix)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => anew = true,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Tells one event. `true` where more may have changed than the kernel says.
    pub(crate) fn event(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Input<'_>),
    ) -> Result<bool, NetlinkError> {
        let Ok(header) = NetlinkBuffer::new_checked(bytes) else { return Ok(false) };
        if header.message_type() == option::RTM_NEWNDUSEROPT {
            option::pref64(header.payload(), sink);
            return Ok(false);
        }
        let replaces = header.flags() & NLM_F_REPLACE != 0;
        let Ok(message) = NetlinkMessage::<Message>::deserialize(bytes) else { return Ok(false) };
        let NetlinkPayload::InnerMessage(message) = message.payload else { return Ok(false) };
        if let Message::NewLink(link) = &message {
            return self.link_changed(link.header.interface_family, &Link::parse(link), sink);
        } else if let Message::DelLink(link) = &message {
            // A bridge tells that a port has left it in the same words.
            if link.header.interface_family == AddressFamily::Unspec {
                sink(Input::LinkGone(link.header.index));
                return Ok(true);
            }
        } else if let Message::NewAddress(address) = &message {
            Address::parse(address).iter().for_each(|address| sink(facts::address(address)));
        } else if let Message::DelAddress(address) = &message {
            let Some(address) = Address::parse(address) else { return Ok(false) };
            sink(facts::address_gone(&address));
            return Ok(address.address.is_ipv4());
        } else if let Message::NewRoute(route) = &message {
            let Some(route) = Route::parse(route) else { return Ok(false) };
            facts::route(&route).into_iter().for_each(sink);
            return Ok(replaces && route.prefix_len == 0);
        } else if let Message::DelRoute(route) = &message {
            let Some(route) = Route::parse(route) else { return Ok(false) };
            facts::route_gone(&route).into_iter().for_each(sink);
            // One of ours: whoever flushed it may have taken more.
            return Ok(route.owner == OWNER && route.prefix_len != 0);
        }
        Ok(false)
    }

    fn link_changed(
        &mut self,
        family: AddressFamily,
        link: &Link,
        sink: &mut dyn FnMut(Input<'_>),
    ) -> Result<bool, NetlinkError> {
        if family == AddressFamily::Unspec {
            self.tell_link(link, sink);
            return Ok(!(link.up && link.carrier));
        }
        // The IPv6 settings of the link changed; this message does not say what link it is.
        if let Some(link) = self.tables.link_by_index(link.index)? {
            self.tell_link(&link, sink);
        }
        Ok(false)
    }

    fn tell_link(&self, link: &Link, sink: &mut dyn FnMut(Input<'_>)) {
        let kind = if self.device == Some(link.index) { LinkKind::Never } else { link.kind };
        sink(Input::Link(clat_engine::Link {
            ifindex: link.index,
            up: link.up && link.carrier,
            mtu: facts::ipv6_mtu(link),
            kind,
            mac: link.mac,
            network: 0,
        }));
    }
}

/// Whether a router has announced a prefix (RFC 4861 section 4.6.2).
fn is_prefix(message: &[u8]) -> bool {
    const RTM_NEWPREFIX: u16 = 52;
    NetlinkBuffer::new_checked(message).is_ok_and(|header| header.message_type() == RTM_NEWPREFIX)
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}
