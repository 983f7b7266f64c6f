//! Configuration in plain types, and address mapping bit by bit.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A row of an explicit address mapping table (RFC 7757): an IPv4 and an IPv6 prefix, lengths in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The IPv4 prefix.
    pub v4: Ipv4Addr,
    /// Its length.
    pub v4_len: u8,
    /// The IPv6 prefix.
    pub v6: Ipv6Addr,
    /// Its length.
    pub v6_len: u8,
}

/// What the translator is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The NAT64 prefix and its length in bits.
    pub pref64: (Ipv6Addr, u8),
    /// The rows of the local side.
    pub rows: Vec<Row>,
    /// MTU of the IPv6 side in bytes; below 1280 it counts as 1280.
    pub v6_mtu: u32,
    /// MTU of the IPv4 side in bytes; below 68 it counts as 68.
    pub v4_mtu: u32,
    /// `lowest-ipv6-mtu` in bytes; below 1280 it counts as 1280.
    pub lowest_v6_mtu: u32,
    /// Drop IPv4 UDP datagrams without checksum.
    pub drop_udp_zero: bool,
    /// Write this instead of copying the type of service.
    pub tos: Option<u8>,
    /// Drop private IPv4 destinations under 64:ff9b::/96.
    pub drop_private: bool,
    /// The IPv4 source of ICMPv6 errors from sources without mapping; `None` drops them.
    pub native_source: Option<Ipv4Addr>,
    /// Answer what cannot be translated.
    pub errors: bool,
    /// Source of ICMPv4 errors.
    pub v4_error_source: Ipv4Addr,
    /// Source of ICMPv6 errors; `None` is the destination of the packet in error.
    pub v6_error_source: Option<Ipv6Addr>,
}

impl Config {
    /// The defaults of a host with one address in each family.
    #[must_use]
    pub fn host(pref64: (Ipv6Addr, u8), v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        Self {
            pref64,
            rows: vec![Row { v4, v4_len: 32, v6, v6_len: 128 }],
            v6_mtu: 1500,
            v4_mtu: 1500,
            lowest_v6_mtu: 1280,
            drop_udp_zero: false,
            tos: None,
            drop_private: false,
            native_source: Some(Ipv4Addr::new(192, 0, 0, 8)),
            errors: true,
            v4_error_source: Ipv4Addr::new(192, 0, 0, 8),
            v6_error_source: None,
        }
    }

    pub(crate) fn v6_mtu(&self) -> usize {
        self.v6_mtu.max(1280) as usize
    }

    pub(crate) fn v4_mtu(&self) -> usize {
        self.v4_mtu.max(68) as usize
    }

    /// The largest IPv6 packet made of an IPv4 packet that may be fragmented.
    pub(crate) fn lowest(&self) -> usize {
        (self.lowest_v6_mtu.max(1280) as usize).min(self.v6_mtu())
    }

    pub(crate) fn tos(&self, received: u8) -> u8 {
        self.tos.unwrap_or(received)
    }

    /// The IPv6 address that a row gives to an IPv4 address.
    #[must_use]
    pub fn row_to_v6(&self, v4: Ipv4Addr) -> Option<Ipv6Addr> {
        let bits = bits_of(&v4.octets());
        let covers = |r: &&Row| bits_of(&r.v4.octets())[..r.v4_len.into()] == bits[..r.v4_len.into()];
        let row = self.rows.iter().filter(covers).max_by_key(|r| r.v4_len)?;
        let mut out = bits_of(&row.v6.octets())[..row.v6_len.into()].to_vec();
        out.extend(&bits[row.v4_len.into()..]);
        out.resize(128, false);
        Some(Ipv6Addr::from(octets_of(&out)))
    }

    /// The IPv4 address that a row gives to an IPv6 address.
    #[must_use]
    pub fn row_to_v4(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let bits = bits_of(&v6.octets());
        let covers = |r: &&Row| bits_of(&r.v6.octets())[..r.v6_len.into()] == bits[..r.v6_len.into()];
        let row = self.rows.iter().filter(covers).max_by_key(|r| r.v6_len)?;
        let mut out = bits_of(&row.v4.octets())[..row.v4_len.into()].to_vec();
        out.extend(&bits[row.v6_len.into()..]);
        out.truncate(32);
        Some(Ipv4Addr::from(octets_of(&out)))
    }

    /// RFC 6052 section 2.2: the prefix, then the IPv4 address, but bits 64 to 71 are left out and zero.
    #[must_use]
    pub fn embed(&self, v4: Ipv4Addr) -> Ipv6Addr {
        let mut out = bits_of(&self.pref64.0.octets());
        let places = (usize::from(self.pref64.1)..128).filter(|i| !(64..72).contains(i));
        for (place, bit) in places.zip(bits_of(&v4.octets())) {
            out[place] = bit;
        }
        Ipv6Addr::from(octets_of(&out))
    }

    /// RFC 6052 section 2.3: the address under the prefix, whatever the bits 64 to 71 and the suffix are.
    #[must_use]
    pub fn extract(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        let (prefix, len) = (bits_of(&self.pref64.0.octets()), usize::from(self.pref64.1));
        let bits = bits_of(&v6.octets());
        if prefix[..len] != bits[..len] {
            return None;
        }
        let places = (len..128).filter(|i| !(64..72).contains(i));
        let v4: Vec<bool> = places.take(32).map(|i| bits[i]).collect();
        Some(Ipv4Addr::from(octets_of(&v4)))
    }

    /// Rows first, then the prefix (RFC 7757 section 4).
    pub(crate) fn plat_to_v6(&self, v4: Ipv4Addr) -> Ipv6Addr {
        self.row_to_v6(v4).unwrap_or_else(|| self.embed(v4))
    }

    /// Rows first, then the prefix (RFC 7757 section 4).
    pub(crate) fn plat_to_v4(&self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        self.row_to_v4(v6).or_else(|| self.extract(v6))
    }

    pub(crate) fn is_well_known(&self) -> bool {
        self.pref64 == (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96)
    }
}

fn bits_of(octets: &[u8]) -> Vec<bool> {
    octets.iter().flat_map(|o| (0..8).rev().map(move |i| o >> i & 1 == 1)).collect()
}

fn octets_of<const N: usize>(bits: &[bool]) -> [u8; N] {
    let mut out = [0; N];
    for (i, bit) in bits.iter().enumerate() {
        out[i / 8] |= u8::from(*bit) << (7 - i % 8);
    }
    out
}

/// RFC 1812 section 5.3.7 and RFC 3927 section 7, by ranges.
pub(crate) fn is_martian_v4(addr: Ipv4Addr) -> bool {
    let within = |low: [u8; 4], high: [u8; 4]| (Ipv4Addr::from(low)..=Ipv4Addr::from(high)).contains(&addr);
    within([0; 4], [0, 255, 255, 255])
        || within([127, 0, 0, 0], [127, 255, 255, 255])
        || within([169, 254, 0, 0], [169, 254, 255, 255])
        || within([224, 0, 0, 0], [255; 4])
}

/// RFC 1918 and RFC 6598, by ranges.
pub(crate) fn is_private_v4(addr: Ipv4Addr) -> bool {
    let within = |low: [u8; 4], high: [u8; 4]| (Ipv4Addr::from(low)..=Ipv4Addr::from(high)).contains(&addr);
    within([10, 0, 0, 0], [10, 255, 255, 255])
        || within([172, 16, 0, 0], [172, 31, 255, 255])
        || within([192, 168, 0, 0], [192, 168, 255, 255])
        || within([100, 64, 0, 0], [100, 127, 255, 255])
}

/// RFC 4291 sections 2.5.2, 2.5.3, 2.5.5.2, 2.5.6 and 2.7.
pub(crate) fn is_martian_v6(addr: Ipv6Addr) -> bool {
    let o = addr.octets();
    addr == Ipv6Addr::UNSPECIFIED
        || addr == Ipv6Addr::LOCALHOST
        || o[0] == 0xff
        || (o[0] == 0xfe && o[1] & 0xc0 == 0x80)
        || (o[..10] == [0; 10] && o[10..12] == [0xff, 0xff])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6052_section_2_4_examples() {
        for (prefix, len, expected) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
        ] {
            let prefix = (prefix.parse().unwrap(), len);
            let c = Config::host(prefix, Ipv4Addr::new(192, 0, 0, 1), "2001:db8::464".parse().unwrap());
            let (v4, v6) = (Ipv4Addr::new(192, 0, 2, 33), expected.parse().unwrap());
            assert_eq!(c.embed(v4), v6, "/{len}");
            assert_eq!(c.extract(v6), Some(v4), "/{len}");
        }
    }

    #[test]
    fn rfc7757_longest_row_wins() {
        let mut c = Config::host(
            ("64:ff9b::".parse().unwrap(), 96),
            "192.0.2.1".parse().unwrap(),
            "2001:db8:aaaa::".parse().unwrap(),
        );
        c.rows.push(Row {
            v4: "192.0.2.0".parse().unwrap(),
            v4_len: 24,
            v6: "2001:db8:bbbb::".parse().unwrap(),
            v6_len: 64,
        });
        assert_eq!(c.row_to_v6("192.0.2.1".parse().unwrap()), Some("2001:db8:aaaa::".parse().unwrap()));
        assert_eq!(c.row_to_v6("192.0.2.7".parse().unwrap()), Some("2001:db8:bbbb:0:700::".parse().unwrap()));
        let v6 = "2001:db8:bbbb:0:7ff::1".parse().unwrap();
        assert_eq!(c.row_to_v4(v6), Some("192.0.2.7".parse().unwrap()));
    }
}
