//! RFC 7915 section 5.5: transport headers on the way in.

mod common;

use clat_model::build::{V4, V6, tcp, udp};
use common::{bytes_of, host, silent, translates};

#[test]
fn tcp_udp_and_icmp_checksums_follow_the_pseudo_header() {
    for len in [0, 1, 2, 3, 99, 100, 1200] {
        let payload = bytes_of(len);
        translates(&V6::back().tcp(1, 2, &payload), &V4::back().ttl(63).tcp(1, 2, &payload));
        translates(&V6::back().udp(1, 2, &payload), &V4::back().ttl(63).udp(1, 2, &payload));
        let echo = V4::back().ttl(63).icmp(0, 0, [1, 2, 3, 4], &payload);
        translates(&V6::back().icmp(129, 0, [1, 2, 3, 4], &payload), &echo);
    }
}

#[test]
fn wrong_checksums_stay_wrong() {
    for (sent, expected, at) in [
        (V6::back().tcp(1, 2, b"data"), V4::back().ttl(63).tcp(1, 2, b"data"), 16),
        (V6::back().udp(1, 2, b"data"), V4::back().ttl(63).udp(1, 2, b"data"), 6),
        (V6::back().icmp(129, 0, [0; 4], b"data"), V4::back().ttl(63).icmp(0, 0, [0; 4], b"data"), 2),
    ] {
        let wrong = |mut packet: Vec<u8>, at: usize| {
            let field = u32::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
            packet[at..at + 2]
                .copy_from_slice(&u16::try_from((field + 0x0101) % 65535).unwrap().to_be_bytes());
            packet
        };
        translates(&wrong(sent, 40 + at), &wrong(expected, 20 + at));
    }
}

/// RFC 6935: a tunnel's datagrams may come without; IPv4 says the same by the same zero.
#[test]
fn udp_without_checksum_stays_without() {
    let datagram = udp(1, 2, b"tunnel");
    translates(&V6::back().raw(17, &datagram), &V4::back().ttl(63).raw(17, &datagram));
}

#[test]
fn a_udp_checksum_never_becomes_zero() {
    let found = (0..=u16::MAX).map(|port| (port, V4::back().ttl(63).udp(port, 53, b"zero")));
    let (port, expected) =
        found.into_iter().find(|(_, p)| p[26..28] == [0xff, 0xff]).expect("one port in 65536");
    translates(&V6::back().udp(port, 53, b"zero"), &expected);
}

#[test]
fn other_transports_pass_untouched() {
    for protocol in [4, 41, 46, 47, 50, 89, 108, 112, 115, 132, 253, 254, 255] {
        for len in [0, 1, 3, 100] {
            let expected = V4::back().ttl(63).raw(protocol, &bytes_of(len));
            translates(&V6::back().raw(protocol, &bytes_of(len)), &expected);
        }
    }
    let ah = [&[59, 4, 0, 0], bytes_of(20).as_slice()].concat();
    translates(&V6::back().raw(51, &ah), &V4::back().ttl(63).raw(51, &ah));
}

#[test]
fn dccp_and_udp_lite_checksums_follow_too() {
    for protocol in [33, 136] {
        let header = [&[0x13, 0x88, 0, 53, 0, 8, 0, 0], bytes_of(20).as_slice()].concat();
        let expected = V4::back().ttl(63).summed(protocol, header.clone(), 6);
        translates(&V6::back().summed(protocol, header, 6), &expected);
    }
}

#[test]
fn transport_headers_cut_short() {
    for (protocol, header) in [(6, tcp(1, 2, &[])), (17, udp(1, 2, &[]))] {
        for len in 0..header.len() {
            let did = common::translate(&host(), &V6::back().raw(protocol, &header[..len]));
            let reason = did.reason.unwrap_or_default();
            assert!(
                matches!(reason.as_str(), "truncated_transport" | "bad_udp_length"),
                "{protocol} {len} {reason}"
            );
            assert_eq!(did.replied, None);
        }
    }
    for len in [0u16, 7, 13, 65535] {
        let mut datagram = udp(1, 2, b"four");
        datagram[4..6].copy_from_slice(&len.to_be_bytes());
        silent(&host(), &V6::back().summed(17, datagram, 6), "bad_udp_length");
    }
}

#[test]
fn data_is_left_unchanged() {
    let payload = bytes_of(1200);
    let got = common::translate(&host(), &V6::back().udp(1, 2, &payload)).forwarded;
    assert_eq!(got[0][28..], payload);
}
