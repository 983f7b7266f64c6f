//! The uplink's own DNS resolvers, as the host's network manager wrote them down, and word of changes.
//!
//! RFC 7050 wants the resolvers of the network, not a stub on this host: loopback addresses are passed over in
//! favour of the lists that systemd-resolved and NetworkManager keep behind their stubs.

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::fs;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const MAIN: &str = "/etc/resolv.conf";
/// Behind a stub: all servers of all links, one list.
const BEHIND_STUBS: [&str; 4] = [
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    "/run/dnsmasq/resolv.conf",
    "/run/resolvconf/resolv.conf",
];
/// What systemd-networkd knows of each link, one file each, named after its index.
const PER_LINK: &str = "/run/systemd/netif/links";
/// No list is longer.
const MOST_BYTES: u64 = 64 * 1024;

/// The lists of resolvers.
#[derive(Debug)]
pub struct Resolvers {
    events: Option<OwnedFd>,
    /// Whether the managers' notes are about this network namespace: they run in the machine's own, and another
    /// one has other links with the same indices.
    managed: bool,
}

impl Resolvers {
    /// Starts to watch the lists, for the network namespace of the calling thread. Call it before privileges are
    /// dropped.
    #[must_use]
    pub fn watch() -> Self {
        Self { events: subscribe().ok(), managed: is_machines_namespace() }
    }

    /// Readable when a list may have changed; `None` where the kernel gives no inotify instance.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.events.as_ref().map(AsFd::as_fd)
    }

    /// Takes the events. `true` where there were any.
    pub fn changed(&mut self) -> bool {
        let Some(events) = &self.events else { return false };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(events, &mut buffer);
        let mut any = false;
        while reader.next().is_ok() {
            any = true;
        }
        any
    }

    /// The resolvers of a link, IPv6 first.
    #[must_use]
    pub fn of_link(&self, ifindex: u32, interface: &str) -> Vec<IpAddr> {
        let mut servers = Vec::new();
        if self.managed {
            let text = read(&format!("{PER_LINK}/{ifindex}"));
            let lines = text.lines().filter_map(|line| line.strip_prefix("DNS="));
            servers.extend(lines.flat_map(str::split_whitespace).filter_map(|word| server(word, interface)));
        }
        if servers.is_empty() {
            servers = listed(&read(MAIN), interface);
        }
        if servers.is_empty() && self.managed {
            let mut lists = BEHIND_STUBS.iter().map(|path| listed(&read(path), interface));
            servers = lists.find(|list| !list.is_empty()).unwrap_or_default();
        }
        servers.sort_by_key(IpAddr::is_ipv4);
        servers
    }
}

fn subscribe() -> std::io::Result<OwnedFd> {
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
    let files = BEHIND_STUBS.iter().chain([&MAIN]).map(Path::new);
    let mut places: Vec<_> = files.filter_map(Path::parent).map(Path::to_path_buf).collect();
    places.push(PER_LINK.into());
    // The target of a link, and the file itself where it is mounted over the one of the folder.
    places.extend(fs::canonicalize(MAIN).ok().and_then(|p| p.parent().map(Path::to_path_buf)));
    places.push(MAIN.into());
    for place in places {
        // Where a manager is not installed there is nothing to watch.
        let _ = inotify::add_watch(&events, place, flags);
    }
    Ok(events)
}

/// The folders and files that hold the lists.
pub(crate) fn places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> =
        BEHIND_STUBS.iter().filter_map(|path| Path::new(path).parent()).map(Into::into).collect();
    places.push(PER_LINK.into());
    // A manager puts a new file in the old one's place: the folder must be readable, be it /etc itself.
    let target = fs::canonicalize(MAIN).unwrap_or_else(|_| MAIN.into());
    places.extend(target.parent().map(Into::into));
    places
}

fn read(path: &str) -> String {
    let small = fs::metadata(path).is_ok_and(|meta| meta.len() <= MOST_BYTES);
    if small { fs::read_to_string(path).unwrap_or_default() } else { String::new() }
}

fn is_machines_namespace() -> bool {
    let inode = |path: &Path| fs::metadata(path).map(|meta| meta.ino());
    let Ok(own) = inode(Path::new("/proc/thread-self/ns/net")) else { return true };
    // Not everybody may look at process 1; a namespace that `ip netns` made has a name then.
    inode(Path::new("/proc/1/ns/net")).map_or_else(
        |_| {
            let named = fs::read_dir("/run/netns").into_iter().flatten().flatten();
            !named.filter_map(|entry| inode(&entry.path()).ok()).any(|found| found == own)
        },
        |first| first == own,
    )
}

/// The servers of a `resolv.conf`.
fn listed(text: &str, interface: &str) -> Vec<IpAddr> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        if let Some(found) = words.next().and_then(|word| server(word, interface))
            && !servers.contains(&found)
        {
            servers.push(found);
        }
    }
    servers
}

/// A server that can be asked over the link; `None` for a stub on this host and for another link's server.
/// Understands what systemd adds: `address:port%interface#name`.
fn server(word: &str, interface: &str) -> Option<IpAddr> {
    let word = word.split('#').next()?;
    let (address, scope) =
        word.split_once('%').map_or((word, None), |(address, scope)| (address, Some(scope)));
    let address = address.strip_prefix('[').map_or(address, |rest| rest.split(']').next().unwrap_or(rest));
    let address: IpAddr = address.parse().ok()?;
    let elsewhere = scope.is_some_and(|scope| scope != interface && scope.parse::<u32>().is_err());
    let useless = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6 == Ipv6Addr::UNSPECIFIED,
    };
    (!elsewhere && !useless).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_are_passed_over_and_scopes_are_minded() {
        let text = "# comment\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n\
                    nameserver fe80::2%eth1\nnameserver 2001:db8::53\nnameserver 2001:db8::53\nsearch example\n\
                    nameserver ::1\nnameserver nonsense\nnameserver\n";
        let found: Vec<String> = listed(text, "eth0").iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1", "fe80::1", "2001:db8::53"]);
    }

    #[test]
    fn systemds_additions_are_understood() {
        let of = |word| server(word, "eth0").map(|address| address.to_string());
        assert_eq!(of("2001:db8::1#dns.example").as_deref(), Some("2001:db8::1"));
        assert_eq!(of("[2001:db8::1]:53").as_deref(), Some("2001:db8::1"));
        assert_eq!(of("fe80::1%3").as_deref(), Some("fe80::1"));
        assert_eq!(of("127.0.0.53"), None);
    }

    #[test]
    fn a_change_is_noticed() {
        let folder = std::env::temp_dir().join(format!("clat-resolvers-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&events, &folder, WatchFlags::CLOSE_WRITE).unwrap();
        let mut resolvers = Resolvers { events: Some(events), managed: false };
        assert!(!resolvers.changed());
        fs::write(folder.join("resolv.conf"), "nameserver 2001:db8::1\n").unwrap();
        assert!(resolvers.changed());
        assert!(!resolvers.changed());
        fs::remove_dir_all(folder).unwrap();
        assert!(Resolvers::watch().descriptor().is_some());
    }
}
