//! The CLAT's IPv6 address: stable per network (RFC 7217 section 5), checksum-neutral where possible
//! (RFC 6052 section 4.1), never a reserved identifier (RFC 5453).

use clat_core::Pref64;
use core::hash::Hasher;
use core::net::{Ipv4Addr, Ipv6Addr};
use siphasher::sip::SipHasher24;

/// How many candidates are tried before the claim is given up (RFC 7217 section 6, IDGEN_RETRIES and one).
pub(crate) const CANDIDATES: u8 = 4;

/// What a candidate is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// The key.
    pub(crate) secret: [u8; 16],
    /// The prefix; bits beyond the length count as zero.
    pub(crate) prefix: Ipv6Addr,
    /// Its length in bits, at most 120.
    pub(crate) prefix_len: u8,
    /// Net_Iface of RFC 7217: the link-layer address, or the interface index in its last octets.
    pub(crate) interface: [u8; 6],
    /// Network_ID of RFC 7217.
    pub(crate) network: u64,
    /// The IPv4 address that it should be neutral to.
    pub(crate) clat_v4: Ipv4Addr,
    /// The prefix that every packet's other address is under.
    pub(crate) pref64: Pref64,
}

impl Recipe {
    /// The candidate of this number (DAD_Counter of RFC 7217).
    pub(crate) fn candidate(&self, attempt: u8) -> Ipv6Addr {
        let mut addr = self.draw(attempt, 0);
        // One draw in 2^40 is reserved; three in a row are as good as impossible.
        for salt in 1..4 {
            if !is_reserved(addr) {
                break;
            }
            addr = self.draw(attempt, salt);
        }
        addr
    }

    fn draw(&self, attempt: u8, salt: u8) -> Ipv6Addr {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(&self.network_bits().to_be_bytes());
        hasher.write(&self.interface);
        hasher.write(&self.network.to_be_bytes());
        hasher.write(&[attempt, salt]);
        let host = u128::from(hasher.finish()) & !self.mask();
        self.neutral(Ipv6Addr::from_bits(self.network_bits() | host))
    }

    /// Sets the last sixteen bits so that the sum of the IPv6 addresses is that of the IPv4 addresses.
    fn neutral(&self, addr: Ipv6Addr) -> Ipv6Addr {
        let words = addr.segments();
        let fixed = words.iter().take(7).map(|w| u32::from(*w)).sum::<u32>() + self.pref64_sum();
        let wanted = fold(self.v4_sum() + u32::from(!fold(fixed)));
        let bits = (addr.to_bits() & !0xffff) | u128::from(wanted);
        Ipv6Addr::from_bits(bits)
    }

    fn v4_sum(&self) -> u32 {
        let [a, b, c, d] = self.clat_v4.octets();
        u32::from(u16::from_be_bytes([a, b])) + u32::from(u16::from_be_bytes([c, d]))
    }

    /// What the PREF64 adds to a sum. Where it puts the IPv4 address at odd octets, nothing makes up for it:
    /// then only the CLAT address is neutral.
    fn pref64_sum(&self) -> u32 {
        match self.pref64.len() {
            32 | 96 => self.pref64.prefix().segments().iter().map(|w| u32::from(*w)).sum(),
            _ => 0,
        }
    }

    fn mask(&self) -> u128 {
        !u128::MAX.checked_shr(u32::from(self.prefix_len)).unwrap_or(0)
    }

    fn network_bits(&self) -> u128 {
        self.prefix.to_bits() & self.mask()
    }
}

/// A one's complement sum in sixteen bits.
fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).unwrap_or(0)
}

/// Interface identifiers that belong to something else (RFC 5453 and its registry): the subnet-router
/// anycast address, IANA's Ethernet block, the subnet anycast addresses.
pub(crate) const fn is_reserved(addr: Ipv6Addr) -> bool {
    let iid = addr.to_bits() & 0xffff_ffff_ffff_ffff;
    iid == 0 || iid >> 24 == 0x02_005e_fffe || iid >= 0xfdff_ffff_ffff_ff80 && iid <= 0xfdff_ffff_ffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recipe() -> Recipe {
        Recipe {
            secret: *b"0123456789abcdef",
            prefix: "2001:db8:1:2::".parse().unwrap(),
            prefix_len: 64,
            interface: [2, 0, 0, 0, 0, 1],
            network: 0,
            clat_v4: Ipv4Addr::new(192, 0, 0, 1),
            pref64: Pref64::WELL_KNOWN,
        }
    }

    fn sum(addr: &[u16]) -> u16 {
        fold(addr.iter().map(|w| u32::from(*w)).sum())
    }

    #[test]
    fn rfc7217_section_5_stable_and_different() {
        let base = recipe();
        let first = base.candidate(0);
        assert_eq!(first, recipe().candidate(0));
        assert_eq!(first.segments()[..4], [0x2001, 0xdb8, 1, 2]);
        let others = [
            base.candidate(1),
            Recipe { network: 1, ..base }.candidate(0),
            Recipe { interface: [2, 0, 0, 0, 0, 2], ..base }.candidate(0),
            Recipe { secret: [1; 16], ..base }.candidate(0),
            Recipe { prefix: "2001:db8:1:3::".parse().unwrap(), ..base }.candidate(0),
        ];
        for other in others {
            assert_ne!(other.segments()[4..], first.segments()[4..]);
        }
    }

    #[test]
    fn rfc6052_section_4_1_neutral_with_the_well_known_prefix() {
        let addr = recipe().candidate(0);
        assert_eq!(sum(&addr.segments()), sum(&[0xc000, 0x0001]));
    }

    #[test]
    fn rfc5453_reserved_identifiers() {
        for reserved in [
            "2001:db8::",
            "2001:db8::200:5eff:fe00:5213",
            "2001:db8::200:5eff:feff:ffff",
            "2001:db8::fdff:ffff:ffff:ff80",
        ] {
            assert!(is_reserved(reserved.parse().unwrap()), "{reserved}");
        }
        for free in [
            "2001:db8::1",
            "2001:db8::200:5eff:fd00:0",
            "2001:db8::fdff:ffff:ffff:ff7f",
            "2001:db8::fe00:0:0:0",
        ] {
            assert!(!is_reserved(free.parse().unwrap()), "{free}");
        }
    }

    proptest! {
        #[test]
        fn any_packet_of_the_clat_is_neutral(secret: [u8; 16], v4: u32, remote: u32, high: u64, attempt: u8, len in prop::sample::select(&[32u8, 96][..])) {
            let pref64 = Pref64::new(Ipv6Addr::from_bits(0x2001_0db8_0011_0022_u128 << 64 & !(u128::MAX >> len)), len).unwrap();
            let prefix = Ipv6Addr::from_bits(u128::from(high) << 64);
            let recipe = Recipe { secret, prefix, clat_v4: v4.into(), pref64, ..recipe() };
            let local = recipe.candidate(attempt);
            prop_assert_eq!(local.to_bits() >> 64, u128::from(high));
            let remote = Ipv4Addr::from(remote);
            let [a, b, c, d] = remote.octets();
            let v6 = [local.segments(), pref64.embed(remote).segments()].concat();
            let v4 = [(v4 >> 16) as u16, v4 as u16, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
            // 0 and 0xffff are the same number in one's complement.
            prop_assert_eq!(sum(&v6) % 0xffff, sum(&v4) % 0xffff);
        }
    }
}
