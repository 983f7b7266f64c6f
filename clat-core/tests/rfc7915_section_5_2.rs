//! RFC 7915 section 5.2: ICMPv6 headers into ICMPv4 headers.

mod common;

use clat_model::build::{V4, V6};
use common::{bytes_of, host, silent, translates};

/// A packet that the host sent, as both sides quote it.
fn quotes() -> (Vec<u8>, Vec<u8>) {
    (V4::out().df(false).ident(0).udp(5000, 53, b"question"), V6::out().udp(5000, 53, b"question"))
}

#[test]
fn echo_request_and_reply() {
    for (v6, v4) in [(128, 8), (129, 0)] {
        for len in [0, 1, 56, 1000] {
            for word in [[0; 4], [0x12, 0x34, 0, 1], [0xff; 4]] {
                let sent = V6::back().icmp(v6, 0, word, &bytes_of(len));
                translates(&sent, &V4::back().ttl(63).icmp(v4, 0, word, &bytes_of(len)));
            }
        }
        let sent = V6::back().icmp(v6, 7, [0, 1, 0, 2], b"code");
        translates(&sent, &V4::back().ttl(63).icmp(v4, 0, [0, 1, 0, 2], b"code"));
    }
}

/// The lists of the section, types and codes that are not named being silently dropped.
fn expected(kind: u8, code: u8) -> Option<(u8, u8, [u8; 4])> {
    Some(match (kind, code) {
        (1, 0) | (1, 2) | (1, 3) => (3, 1, [0; 4]),
        (1, 1) => (3, 10, [0; 4]),
        (1, 4) => (3, 3, [0; 4]),
        // An MTU below the IPv6 minimum counts as that.
        (2, _) => (3, 4, [0, 0, 0x04, 0xec]),
        (3, code) => (11, code, [0; 4]),
        (4, 0) => (12, 0, [0; 4]),
        (4, 1) => (3, 2, [0; 4]),
        _ => return None,
    })
}

#[test]
fn every_type_and_code() {
    let (quoted4, quoted6) = quotes();
    for kind in (0..=255).filter(|k| !matches!(k, 128 | 129)) {
        for code in 0..=255 {
            let sent = V6::back().icmp(kind, code, [0; 4], &quoted6);
            match expected(kind, code) {
                Some((kind, code, word)) => {
                    translates(&sent, &V4::back().ttl(63).icmp(kind, code, word, &quoted4));
                }
                None => silent(&host(), &sent, "icmp_type"),
            }
        }
    }
}

/// Figure 6.
#[test]
fn every_pointer() {
    let counterpart = |pointer: u32| -> Option<u8> {
        Some(match pointer {
            0 => 0,
            1 => 1,
            4 | 5 => 2,
            6 => 9,
            7 => 8,
            8..=23 => 12,
            24..=39 => 16,
            _ => return None,
        })
    };
    let (quoted4, quoted6) = quotes();
    for pointer in (0..64).chain([255, 256, 263, 65_536, 0x0100_0000, 1 << 31, u32::MAX]) {
        let sent = V6::back().icmp(4, 0, pointer.to_be_bytes(), &quoted6);
        match counterpart(pointer) {
            Some(v4) => translates(&sent, &V4::back().ttl(63).icmp(12, 0, [v4, 0, 0, 0], &quoted4)),
            None => silent(&host(), &sent, "icmp_pointer"),
        }
    }
    // The pointer of an unrecognized next header has no counterpart and needs none.
    for pointer in [0u32, 6, 40, u32::MAX] {
        let sent = V6::back().icmp(4, 1, pointer.to_be_bytes(), &quoted6);
        translates(&sent, &V4::back().ttl(63).icmp(3, 2, [0; 4], &quoted4));
    }
}

/// "min((MTU value in the Packet Too Big Message) - 20, MTU of IPv4 next hop, (MTU of IPv6 next hop) - 20)",
/// taking into account whether the packet in error includes a Fragment Header.
#[test]
fn mtu_arithmetic() {
    let mut c = host();
    for (v6_mtu, v4_mtu, reported, plain, fragmented) in [
        (1500, 1500, 1400, 1380, 1372),
        (1500, 1500, 1500, 1480, 1472),
        (1500, 1500, 9000, 1480, 1472),
        (1500, 1500, 1280, 1260, 1252),
        (1500, 1500, 1279, 1260, 1252),
        (1500, 1500, 0, 1260, 1252),
        (1500, 1500, u32::MAX, 1480, 1472),
        (9000, 1400, 8000, 1400, 1400),
        (1280, 9000, 8000, 1260, 1252),
        (100_000, 100_000, 70_000, 65_535, 65_535),
        (100_000, 100_000, 65_555, 65_535, 65_527),
    ] {
        (c.v6_mtu, c.v4_mtu) = (v6_mtu, v4_mtu);
        for (quoted, expected) in [
            (V6::out().udp(5000, 53, &bytes_of(100)), plain),
            (V6::out().fragment(7, 0, true).udp(5000, 53, &bytes_of(96)), fragmented),
        ] {
            let sent = V6::back().icmp(2, 0, u32::to_be_bytes(reported), &quoted);
            let got = common::translate(&c, &sent).forwarded;
            assert_eq!(got[0][20..22], [3, 4]);
            let mtu = u16::from_be_bytes([got[0][26], got[0][27]]);
            assert_eq!(u32::from(mtu), expected, "{v6_mtu} {v4_mtu} {reported}");
            assert_eq!(got[0][24..26], [0, 0], "unused");
        }
    }
}

#[test]
fn errors_with_a_wrong_checksum_are_dropped() {
    let (_, quoted) = quotes();
    let mut sent = V6::back().icmp(1, 4, [0; 4], &quoted);
    sent[42] ^= 0x10;
    silent(&host(), &sent, "bad_icmp_checksum");
}

#[test]
fn messages_cut_short() {
    for len in 0..8 {
        for kind in [128, 129, 1, 2, 3, 4] {
            let message = clat_model::build::icmp(kind, 0, [0; 4], &[]);
            silent(&host(), &V6::back().raw(58, &message[..len]), "truncated_transport");
        }
    }
}
