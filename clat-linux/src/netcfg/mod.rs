//! One step of the engine's plan, one change to the kernel's configuration, and the way back.
//!
//! [`NetCfg::prepare`] looks at what is there, [`NetCfg::apply`] changes it, [`NetCfg::undo`] takes the change
//! back. What `prepare` found goes into the journal before `apply` is called ([`crate::plan`] does it in this
//! order). Our addresses, routes and proxy entries carry our mark (`IFA_PROTO`, `rtm_protocol`,
//! `NDA_PROTOCOL`); values are compared: what somebody else has changed in the meantime stays as it is.
//!
//! The network namespace is that of the calling thread.

mod change;
mod error;
mod forwarding;
mod present;
mod recovery;
mod sysctl;

pub use change::{Change, ParseChangeError};
pub use error::NetcfgError;

use crate::netlink::link;
use crate::netlink::message::{self, OWNER};
use crate::netlink::{Address, Link, Netlink, NetlinkError, Route};
use clat_engine::{AddressRole, Iface, Step};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{RouteNetlinkMessage as Message, address::AddressFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::OwnedFd;
use sysctl::{Names, Scope, Switch, When, Write};

/// What an undo found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// It was as we left it, and is as it was before.
    Restored,
    /// There was nothing to do: never ours, gone already, or changed by somebody else.
    Left,
}

/// The kernel's configuration as the engine changes it.
#[derive(Debug)]
pub struct NetCfg {
    netlink: Netlink,
    device: Option<u32>,
    /// Index and name of the device that was opened last.
    last_device: Option<(u32, String)>,
    /// The sockets that hold our group memberships.
    groups: Vec<((u32, Ipv6Addr), OwnedFd)>,
}

impl NetCfg {
    /// Opens it in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket.
    pub fn open() -> Result<Self, NetcfgError> {
        Ok(Self { netlink: Netlink::open()?, device: None, last_device: None, groups: Vec::new() })
    }

    /// Tells the index of our device, once it is open; `None` once it is closed.
    pub fn set_device(&mut self, ifindex: Option<u32>) {
        self.device = ifindex;
        if let Some(Ok(Some(link))) = ifindex.map(|index| self.netlink.link_by_index(index)) {
            self.last_device = Some((link.index, link.name));
        }
    }

    /// Whether the device that a change was made to is closed, and its index another interface's: one that came
    /// from another namespace keeps its own where it is free.
    fn is_of_another(&mut self, change: &Change) -> Result<bool, NetcfgError> {
        let Some((index, name)) = &self.last_device else { return Ok(false) };
        let closed = self.device.is_none() && change.step.iface() == Iface::Device;
        if !closed || *index != change.ifindex {
            return Ok(false);
        }
        Ok(self.netlink.link_by_index(*index)?.is_some_and(|link| link.name != *name))
    }

    /// The netlink socket, for reading the tables.
    pub fn netlink(&mut self) -> &mut Netlink {
        &mut self.netlink
    }

    /// Looks at what is there before a step.
    ///
    /// # Errors
    /// [`NetcfgError::Conflict`] where the step would take what is somebody else's;
    /// [`NetcfgError::NoDevice`] and [`NetcfgError::NoInterface`] where there is nothing to change.
    pub fn prepare(&mut self, step: Step) -> Result<Change, NetcfgError> {
        let ifindex = match step.iface() {
            Iface::Device if step == Step::OpenDevice => 0,
            Iface::Device => self.device.ok_or(NetcfgError::NoDevice)?,
            Iface::Index(index) => index,
        };
        let mut change = Change::new(step, ifindex);
        match step {
            Step::OpenDevice | Step::JoinGroup { .. } => {}
            Step::SetMtu { .. } => change.was = Some(self.link(ifindex)?.mtu),
            Step::SetLinkUp { .. } => change.was = Some(u32::from(self.link(ifindex)?.up)),
            Step::AddAddress { role, .. } => {
                change.present = self.look_for_address(&change)?;
                if role == AddressRole::Claim {
                    change.writes.extend(self.hurry(ifindex)?);
                }
            }
            Step::AddRoute { .. } => change.present = self.look_for_route(&change)?,
            Step::SetForwarding { iface } => {
                let links = self.netlink.links()?;
                change.writes = forwarding::plan(&links, ifindex, iface != Iface::Device)
                    .map_err(|error| NetcfgError::sysctl(error, &links, ifindex))?;
            }
            Step::ProxyNeighbour { addr, .. } => self.look_for_proxy(&mut change, addr)?,
            Step::AllowNeighbourDiscovery { .. } | _ => return Err(NetcfgError::Unsupported(step.name())),
        }
        if ifindex != 0 {
            change.name_from(&self.netlink.links()?);
        }
        Ok(change)
    }

    /// Makes a prepared change.
    ///
    /// # Errors
    /// What the kernel says; the change may be made in part, and undoing it is allowed.
    pub fn apply(&mut self, change: &Change) -> Result<(), NetcfgError> {
        let ifindex = change.ifindex;
        match change.step {
            Step::OpenDevice => {}
            Step::SetMtu { v4, v6, .. } => {
                self.netlink.request(link::set_link_mtu(ifindex, v4.max(v6)), 0)?;
            }
            Step::SetLinkUp { .. } => self.netlink.request(link::set_link_up(ifindex, true), 0)?,
            Step::AddAddress { .. } | Step::AddRoute { .. } if change.present => {}
            Step::AddAddress { addr, prefix_len, role, .. } => {
                let links = self.netlink.links()?;
                sysctl::apply_around(&links.as_slice(), &change.writes, || {
                    self.add_address(ifindex, addr, prefix_len, role)
                })
                .map_err(|error| NetcfgError::sysctl(error, &links, ifindex))??;
            }
            Step::AddRoute { .. } => {
                if let Some(route) = route(change) {
                    self.add(Message::NewRoute(route.message()), Message::DelRoute(route.message()))?;
                }
            }
            Step::SetForwarding { .. } => self.write(change)?,
            Step::ProxyNeighbour { addr, .. } => {
                self.write(change)?;
                if !change.present {
                    let entry = message::proxy_neighbour(ifindex, addr);
                    self.netlink.request(Message::NewNeighbour(entry), NLM_F_CREATE)?;
                }
            }
            Step::JoinGroup { group, .. } => self.join(ifindex, group)?,
            Step::AllowNeighbourDiscovery { .. } | _ => {
                return Err(NetcfgError::Unsupported(change.step.name()));
            }
        }
        Ok(())
    }

    /// Takes a change back, as far as it was made and is still as we made it.
    ///
    /// # Errors
    /// What the kernel says. An interface that is gone is no error.
    pub fn undo(&mut self, change: &Change) -> Result<Undone, NetcfgError> {
        if self.is_of_another(change)? {
            return Ok(Undone::Left);
        }
        let ifindex = change.ifindex;
        let any = match change.step {
            Step::OpenDevice => false,
            Step::SetMtu { v4, v6, .. } => match (self.netlink.link_by_index(ifindex)?, change.was) {
                (Some(link), Some(was)) if link.mtu == v4.max(v6) && link.mtu != was => {
                    self.delete(link::set_link_mtu(ifindex, was))?
                }
                _ => false,
            },
            Step::SetLinkUp { .. } => match self.netlink.link_by_index(ifindex)? {
                Some(link) if link.up && change.was == Some(0) => {
                    self.delete(link::set_link_up(ifindex, false))?
                }
                _ => false,
            },
            Step::AddAddress { .. } | Step::AddRoute { .. } if change.present => false,
            Step::AddAddress { addr, prefix_len, .. } => {
                self.restore(change)? | self.remove_address(ifindex, addr, prefix_len)?
            }
            Step::AddRoute { .. } => self.remove_route(change)?,
            Step::SetForwarding { .. } => self.restore(change)?,
            Step::ProxyNeighbour { addr, .. } => {
                let gone = !change.present && self.remove_proxy(ifindex, addr)?;
                self.restore(change)? | gone
            }
            Step::JoinGroup { group, .. } => {
                let before = self.groups.len();
                self.groups.retain(|(key, _)| *key != (ifindex, group));
                self.groups.len() != before
            }
            Step::AllowNeighbourDiscovery { .. } | _ => false,
        };
        Ok(if any { Undone::Restored } else { Undone::Left })
    }

    fn link(&mut self, ifindex: u32) -> Result<Link, NetcfgError> {
        self.netlink.link_by_index(ifindex)?.ok_or(NetcfgError::NoInterface(ifindex))
    }

    /// The write that lets duplicate detection of a claimed address begin at once (RFC 4429) instead of after
    /// up to a second. The address is deprecated and so is no source before it is known to be unique.
    fn hurry(&mut self, ifindex: u32) -> Result<Option<Write>, NetcfgError> {
        let links = self.netlink.links()?;
        let (scope, switch) = (Scope::Link(ifindex), Switch::OptimisticDad);
        // Kernels are built without it; then the second is waited for.
        let old = sysctl::read(&links.as_slice(), scope, switch).ok();
        Ok(old.filter(|old| *old == 0).map(|old| Write { scope, switch, when: When::Meanwhile, old, new: 1 }))
    }

    /// Whether the host has the address already, on the interface and for itself.
    fn look_for_address(&mut self, change: &Change) -> Result<bool, NetcfgError> {
        let Step::AddAddress { addr, role, .. } = change.step else { return Ok(false) };
        self.link(change.ifindex)?;
        let addresses = self.netlink.addresses()?;
        let found = addresses.iter().find(|a| a.ifindex == change.ifindex && a.address == addr);
        match found {
            None => Ok(false),
            Some(found) if found.owner == OWNER => Ok(false),
            // An address in use for something else cannot be the CLAT's.
            Some(_) if role == AddressRole::Claim => Err(NetcfgError::Conflict),
            Some(_) => Ok(true),
        }
    }

    /// Whether the route is there already: the same one, by somebody else.
    fn look_for_route(&mut self, change: &Change) -> Result<bool, NetcfgError> {
        self.link(change.ifindex)?;
        let Some(wanted) = route(change) else { return Ok(false) };
        let found = self.netlink.routes()?.into_iter().find(|r| same_slot(r, &wanted));
        match found {
            Some(found) if found.owner == OWNER && found.ifindex == wanted.ifindex => Ok(false),
            Some(found) if found.ifindex == wanted.ifindex && found.gateway.is_none() => Ok(true),
            Some(_) if wanted.destination.is_ipv4() => Err(NetcfgError::Conflict),
            Some(_) | None => Ok(false),
        }
    }

    fn look_for_proxy(&mut self, change: &mut Change, addr: Ipv6Addr) -> Result<(), NetcfgError> {
        let links = self.netlink.links()?;
        let link = Scope::Link(change.ifindex);
        // Questions to the group are answered where the link's switch is on; for those to the address itself,
        // which are to be forwarded, the kernel looks at the common one only.
        let wanted =
            [(link, Switch::ProxyNdp, 1), (Scope::All, Switch::ProxyNdp, 1), (link, Switch::ProxyDelay, 0)];
        for (scope, switch, new) in wanted {
            let old = sysctl::read(&links.as_slice(), scope, switch)
                .map_err(|error| NetcfgError::sysctl(error, &links, change.ifindex))?;
            if old != new {
                change.writes.push(Write { scope, switch, when: When::Lasting, old, new });
            }
        }
        let proxies = self.netlink.proxies()?;
        let found = proxies.iter().find(|p| p.ifindex == change.ifindex && p.address == addr);
        change.present = found.is_some_and(|p| p.owner != OWNER);
        Ok(())
    }

    fn add_address(
        &mut self,
        ifindex: u32,
        addr: IpAddr,
        len: u8,
        role: AddressRole,
    ) -> Result<(), NetcfgError> {
        let claim = role == AddressRole::Claim;
        let mut flags = AddressFlags::empty();
        if claim {
            flags |= AddressFlags::Noprefixroute | AddressFlags::Optimistic;
        } else if addr.is_ipv6() {
            flags |= AddressFlags::Noprefixroute | AddressFlags::Nodad;
        }
        let preferred_s = if claim { 0 } else { u32::MAX };
        let wanted = Address {
            ifindex,
            address: addr,
            prefix_len: len,
            flags,
            preferred_s,
            valid_s: u32::MAX,
            owner: OWNER,
        };
        self.add(Message::NewAddress(wanted.message()), Message::DelAddress(wanted.message()))
    }

    /// Adds an object. One of ours that an earlier run left behind is replaced.
    fn add(&mut self, new: Message, del: Message) -> Result<(), NetcfgError> {
        match self.netlink.request(new.clone(), NLM_F_CREATE | NLM_F_EXCL) {
            Err(error) if error.errno() == Some(libc::EEXIST) => {
                self.netlink.request(del, 0).map_err(|_| NetcfgError::Conflict)?;
                Ok(self.netlink.request(new, NLM_F_CREATE | NLM_F_EXCL)?)
            }
            outcome => Ok(outcome?),
        }
    }

    fn remove_address(&mut self, ifindex: u32, addr: IpAddr, prefix_len: u8) -> Result<bool, NetcfgError> {
        let addresses = self.netlink.addresses()?;
        // Kernels before 5.18 keep no owner; later ones mark at least their own link-local addresses.
        let kept = addresses.iter().any(|a| a.owner != 0);
        let ours = |a: &Address| {
            a.ifindex == ifindex
                && a.address == addr
                && a.prefix_len == prefix_len
                && (a.owner == OWNER || !kept)
        };
        match addresses.into_iter().find(ours) {
            None => Ok(false),
            Some(found) => {
                let bare = Address {
                    flags: AddressFlags::empty(),
                    owner: 0,
                    preferred_s: u32::MAX,
                    valid_s: u32::MAX,
                    ..found
                };
                self.delete(Message::DelAddress(bare.message()))
            }
        }
    }

    fn remove_route(&mut self, change: &Change) -> Result<bool, NetcfgError> {
        let Some(wanted) = route(change) else { return Ok(false) };
        let ours = |r: &Route| same_slot(r, &wanted) && r.ifindex == wanted.ifindex && r.owner == OWNER;
        if !self.netlink.routes()?.iter().any(ours) {
            return Ok(false);
        }
        // The metrics of a route take no part in finding it.
        let bare = Route { mtu: 0, mss: 0, ..wanted };
        self.delete(Message::DelRoute(bare.message()))
    }

    fn remove_proxy(&mut self, ifindex: u32, addr: Ipv6Addr) -> Result<bool, NetcfgError> {
        let ours = self
            .netlink
            .proxies()?
            .iter()
            .any(|p| p.ifindex == ifindex && p.address == addr && p.owner == OWNER);
        Ok(ours && self.delete(Message::DelNeighbour(message::proxy_neighbour(ifindex, addr)))?)
    }

    /// Sends a request that takes something away; what is gone already is no error.
    fn delete(&mut self, request: Message) -> Result<bool, NetcfgError> {
        match self.netlink.request(request, 0) {
            Ok(()) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, change: &Change) -> Result<(), NetcfgError> {
        let links = self.netlink.links()?;
        sysctl::apply(&links.as_slice(), &change.writes)
            .map_err(|error| NetcfgError::sysctl(error, &links, change.ifindex))
    }

    fn restore(&mut self, change: &Change) -> Result<bool, NetcfgError> {
        let links = self.netlink.links()?;
        sysctl::undo(&links.as_slice(), &change.writes)
            .map_err(|error| NetcfgError::sysctl(error, &links, change.ifindex))
    }

    fn join(&mut self, ifindex: u32, group: Ipv6Addr) -> Result<(), NetcfgError> {
        let holder = socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
            .map_err(io::Error::from)?;
        sockopt::set_ipv6_add_membership(&holder, &group, ifindex).map_err(io::Error::from)?;
        self.groups.push(((ifindex, group), holder));
        Ok(())
    }
}

/// The route of an `AddRoute` step.
fn route(change: &Change) -> Option<Route> {
    let Step::AddRoute { dest, prefix_len, metric, mtu, mss, .. } = change.step else { return None };
    let ifindex = change.ifindex;
    Some(Route {
        destination: dest,
        prefix_len,
        ifindex,
        gateway: None,
        metric,
        mtu,
        mss,
        source: None,
        owner: OWNER,
    })
}

/// Whether two routes are of the same destination and metric.
fn same_slot(a: &Route, b: &Route) -> bool {
    /// What the kernel makes of an IPv6 metric of 0 (`IP6_RT_PRIO_USER`).
    const IPV6_METRIC: u32 = 1024;
    let metric = |r: &Route| if r.metric == 0 && r.destination.is_ipv6() { IPV6_METRIC } else { r.metric };
    (a.destination, a.prefix_len, metric(a)) == (b.destination, b.prefix_len, metric(b))
}

fn is_gone(error: &NetlinkError) -> bool {
    matches!(
        error.errno(),
        Some(libc::ESRCH | libc::ENODEV | libc::ENXIO | libc::ENOENT | libc::EADDRNOTAVAIL)
    )
}

impl Names for &[Link] {
    fn name(&self, index: u32) -> Option<String> {
        self.iter().find(|link| link.index == index).map(|link| link.name.clone())
    }
}
