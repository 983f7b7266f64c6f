//! Whether Windows translates by itself: its own CLAT of mobile broadband, and of Windows 11 from 25H2 on.

use std::net::{IpAddr, Ipv4Addr};

/// Addresses that only a CLAT gives to a host (RFC 7335).
const fn is_clat_address(addr: Ipv4Addr) -> bool {
    let [a, b, c, d] = addr.octets();
    a == 192 && b == 0 && c == 0 && d < 8 && d != 0
}

/// What our own adapters are called in the system's list.
const OURS: &str = "CLAT";

/// The first interface with an address of 192.0.0.0/29 that is not ours: the name of the device.
///
/// Microsoft documents no call that tells; the address range is the one thing that every CLAT shares.
#[must_use]
pub fn find<'a>(interfaces: impl Iterator<Item = (&'a str, &'a [IpAddr])>) -> Option<&'a str> {
    interfaces
        .filter(|(description, _)| !description.starts_with(OURS))
        .find(|(_, addresses)| addresses.iter().any(|a| matches!(a, IpAddr::V4(v4) if is_clat_address(*v4))))
        .map(|(description, _)| description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(list: &'a [(&'a str, Vec<IpAddr>)]) -> Option<&'a str> {
        find(list.iter().map(|(name, addresses)| (*name, addresses.as_slice())))
    }

    #[test]
    fn mobile_broadband_with_a_clat_address() {
        let wwan = vec!["2001:db8::1".parse().unwrap(), "192.0.0.4".parse().unwrap()];
        assert_eq!(
            found(&[("Intel Wi-Fi", vec!["10.0.0.1".parse().unwrap()]), ("Surface Mobile", wwan)]),
            Some("Surface Mobile")
        );
    }

    #[test]
    fn our_own_adapter_is_no_other_clat() {
        assert_eq!(found(&[("CLAT Tunnel", vec!["192.0.0.1".parse().unwrap()])]), None);
    }

    #[test]
    fn the_dummy_and_the_well_known_addresses_are_nobodys() {
        for addr in ["192.0.0.8", "192.0.0.170", "192.0.0.0", "192.0.1.1"] {
            assert_eq!(found(&[("x", vec![addr.parse().unwrap()])]), None, "{addr}");
        }
    }
}
