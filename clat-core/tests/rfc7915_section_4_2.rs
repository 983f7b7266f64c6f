//! RFC 7915 section 4.2: ICMPv4 headers into ICMPv6 headers.

mod common;

use clat_model::build::{V4, V6};
use common::{answered, becomes, bytes_of, host, silent, translates};

/// A packet that the host got, as both sides quote it.
fn quotes() -> (Vec<u8>, Vec<u8>) {
    (V4::back().udp(53, 5000, b"answer"), V6::back().udp(53, 5000, b"answer"))
}

#[test]
fn echo_request_and_reply() {
    for (v4, v6) in [(8, 128), (0, 129)] {
        for len in [0, 1, 56, 1000] {
            for word in [[0; 4], [0x12, 0x34, 0, 1], [0xff; 4]] {
                let sent = V4::out().icmp(v4, 0, word, &bytes_of(len));
                translates(&sent, &V6::out().hop_limit(63).icmp(v6, 0, word, &bytes_of(len)));
            }
        }
        let sent = V4::out().icmp(v4, 7, [0, 1, 0, 2], b"code");
        translates(&sent, &V6::out().hop_limit(63).icmp(v6, 0, [0, 1, 0, 2], b"code"));
    }
}

#[test]
fn an_echo_larger_than_lowest_ipv6_mtu_is_fragmented_with_one_checksum() {
    let body = bytes_of(1400);
    let whole = V6::out().hop_limit(63).icmp(128, 0, [0, 1, 0, 2], &body);
    let expected = [
        V6::out().hop_limit(63).fragment(0x1234, 0, true).raw(58, &whole[40..1272]),
        V6::out().hop_limit(63).fragment(0x1234, 1232, false).raw(58, &whole[1272..]),
    ];
    becomes(&host(), &V4::out().df(false).icmp(8, 0, [0, 1, 0, 2], &body), &expected);
}

/// The lists of the section, types and codes that are not named being silently dropped.
fn expected(kind: u8, code: u8) -> Option<(u8, u8, [u8; 4])> {
    Some(match (kind, code) {
        (3, 0) | (3, 1) => (1, 0, [0; 4]),
        (3, 2) => (4, 1, [0, 0, 0, 6]),
        (3, 3) => (1, 4, [0; 4]),
        (3, 4) => (2, 0, 1280u32.to_be_bytes()),
        (3, 5) | (3, 6) | (3, 7) | (3, 8) => (1, 0, [0; 4]),
        (3, 9) | (3, 10) => (1, 1, [0; 4]),
        (3, 11) | (3, 12) => (1, 0, [0; 4]),
        (3, 13) | (3, 15) => (1, 1, [0; 4]),
        (11, code) => (3, code, [0; 4]),
        (12, 0) | (12, 2) => (4, 0, [0; 4]),
        _ => return None,
    })
}

#[test]
fn every_type_and_code() {
    let (quoted4, quoted6) = quotes();
    for kind in (0..=255).filter(|k| !matches!(k, 0 | 8)) {
        for code in 0..=255 {
            let sent = V4::out().icmp(kind, code, [0; 4], &quoted4);
            match expected(kind, code) {
                Some((kind, code, word)) => {
                    translates(&sent, &V6::out().hop_limit(63).icmp(kind, code, word, &quoted6));
                }
                None => silent(&host(), &sent, "icmp_type"),
            }
        }
    }
}

/// Figure 3.
#[test]
fn every_pointer() {
    let table = [
        (0, 0),
        (1, 1),
        (2, 4),
        (3, 4),
        (8, 7),
        (9, 6),
        (12, 8),
        (13, 8),
        (14, 8),
        (15, 8),
        (16, 24),
        (17, 24),
        (18, 24),
        (19, 24),
    ];
    let (quoted4, quoted6) = quotes();
    for code in [0, 2] {
        for pointer in 0..=255 {
            let sent = V4::out().icmp(12, code, [pointer, 0, 0, 0], &quoted4);
            match table.iter().find(|(v4, _)| *v4 == pointer) {
                Some((_, v6)) => {
                    translates(&sent, &V6::out().hop_limit(63).icmp(4, 0, [0, 0, 0, *v6], &quoted6));
                }
                None => silent(&host(), &sent, "icmp_pointer"),
            }
        }
    }
}

fn packet_too_big(c: &clat_model::Config, mtu: u16, quoted_len: u16) -> u32 {
    let [hi, lo] = mtu.to_be_bytes();
    let quoted = V4::back().claim(quoted_len).udp(53, 5000, b"first eight bytes");
    let did = common::translate(c, &V4::out().icmp(3, 4, [0, 0, hi, lo], &quoted));
    let message = &did.forwarded[0][40..];
    assert_eq!(message[..2], [2, 0]);
    u32::from_be_bytes([message[4], message[5], message[6], message[7]])
}

/// "max(1280, min((MTU value in the Packet Too Big Message) + 20, MTU of IPv6 next hop, (MTU of IPv4 next hop) + 20))"
#[test]
fn mtu_arithmetic() {
    let mut c = host();
    for (v6_mtu, v4_mtu, reported, expected) in [
        (1500, 1500, 1400, 1420),
        (1500, 1500, 1480, 1500),
        (1500, 1500, 1500, 1500),
        (1500, 1500, 65535, 1500),
        (1500, 1500, 1261, 1281),
        (1500, 1500, 1260, 1280),
        (1500, 1500, 1259, 1280),
        (1500, 1500, 68, 1280),
        (1500, 1500, 1, 1280),
        (9000, 1400, 8000, 1420),
        (9000, 9000, 8000, 8020),
        (1280, 9000, 8000, 1280),
        (100_000, 100_000, 65535, 65555),
    ] {
        (c.v6_mtu, c.v4_mtu) = (v6_mtu, v4_mtu);
        assert_eq!(packet_too_big(&c, reported, 9000), expected, "{v6_mtu} {v4_mtu} {reported}");
    }
}

/// An MTU of zero: the greatest plateau of RFC 1191 that is less than the quoted Total Length.
#[test]
fn plateaus() {
    let mut c = host();
    (c.v6_mtu, c.v4_mtu) = (100_000, 100_000);
    for (quoted, plateau) in [
        (65535, 32000),
        (32001, 32000),
        (32000, 17914),
        (17915, 17914),
        (17914, 8166),
        (8167, 8166),
        (8166, 4352),
        (4353, 4352),
        (4352, 2002),
        (2003, 2002),
        (2002, 1492),
        (1493, 1492),
        (1492, 1260),
        (576, 1260),
        (68, 1260),
    ] {
        assert_eq!(packet_too_big(&c, 0, quoted), plateau + 20, "{quoted}");
    }
}

#[test]
fn errors_with_a_wrong_checksum_are_dropped() {
    let (quoted, _) = quotes();
    let mut sent = V4::out().icmp(3, 3, [0; 4], &quoted);
    sent[22] ^= 0x10;
    silent(&host(), &sent, "bad_icmp_checksum");
}

#[test]
fn fragments_of_icmp_messages_are_not_translated() {
    let echo = clat_model::build::icmp(8, 0, [0, 1, 0, 2], &bytes_of(64));
    answered(&host(), &V4::out().fragment(0, true).raw(1, &echo), "fragmented_icmp", (3, 13, 0));
    silent(&host(), &V4::out().fragment(72, true).raw(1, &bytes_of(64)), "fragmented_icmp");
    silent(&host(), &V4::out().fragment(72, false).raw(1, &bytes_of(60)), "fragmented_icmp");
    let (quoted, _) = quotes();
    let error = clat_model::build::icmp(3, 3, [0; 4], &quoted[..32]);
    silent(&host(), &V4::out().fragment(0, true).raw(1, &error), "fragmented_icmp");
}

#[test]
fn messages_cut_short() {
    for len in 0..8 {
        for kind in [8, 0, 3, 11, 12] {
            let message = clat_model::build::icmp(kind, 0, [0; 4], &[]);
            silent(&host(), &V4::out().raw(1, &message[..len]), "truncated_transport");
        }
    }
}
