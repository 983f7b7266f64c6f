//! What a host says to every link, and what concerns nobody behind this one.

/// Router and multicast listener messages, multicast of this link, link-local addresses: whether a packet that came in
/// is one of them, and no drop that anybody should hear of.
#[must_use]
#[inline]
pub fn is_chatter(packet: &[u8]) -> bool {
    match packet.first().map(|byte| byte >> 4) {
        Some(6) => {
            let link_local =
                |at: usize| matches!(packet.get(at..at + 2), Some([0xfe, byte]) if byte & 0xc0 == 0x80);
            let link_multicast = matches!(packet.get(24..26), Some([0xff, byte]) if byte & 0x0f <= 2);
            link_local(8) || link_multicast || link_local(24)
        }
        Some(4) => packet.get(9) == Some(&IGMP) && matches!(packet.get(16..19), Some([224, 0, 0])),
        _ => false,
    }
}

const IGMP: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    fn v6(source: &str, destination: &str) -> [u8; 40] {
        let mut packet = [0; 40];
        packet[0] = 0x60;
        for (at, address) in [(8, source), (24, destination)] {
            let address: Ipv6Addr = address.parse().unwrap();
            packet[at..at + 16].copy_from_slice(&address.octets());
        }
        packet
    }

    fn v4(protocol: u8, destination: Ipv4Addr) -> [u8; 20] {
        let mut packet = [0; 20];
        (packet[0], packet[9]) = (0x45, protocol);
        packet[16..].copy_from_slice(&destination.octets());
        packet
    }

    #[test]
    fn of_the_link_alone() {
        assert!(is_chatter(&v6("fe80::1", "ff02::2")));
        assert!(is_chatter(&v6("::", "ff02::16")));
        assert!(is_chatter(&v6("2001:db8::1", "fe80::1")));
        assert!(is_chatter(&v4(IGMP, Ipv4Addr::new(224, 0, 0, 22))));
    }

    #[test]
    fn what_somebody_may_miss_is_none() {
        assert!(!is_chatter(&v6("2001:db8::1", "64:ff9b::1")));
        assert!(!is_chatter(&v6("2001:db8::1", "ff05::1")));
        assert!(!is_chatter(&v4(17, Ipv4Addr::new(224, 0, 0, 251))));
        assert!(!is_chatter(&v4(IGMP, Ipv4Addr::new(224, 0, 1, 1))));
        assert!(!is_chatter(&[]));
        assert!(!is_chatter(&[0x60, 0]));
    }
}
