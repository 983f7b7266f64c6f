//! Other programs that translate on this host: two CLATs on one link are worse than one.
//!
//! The signs are those that do not depend on asking the other program: an address of 192.0.0.0/29 (RFC 7335) on
//! an interface that is not ours, and an IPv4 default route into a tunnel of a process that is known to translate.

use crate::netlink::{Address, Link, Netlink, NetlinkError, Route};
use clat_engine::{LinkKind, OtherClat};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Another program's CLAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The interface that bears the sign: the uplink itself where the kernel translates on it
    /// (NetworkManager, systemd-networkd), a tunnel where a program does.
    pub ifindex: u32,
    /// Whether that interface is a device of the other program's own, so that all uplinks are concerned.
    pub tunnel: bool,
    /// Whose it is.
    pub other: OtherClat,
    /// What was seen, for people.
    pub evidence: String,
}

/// Looks for other programs' CLATs. `device` is our own device.
///
/// # Errors
/// When the kernel's tables cannot be listed.
pub fn find(netlink: &mut Netlink, device: Option<u32>) -> Result<Vec<Found>, NetlinkError> {
    let (links, addresses, routes) = (netlink.links()?, netlink.addresses()?, netlink.routes()?);
    let others: Vec<&Link> =
        links.iter().filter(|link| Some(link.index) != device && !link.loopback).collect();
    let mut found: Vec<Found> = others.iter().filter_map(|link| by_address(link, &addresses)).collect();
    let by_route = others.iter().filter_map(|link| by_route(link, &routes, translators));
    found.extend(by_route.filter(|new| !addresses.iter().any(|a| is_clats(a, new.ifindex))));
    Ok(found)
}

fn is_clats(address: &Address, ifindex: u32) -> bool {
    /// The addresses of 192.0.0.0/29 that a host may have (RFC 7335 section 4).
    const FIRST: u32 = Ipv4Addr::new(192, 0, 0, 1).to_bits();
    const LAST: u32 = Ipv4Addr::new(192, 0, 0, 7).to_bits();
    let IpAddr::V4(v4) = address.address else { return false };
    address.ifindex == ifindex && (FIRST..=LAST).contains(&v4.to_bits())
}

fn by_address(link: &Link, addresses: &[Address]) -> Option<Found> {
    let address = addresses.iter().find(|address| is_clats(address, link.index))?;
    let tunnel = link.kind == LinkKind::Tunnel;
    let other = if tunnel { OtherClat::Other } else { manager(link.index) };
    let evidence = format!("{} has the address {} of RFC 7335", link.name, address.address);
    Some(Found { ifindex: link.index, tunnel, other, evidence })
}

/// Whose the link is: of the two that translate in the kernel, the one that manages it.
fn manager(ifindex: u32) -> OtherClat {
    let managed = |folder: &str| fs::read_to_string(format!("{folder}/{ifindex}")).unwrap_or_default();
    if managed("/run/NetworkManager/devices").contains("managed=true") {
        OtherClat::NetworkManager
    } else if managed("/run/systemd/netif/links").contains("ADMIN_STATE=configured") {
        OtherClat::Networkd
    } else {
        OtherClat::Other
    }
}

fn by_route(link: &Link, routes: &[Route], translators: fn() -> Vec<String>) -> Option<Found> {
    let into = |r: &Route| r.ifindex == link.index && r.prefix_len == 0 && r.destination.is_ipv4();
    if link.kind != LinkKind::Tunnel || !routes.iter().any(into) {
        return None;
    }
    let name = translators().into_iter().next()?;
    let evidence = format!("{name} is running and the IPv4 default route leads to {}", link.name);
    Some(Found { ifindex: link.index, tunnel: true, other: OtherClat::Other, evidence })
}

/// The names of the running programs in this network namespace that are known to translate.
fn translators() -> Vec<String> {
    const KNOWN: [&str; 3] = ["tayga", "clatd", "tundra"];
    let inode = |path: &Path| fs::metadata(path.join("ns/net")).map(|meta| meta.ino()).ok();
    let own = inode(Path::new("/proc/thread-self"));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    processes
        .filter_map(|path| Some((fs::read_to_string(path.join("comm")).ok()?, path)))
        .filter(|(name, _)| KNOWN.iter().any(|known| name.trim().starts_with(known)))
        .filter(|(_, path)| own.is_some() && inode(path) == own)
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}
