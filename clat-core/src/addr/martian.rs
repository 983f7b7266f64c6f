//! Addresses that no router forwards.

use core::net::{Ipv4Addr, Ipv6Addr};

/// Whether an IPv4 address may be the source of a forwarded packet
/// (RFC 7915 section 4.1 by way of RFC 1812 section 5.3.7; RFC 3927 section 7).
#[inline]
pub(crate) const fn source_v4(addr: Ipv4Addr) -> bool {
    let bits = addr.to_bits();
    let (octet, half) = (bits >> 24, bits >> 16);
    // 0/8, and 224/4 and all above it: multicast, class E, limited broadcast.
    let outside = octet.wrapping_sub(1) >= 223;
    !(outside || octet == 127 || half == 0xa9fe)
}

/// Whether an IPv4 address may be the destination of a forwarded packet (RFC 1812 section 5.3.7).
#[inline]
pub(crate) const fn destination_v4(addr: Ipv4Addr) -> bool {
    source_v4(addr)
}

/// Addresses that are not global (RFC 1918, RFC 6598): refused under 64:ff9b::/96 by RFC 6052 section 3.1.
#[inline]
pub(crate) const fn is_private_v4(addr: Ipv4Addr) -> bool {
    let [a, b, ..] = addr.octets();
    addr.is_private() || (a == 100 && b & 0xc0 == 64)
}

/// Whether an IPv6 address may be the source of a forwarded packet (RFC 4291 sections 2.5.2, 2.5.3, 2.5.6, 2.7).
#[inline]
pub(crate) const fn source_v6(addr: Ipv6Addr) -> bool {
    !(addr.is_unspecified()
        || addr.is_loopback()
        || addr.is_multicast()
        || addr.is_unicast_link_local()
        || addr.to_ipv4_mapped().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1812_section_5_3_7_martians() {
        for bad in
            ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "169.254.1.1"]
        {
            assert!(!source_v4(bad.parse().unwrap()), "{bad}");
        }
        for good in ["1.1.1.1", "10.0.0.1", "192.0.0.1", "192.0.0.170", "223.255.255.255", "169.253.0.1"] {
            assert!(source_v4(good.parse().unwrap()), "{good}");
        }
        for bad in ["::", "::1", "ff02::1", "fe80::1", "::ffff:1.2.3.4"] {
            assert!(!source_v6(bad.parse().unwrap()), "{bad}");
        }
        assert!(source_v6("64:ff9b::1.2.3.4".parse().unwrap()));
    }

    #[test]
    fn private_and_shared_space() {
        for private in ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.127.255.255"] {
            assert!(is_private_v4(private.parse().unwrap()), "{private}");
        }
        for public in ["9.9.9.9", "172.32.0.1", "100.128.0.1", "192.0.0.170"] {
            assert!(!is_private_v4(public.parse().unwrap()), "{public}");
        }
    }
}
