//! Router Advertisements (RFC 4861 section 4.2): which are believed, and their options.
//!
//! ```text
//! |     Type 134  |     Code 0    |          Checksum             |
//! | Cur Hop Limit |M|O|  Reserved |       Router Lifetime         |
//! |                         Reachable Time                        |
//! |                          Retrans Timer                        |
//! |   Options ...
//! ```

use super::icmp6::{self, option};
use crate::{Icmpv6In, Mac};
use clat_core::RaPref64;
use core::net::Ipv6Addr;

/// A Router Advertisement that passed the checks of RFC 4861 section 6.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouterAdvert<'a> {
    /// The router.
    pub(crate) router: Ipv6Addr,
    /// How long it is a default router, in seconds; zero is not one.
    pub(crate) router_lifetime_s: u16,
    options: &'a [u8],
}

/// An option of a Router Advertisement that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RaOption<'a> {
    /// The router's link-layer address.
    SourceMac(Mac),
    /// The MTU of the link in bytes (RFC 4861 section 4.6.4).
    Mtu(u32),
    /// A prefix (RFC 4861 section 4.6.2).
    Prefix(PrefixInfo),
    /// A NAT64 prefix (RFC 8781).
    Pref64(RaPref64),
    /// Resolvers (RFC 8106 section 5.1).
    Rdnss(Rdnss<'a>),
}

/// A prefix of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PrefixInfo {
    /// Bits beyond the length are as received.
    pub(crate) prefix: Ipv6Addr,
    /// In bits.
    pub(crate) len: u8,
    /// Whether it is on-link.
    pub(crate) on_link: bool,
    /// Whether hosts make addresses in it by themselves.
    pub(crate) autonomous: bool,
    /// In seconds; all ones is for ever.
    pub(crate) valid_s: u32,
    /// In seconds; zero is deprecated.
    pub(crate) preferred_s: u32,
}

/// Recursive resolvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rdnss<'a> {
    /// In seconds; zero withdraws, all ones is for ever.
    pub(crate) lifetime_s: u32,
    servers: &'a [u8],
}

impl Rdnss<'_> {
    /// The addresses, best first.
    pub(crate) fn servers(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.servers.as_chunks::<16>().0.iter().map(|octets| Ipv6Addr::from(*octets))
    }
}

impl<'a> RouterAdvert<'a> {
    const FIXED: usize = 16;

    /// Reads an advertisement.
    ///
    /// `None` unless the source is link-local, the hop limit 255, the code 0, the checksum right, the
    /// length at least 16 and every option longer than zero (RFC 4861 section 6.1.2).
    pub(crate) fn parse(received: &Icmpv6In<'a>) -> Option<Self> {
        let options = icmp6::neighbour_discovery(received, Self::FIXED)?;
        let [icmp6::kind::ROUTER_ADVERTISEMENT, _, _, _, _, _, hi, lo, ..] = received.message else {
            return None;
        };
        let router_lifetime_s = u16::from_be_bytes([*hi, *lo]);
        received.source.is_unicast_link_local().then_some(Self {
            router: received.source,
            router_lifetime_s,
            options,
        })
    }

    /// The options that matter here; others and malformed ones are passed over.
    pub(crate) fn options(&self) -> impl Iterator<Item = RaOption<'a>> {
        icmp6::options(self.options).filter_map(read_option)
    }
}

fn read_option(bytes: &[u8]) -> Option<RaOption<'_>> {
    match bytes {
        [option::SOURCE_LINK_LAYER, 1, mac @ ..] => mac.first_chunk().map(|mac| RaOption::SourceMac(*mac)),
        [option::MTU, 1, _, _, mtu @ ..] => {
            mtu.first_chunk().map(|mtu| RaOption::Mtu(u32::from_be_bytes(*mtu)))
        }
        [option::PREFIX_INFORMATION, 4, len @ 0..=128, flags, rest @ ..] => {
            let (valid, rest) = rest.split_first_chunk()?;
            Some(RaOption::Prefix(PrefixInfo {
                prefix: icmp6::address(bytes, 16)?,
                len: *len,
                on_link: flags & 0x80 != 0,
                autonomous: flags & 0x40 != 0,
                valid_s: u32::from_be_bytes(*valid),
                preferred_s: u32::from_be_bytes(*rest.first_chunk()?),
            }))
        }
        // Two units an address and one for the head: an even length is malformed (RFC 8106 section 5.3.1).
        [option::RDNSS, len, _, _, rest @ ..] if *len >= 3 && len % 2 == 1 => {
            let (lifetime, servers) = rest.split_first_chunk()?;
            Some(RaOption::Rdnss(Rdnss { lifetime_s: u32::from_be_bytes(*lifetime), servers }))
        }
        [RaPref64::TYPE, ..] => RaPref64::parse(bytes).map(RaOption::Pref64),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clat_core::Pref64;
    use std::vec::Vec;

    pub(crate) const ROUTER: &str = "fe80::1";
    const ALL_NODES: &str = "ff02::1";

    /// An advertisement with these options, sealed.
    pub(crate) fn advert(lifetime_s: u16, options: &[&[u8]]) -> Vec<u8> {
        let mut message = std::vec![134, 0, 0, 0, 64, 0];
        message.extend(lifetime_s.to_be_bytes());
        message.extend([0; 8]);
        options.iter().for_each(|o| message.extend(*o));
        icmp6::seal(ROUTER.parse().unwrap(), ALL_NODES.parse().unwrap(), &mut message);
        message
    }

    pub(crate) fn received(message: &[u8]) -> Icmpv6In<'_> {
        Icmpv6In {
            ifindex: 2,
            source: ROUTER.parse().unwrap(),
            destination: ALL_NODES.parse().unwrap(),
            hop_limit: 255,
            source_mac: None,
            message,
        }
    }

    #[test]
    fn rfc4861_section_6_1_2_what_is_silently_discarded() {
        let good = advert(1800, &[&[1, 1, 2, 0, 0, 0, 0, 1]]);
        assert!(RouterAdvert::parse(&received(&good)).is_some());

        let bad = |change: fn(&mut Icmpv6In<'_>)| {
            let mut input = received(&good);
            change(&mut input);
            RouterAdvert::parse(&input)
        };
        assert_eq!(bad(|i| i.hop_limit = 254), None, "hop limit");
        assert_eq!(bad(|i| i.source = "2001:db8::1".parse().unwrap()), None, "source not link-local");
        assert_eq!(bad(|i| i.destination = "ff02::2".parse().unwrap()), None, "checksum");

        let mut code = good.clone();
        code[1] = 1;
        icmp6::seal(ROUTER.parse().unwrap(), ALL_NODES.parse().unwrap(), &mut code);
        assert_eq!(RouterAdvert::parse(&received(&code)), None, "code");

        let zero = advert(1800, &[&[1, 0, 2, 0, 0, 0, 0, 1]]);
        assert_eq!(RouterAdvert::parse(&received(&zero)), None, "option of length zero");
        for cut in 0..good.len() {
            assert_eq!(RouterAdvert::parse(&received(&good[..cut])), None, "cut at {cut}");
        }
    }

    #[test]
    fn every_option_is_read() {
        let pref64 = RaPref64 { prefix: Pref64::WELL_KNOWN, lifetime_s: 600 };
        let mut pio = [0u8; 32];
        pio[..4].copy_from_slice(&[3, 4, 64, 0xc0]);
        pio[4..8].copy_from_slice(&3600u32.to_be_bytes());
        pio[8..12].copy_from_slice(&600u32.to_be_bytes());
        pio[16..20].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        let mut rdnss = [0u8; 24];
        rdnss[..8].copy_from_slice(&[25, 3, 0, 0, 0, 0, 0, 60]);
        rdnss[8..].copy_from_slice(&"2001:db8::53".parse::<Ipv6Addr>().unwrap().octets());
        let message = advert(
            9,
            &[
                &[1, 1, 2, 0, 0, 0, 0, 1],
                &[5, 1, 0, 0, 0, 0, 5, 0xdc],
                &pio,
                &rdnss,
                &pref64.emit(),
                &[200, 1, 0, 0, 0, 0, 0, 0],
            ],
        );
        let advert = RouterAdvert::parse(&received(&message)).unwrap();
        assert_eq!(advert.router_lifetime_s, 9);
        let options: Vec<_> = advert.options().collect();
        assert_eq!(options.len(), 5);
        assert_eq!(options[0], RaOption::SourceMac([2, 0, 0, 0, 0, 1]));
        assert_eq!(options[1], RaOption::Mtu(1500));
        assert!(
            matches!(options[2], RaOption::Prefix(p) if p.len == 64 && p.on_link && p.autonomous && (p.valid_s, p.preferred_s) == (3600, 600) && p.prefix.to_string() == "2001:db8::")
        );
        let RaOption::Rdnss(rdnss) = options[3] else { panic!("{:?}", options[3]) };
        assert_eq!(rdnss.lifetime_s, 60);
        assert_eq!(rdnss.servers().collect::<Vec<_>>(), ["2001:db8::53".parse::<Ipv6Addr>().unwrap()]);
        assert_eq!(options[4], RaOption::Pref64(pref64));
    }

    use std::string::ToString;
}
