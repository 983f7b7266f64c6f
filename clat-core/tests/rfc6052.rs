//! RFC 6052 sections 2 and 3: IPv4-embedded IPv6 addresses.

#![allow(clippy::unwrap_used)]

mod common;

use clat_core::{Pref64, Pref64Error};
use clat_model::Config;
use clat_model::build::{LOCAL_V4, V4, V6};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Section 2.4, Tables 1 and 2; the rows of the mapping are not under any of the prefixes.
const EXAMPLES: [(&str, u8, &str); 7] = [
    ("2001:db8::", 32, "2001:db8:c000:221::"),
    ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
    ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
    ("64:ff9b::", 96, "64:ff9b::192.0.2.33"),
];

const EXAMPLE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 33);

fn config(prefix: &str, len: u8) -> Config {
    Config::host((prefix.parse().unwrap(), len), LOCAL_V4, "2001:470::464".parse().unwrap())
}

fn local() -> Ipv6Addr {
    "2001:470::464".parse().unwrap()
}

#[test]
fn section_2_2_only_six_prefix_lengths_exist() {
    for len in 0..=255u8 {
        let expected = [32, 40, 48, 56, 64, 96].contains(&len);
        assert_eq!(Pref64::new(Ipv6Addr::UNSPECIFIED, len).is_ok(), expected, "/{len}");
    }
}

#[test]
fn section_2_2_bits_64_to_71_are_zero() {
    let with_u = "2001:db8:0:0:ff00::".parse().unwrap();
    assert_eq!(Pref64::new(with_u, 96), Err(Pref64Error::ReservedOctet));
    for (prefix, len, _) in EXAMPLES {
        let pref64 = Pref64::new(prefix.parse().unwrap(), len).unwrap();
        for v4 in [Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED, EXAMPLE_V4] {
            assert_eq!(pref64.embed(v4).octets()[8], 0, "/{len}");
        }
    }
}

#[test]
fn section_2_2_the_suffix_is_zero_when_sent_and_ignored_when_received() {
    for (prefix, len, text) in EXAMPLES.into_iter().filter(|(_, len, _)| *len != 96) {
        let c = config(prefix, len);
        let sent = common::translate(&c, &V4::out().dst(Ipv4Addr::new(255 - 32, 1, 2, 3)).udp(1, 2, b"x"));
        let suffix = 5 + usize::from(len / 8);
        assert!(sent.forwarded[0][24 + suffix..40].iter().all(|b| *b == 0), "/{len}");
        let mut octets = text.parse::<Ipv6Addr>().unwrap().octets();
        octets[suffix..].fill(0xa5);
        octets[8] = 0xff;
        let got = common::translate(&c, &V6::back().src(octets.into()).dst(local()).udp(1, 2, b"x"));
        assert_eq!(got.forwarded[0][12..16], EXAMPLE_V4.octets(), "/{len}");
    }
}

#[test]
fn section_2_3_the_algorithm_both_ways_on_packets() {
    for (prefix, len, text) in EXAMPLES {
        let (c, v6) = (config(prefix, len), text.parse().unwrap());
        let expected = V6::out().src(local()).dst(v6).hop_limit(63).tcp(1, 2, b"x");
        common::becomes(&c, &V4::out().dst(EXAMPLE_V4).tcp(1, 2, b"x"), &[expected]);
        let expected = V4::back().src(EXAMPLE_V4).ttl(63).tcp(1, 2, b"x");
        common::becomes(&c, &V6::back().src(v6).dst(local()).tcp(1, 2, b"x"), &[expected]);
    }
}

#[test]
fn section_2_3_every_bit_of_the_address_has_its_place() {
    for (prefix, len, _) in EXAMPLES {
        let pref64 = Pref64::new(prefix.parse().unwrap(), len).unwrap();
        let zero = pref64.embed(Ipv4Addr::UNSPECIFIED).to_bits();
        let mut last = u128::from(len != 0) << (128 - len);
        for bit in (0..32).rev() {
            let one = pref64.embed(Ipv4Addr::from(1u32 << bit)).to_bits() ^ zero;
            assert!(one.is_power_of_two() && one < last, "/{len}, bit {bit}: in order, one each");
            assert_eq!(one & 0xff << 56, 0, "/{len}, bit {bit}: not in the reserved octet");
            assert_eq!(pref64.extract(Ipv6Addr::from(zero | one)), Some(Ipv4Addr::from(1u32 << bit)));
            last = one;
        }
    }
}

#[test]
fn section_2_3_addresses_under_another_prefix_are_not_extracted() {
    for (prefix, len, text) in EXAMPLES {
        let pref64 = Pref64::new(prefix.parse().unwrap(), len).unwrap();
        let address: Ipv6Addr = text.parse().unwrap();
        for bit in 128 - u32::from(len)..128 {
            assert_eq!(
                pref64.extract(Ipv6Addr::from(address.to_bits() ^ 1 << bit)),
                None,
                "/{len}, bit {bit}"
            );
        }
    }
}

#[test]
fn section_2_4_text_representation_is_parsed() {
    for (prefix, len, _) in EXAMPLES {
        let text = format!("{prefix}/{len}");
        assert_eq!(text.parse::<Pref64>().unwrap().to_string(), text);
    }
    for text in ["64:ff9b::", "64:ff9b::/95", "64:ff9b::1/96", "64:ff9b::/x", "/96", ""] {
        assert!(text.parse::<Pref64>().is_err(), "{text}");
    }
}

/// Section 3.1 forbids non-global addresses under the well-known prefix; draft-ietf-v6ops-nat64-wkp-1918
/// takes that back, and the default follows it. RFC 8215's prefix has never been restricted.
#[test]
fn section_3_1_private_addresses_under_the_well_known_prefix() {
    let private = Ipv4Addr::new(192, 168, 1, 1);
    let sent = V4::out().dst(private).udp(1, 2, b"x");
    for (prefix, len, refused) in
        [("64:ff9b::", 96, true), ("64:ff9b:1::", 48, false), ("2001:db8:64::", 96, false)]
    {
        let mut c = config(prefix, len);
        assert_eq!(common::translate(&c, &sent).forwarded.len(), 1);
        c.drop_private = true;
        assert_eq!(common::translate(&c, &sent).forwarded.is_empty(), refused, "{prefix}/{len}");
    }
}

/// Section 4.1: under the well-known prefix the remote address changes no checksum.
#[test]
fn section_4_1_the_well_known_prefix_is_checksum_neutral() {
    for v4 in [EXAMPLE_V4, Ipv4Addr::new(1, 2, 3, 4), Ipv4Addr::new(203, 0, 113, 255)] {
        let v6 = Pref64::WELL_KNOWN.embed(v4);
        assert_eq!(clat_model::residue(&v6.octets()), clat_model::residue(&v4.octets()));
    }
}
