//! RFC 7915 section 4.5: transport headers on the way out.

mod common;

use clat_model::Config;
use clat_model::build::{LOCAL_V4, LOCAL_V6, V4, V6, tcp, udp};
use common::{answered, becomes, bytes_of, host, silent, translates};
use std::net::Ipv6Addr;

#[test]
fn tcp_udp_and_icmp_checksums_follow_the_pseudo_header() {
    for len in [0, 1, 2, 3, 99, 100, 1200] {
        let payload = bytes_of(len);
        translates(&V4::out().tcp(1, 2, &payload), &V6::out().hop_limit(63).tcp(1, 2, &payload));
        translates(&V4::out().udp(1, 2, &payload), &V6::out().hop_limit(63).udp(1, 2, &payload));
        let echo = V6::out().hop_limit(63).icmp(128, 0, [1, 2, 3, 4], &payload);
        translates(&V4::out().icmp(8, 0, [1, 2, 3, 4], &payload), &echo);
    }
}

/// RFC 6052 section 4.1: where old and new addresses have the same sum, nothing changes.
#[test]
fn checksum_neutral_addresses_change_no_checksum() {
    let base: Ipv6Addr = "2001:db8::1:0".parse().unwrap();
    let missing = 65535 + clat_model::residue(&LOCAL_V4.octets()) - clat_model::residue(&base.octets());
    let local = Ipv6Addr::from_bits(base.to_bits() | u128::from(missing % 65535));
    assert_eq!(clat_model::residue(&local.octets()), clat_model::residue(&LOCAL_V4.octets()));
    let c = Config::host(clat_model::build::WELL_KNOWN, LOCAL_V4, local);
    for payload in [&b"odd"[..], b"even"] {
        let sent = V4::out().udp(5000, 53, payload);
        let got = common::translate(&c, &sent).forwarded;
        assert_eq!(got[0][40..], sent[20..]);
        let sent = V4::out().tcp(5000, 53, payload);
        assert_eq!(common::translate(&c, &sent).forwarded[0][40..], sent[20..]);
    }
}

#[test]
fn wrong_checksums_stay_wrong() {
    for (sent, mut expected, at) in [
        (V4::out().tcp(1, 2, b"data"), V6::out().hop_limit(63).tcp(1, 2, b"data"), 16),
        (V4::out().udp(1, 2, b"data"), V6::out().hop_limit(63).udp(1, 2, b"data"), 6),
        (V4::out().icmp(8, 0, [0; 4], b"data"), V6::out().hop_limit(63).icmp(128, 0, [0; 4], b"data"), 2),
    ] {
        let mut sent = sent;
        for (packet, header) in [(&mut sent, 20), (&mut expected, 40)] {
            let field = u16::from_be_bytes([packet[header + at], packet[header + at + 1]]);
            let wrong = (u32::from(field) + 0x0101) % 65535;
            packet[header + at..header + at + 2]
                .copy_from_slice(&u16::try_from(wrong).unwrap().to_be_bytes());
        }
        translates(&sent, &expected);
        assert_eq!(common::judges::smoltcp_verifies(&expected), Some(false));
    }
}

/// RFC 768: a computed checksum of zero is sent as all ones.
#[test]
fn a_udp_checksum_that_becomes_zero_is_sent_as_ones() {
    let found = (0..=u16::MAX).find_map(|port| {
        let expected = V6::out().hop_limit(63).udp(port, 53, b"zero");
        (expected[46..48] == [0xff, 0xff]).then_some((port, expected))
    });
    let (port, expected) = found.expect("one port in 65536");
    translates(&V4::out().udp(port, 53, b"zero"), &expected);
    // The other way round: ones that stand for zero are not "no checksum".
    let sent = (0..=u16::MAX).map(|p| V4::out().udp(p, 53, b"zero")).find(|s| s[26..28] == [0xff, 0xff]);
    let sent = sent.expect("one port in 65536");
    let port = u16::from_be_bytes([sent[20], sent[21]]);
    translates(&sent, &V6::out().hop_limit(63).udp(port, 53, b"zero"));
}

/// "Calculating a UDP checksum" (erratum 6955).
#[test]
fn udp_without_checksum_gets_one() {
    for len in [0, 1, 8, 1000] {
        let payload = bytes_of(len);
        let sent = V4::out().raw(17, &udp(1, 2, &payload));
        translates(&sent, &V6::out().hop_limit(63).udp(1, 2, &payload));
    }
    // Bytes behind the UDP length belong to the packet but not to the datagram.
    let mut sent = udp(1, 2, b"datagram");
    let mut expected = V6::out().hop_limit(63).udp(1, 2, b"datagram")[40..].to_vec();
    sent.extend(b"rest");
    expected.extend(b"rest");
    translates(&V4::out().raw(17, &sent), &V6::out().hop_limit(63).raw(17, &expected));
}

#[test]
fn udp_without_checksum_that_is_fragmented_by_us_gets_one_first() {
    let payload = bytes_of(2000);
    let whole = V6::out().hop_limit(63).udp(1, 2, &payload);
    let expected = [
        V6::out().hop_limit(63).fragment(0x1234, 0, true).raw(17, &whole[40..1272]),
        V6::out().hop_limit(63).fragment(0x1234, 1232, false).raw(17, &whole[1272..]),
    ];
    becomes(&host(), &V4::out().df(false).raw(17, &udp(1, 2, &payload)), &expected);
}

#[test]
fn udp_without_checksum_may_be_dropped() {
    let mut c = host();
    c.drop_udp_zero = true;
    answered(&c, &V4::out().raw(17, &udp(1, 2, b"x")), "udp_zero_checksum", (3, 13, 0));
}

#[test]
fn first_fragments_of_udp_without_checksum_are_dropped() {
    let first = V4::out().fragment(0, true).raw(17, &udp(1, 2, &bytes_of(56)));
    answered(&host(), &first, "fragmented_udp_zero_checksum", (3, 13, 0));
    // Later ones do not tell.
    let later = V4::out().fragment(64, false).raw(17, &bytes_of(30));
    translates(&later, &V6::out().hop_limit(63).fragment(0x1234, 64, false).raw(17, &bytes_of(30)));
}

#[test]
fn first_fragments_have_their_checksum_adjusted() {
    let whole4 = V4::out().udp(1, 2, &bytes_of(1000));
    let whole6 = V6::out().hop_limit(63).udp(1, 2, &bytes_of(1000));
    let first = V4::out().fragment(0, true).raw(17, &whole4[20..500]);
    translates(&first, &V6::out().hop_limit(63).fragment(0x1234, 0, true).raw(17, &whole6[40..520]));
    let last = V4::out().fragment(480, false).raw(17, &whole4[500..]);
    translates(&last, &V6::out().hop_limit(63).fragment(0x1234, 480, false).raw(17, &whole6[520..]));
}

#[test]
fn other_transports_pass_untouched() {
    for protocol in [4, 41, 46, 47, 50, 89, 108, 112, 115, 132, 253, 254, 255] {
        for len in [0, 1, 3, 100] {
            let expected = V6::out().hop_limit(63).raw(protocol, &bytes_of(len));
            translates(&V4::out().raw(protocol, &bytes_of(len)), &expected);
        }
    }
}

#[test]
fn dccp_and_udp_lite_checksums_follow_too() {
    for protocol in [33, 136] {
        let header = [&[0x13, 0x88, 0, 53, 0, 8, 0, 0], bytes_of(20).as_slice()].concat();
        let expected = V6::out().hop_limit(63).summed(protocol, header.clone(), 6);
        translates(&V4::out().summed(protocol, header, 6), &expected);
    }
}

#[test]
fn transport_headers_cut_short() {
    for (protocol, header) in [(6, tcp(1, 2, &[])), (17, udp(1, 2, &[]))] {
        for len in 0..header.len() {
            let did = common::translate(&host(), &V4::out().raw(protocol, &header[..len]));
            let reason = did.reason.unwrap_or_default();
            assert!(
                matches!(reason.as_str(), "truncated_transport" | "bad_udp_length"),
                "{protocol} {len} {reason}"
            );
            assert_eq!(did.replied, None);
            if len > 0 && len % 8 == 0 {
                let tiny = V4::out().fragment(0, true).raw(protocol, &header[..len]);
                silent(&host(), &tiny, "tiny_fragment");
            }
        }
    }
}

/// RFC 1858 section 3.2.
#[test]
fn tcp_fragments_that_overlap_the_header_are_dropped() {
    silent(&host(), &V4::out().fragment(8, false).raw(6, &bytes_of(40)), "tiny_fragment");
    translates(
        &V4::out().fragment(16, false).raw(6, &bytes_of(40)),
        &V6::out().hop_limit(63).fragment(0x1234, 16, false).raw(6, &bytes_of(40)),
    );
}

#[test]
fn udp_lengths_that_lie() {
    for len in [0u16, 7, 13, 500, 65535] {
        let mut datagram = udp(1, 2, b"four");
        datagram[4..6].copy_from_slice(&len.to_be_bytes());
        silent(&host(), &V4::out().summed(17, datagram, 6), "bad_udp_length");
    }
}

#[test]
fn data_is_left_unchanged() {
    let payload = bytes_of(1200);
    let got = common::translate(&host(), &V4::out().udp(1, 2, &payload)).forwarded;
    assert_eq!(got[0][48..], payload);
    assert_eq!(got[0][8..24], LOCAL_V6.octets());
}
