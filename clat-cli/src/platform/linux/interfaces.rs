//! Names, numbers and MTUs of interfaces.

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use std::os::fd::OwnedFd;

/// The name of an interface.
pub(super) fn name(index: u32) -> Option<String> {
    netdevice::index_to_name_inlined(&socket()?, index).ok().map(|name| name.as_str().to_owned())
}

/// The index of an interface.
pub(super) fn index(name: &str) -> Option<u32> {
    netdevice::name_to_index(&socket()?, name).ok()
}

/// The IPv6 MTU of an interface in bytes.
pub(super) fn mtu(name: &str) -> Option<u32> {
    if name.contains('/') {
        return None;
    }
    let text = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{name}/mtu")).ok()?;
    text.trim().parse().ok()
}

fn socket() -> Option<OwnedFd> {
    socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_loopback_has_a_name_a_number_and_an_mtu() {
        let index = super::index("lo").unwrap();
        assert_eq!(super::name(index).as_deref(), Some("lo"));
        assert!(super::index("no-such-if").is_none() && super::mtu("../lo").is_none());
    }
}
