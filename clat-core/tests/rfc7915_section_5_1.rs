//! RFC 7915 sections 5 and 5.1: IPv6 headers into IPv4 headers.

mod common;

use clat_model::Row;
use clat_model::build::{LOCAL_V4, LOCAL_V6, REMOTE_V4, ROUTER_V6, V4, V6};
use common::{answered, becomes, bytes_of, host, silent, translates};
use std::net::Ipv6Addr;

/// Octets written out by hand, the checksums from a calculator: nothing of the model or the core in it.
#[test]
fn a_datagram_octet_by_octet() {
    let sent = [
        0x6b, 0x8a, 0xbc, 0xde, 0x00, 0x0c, 0x11, 0x40, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0xc6, 0x33, 0x64, 0x07, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x04, 0x64, 0x13, 0x88, 0x00, 0x35, 0x00, 0x0c, 0xca, 0xfa, 0x61, 0x62, 0x63,
        0x64,
    ];
    let expected = [
        0x45, 0xb8, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x3f, 0x11, 0x90, 0xd9, 0xc6, 0x33, 0x64, 0x07, 0xc0,
        0x00, 0x00, 0x01, 0x13, 0x88, 0x00, 0x35, 0x00, 0x0c, 0x3d, 0x16, 0x61, 0x62, 0x63, 0x64,
    ];
    translates(&sent, &expected);
}

#[test]
fn version_and_header_length() {
    let got = common::translate(&host(), &V6::back().tcp(1, 2, b"x")).forwarded;
    assert_eq!(got[0][0], 0x45, "version 4, no options");
}

#[test]
fn tos_is_the_traffic_class_and_the_flow_label_goes() {
    for class in 0..=255 {
        let sent = V6::back().traffic_class(class).flow(0xf_ffff).udp(1, 2, b"x");
        translates(&sent, &V4::back().ttl(63).tos(class).udp(1, 2, b"x"));
    }
    let mut c = host();
    c.tos = Some(0);
    becomes(&c, &V6::back().traffic_class(0xb8).udp(1, 2, b"x"), &[V4::back().ttl(63).udp(1, 2, b"x")]);
}

#[test]
fn total_length_is_the_payload_length_and_the_header() {
    for len in [0, 1, 2, 100, 1200] {
        let payload = bytes_of(len);
        translates(&V6::back().udp(1, 2, &payload), &V4::back().ttl(63).udp(1, 2, &payload));
        let padded = [V6::back().udp(1, 2, &payload), vec![0xee; 14]].concat();
        translates(&padded, &V4::back().ttl(63).udp(1, 2, &payload));
    }
}

/// "If the packet size is less than or equal to 1260, DF is cleared; otherwise it is set."
#[test]
fn dont_fragment_above_1260_bytes() {
    for (len, df) in [(21, false), (576, false), (1260, false), (1261, true), (1480, true), (1500, true)] {
        let payload = bytes_of(len - 20);
        translates(&V6::back().raw(50, &payload), &V4::back().df(df).ttl(63).raw(50, &payload));
    }
}

#[test]
fn identification_comes_from_a_generator() {
    let translator = common::translator(&host());
    let mut state = common::state();
    let mut seen = std::collections::HashSet::new();
    let packet = V6::back().udp(1, 2, b"x");
    for _ in 0..1000 {
        let did = common::did(translator.translate(&packet, &mut state));
        seen.insert([did.forwarded[0][4], did.forwarded[0][5]]);
    }
    assert_eq!(seen.len(), 1000, "no repeat within a thousand packets of a flow");
}

#[test]
fn ttl_is_one_less_and_time_exceeded_is_sent() {
    for hops in 2..=255 {
        translates(&V6::back().hop_limit(hops).udp(1, 2, b"x"), &V4::back().ttl(hops - 1).udp(1, 2, b"x"));
    }
    for hops in [0, 1] {
        answered(&host(), &V6::back().hop_limit(hops).udp(1, 2, b"x"), "hop_limit", (3, 0, 0));
        let echo = V6::back().hop_limit(hops).icmp(128, 0, [0; 4], b"ping");
        answered(&host(), &echo, "hop_limit", (3, 0, 0));
    }
}

#[test]
fn protocol_is_the_next_header_and_all_are_forwarded() {
    let payload = bytes_of(64);
    for number in 0..=255u8 {
        let sent = V6::back().raw(number, &payload);
        match number {
            // Extension headers, message types and checksums have tests of their own.
            0 | 6 | 17 | 33 | 43 | 44 | 58 | 60 | 136 => {}
            1 => answered(&host(), &sent, "protocol", (1, 1, 0)),
            2 => silent(&host(), &sent, "protocol"),
            _ => {
                let got = common::translate(&host(), &sent).forwarded;
                assert_eq!((got[0][9], &got[0][20..]), (number, payload.as_slice()));
            }
        }
    }
    translates(&V6::back().raw(59, &[]), &V4::back().ttl(63).raw(59, &[]));
}

#[test]
fn header_checksum_is_computed() {
    for ttl in [2, 77, 255] {
        let got = common::translate(&host(), &V6::back().hop_limit(ttl).tcp(1, 2, b"x")).forwarded;
        assert_eq!(clat_model::residue(&got[0][..20]), 0);
    }
}

#[test]
fn addresses_are_mapped_by_rows_and_prefix() {
    for (prefix, len) in [
        ("64:ff9b::", 96),
        ("2001:db8:122:344::", 64),
        ("2001:db8:122:300::", 56),
        ("2001:db8:122::", 48),
        ("2001:db8:100::", 40),
        ("2001:db8::", 32),
    ] {
        let mut c = host();
        c.pref64 = (prefix.parse().unwrap(), len);
        c.rows[0].v6 = "2001:470::464".parse().unwrap();
        let sent = V6::back().src(c.embed(REMOTE_V4)).dst(c.rows[0].v6).udp(1, 2, b"x");
        becomes(&c, &sent, &[V4::back().ttl(63).udp(1, 2, b"x")]);
    }
}

#[test]
fn sources_that_are_illegal_or_pretend_to_be_ours() {
    for src in
        ["::", "::1", "ff02::1", "fe80::1", "::ffff:198.51.100.7", "64:ff9b::127.0.0.1", "64:ff9b::224.0.0.1"]
    {
        silent(&host(), &V6::back().src(src.parse().unwrap()).udp(1, 2, b"x"), "illegal_source");
    }
    for src in [LOCAL_V6, host().embed(LOCAL_V4)] {
        silent(&host(), &V6::back().src(src).udp(1, 2, b"x"), "spoofed_source");
    }
    silent(&host(), &V6::back().src(ROUTER_V6).udp(1, 2, b"x"), "source_not_mapped");
    // Another address of this side comes from its own IPv6 address, and from nowhere else.
    let mut c = host();
    let (v4, v6) = ("203.0.113.9".parse().unwrap(), "2001:db8:eeee::9".parse().unwrap());
    c.rows.push(Row { v4, v4_len: 32, v6, v6_len: 128 });
    becomes(&c, &V6::back().src(v6).udp(1, 2, b"x"), &[V4::back().src(v4).ttl(63).udp(1, 2, b"x")]);
    silent(&c, &V6::back().src(c.embed(v4)).udp(1, 2, b"x"), "spoofed_source");
}

#[test]
fn destinations_that_are_not_ours() {
    silent(
        &host(),
        &V6::back().dst("2001:db8::465".parse().unwrap()).udp(1, 2, b"x"),
        "destination_not_local",
    );
    silent(&host(), &V6::back().dst("ff02::1".parse().unwrap()).udp(1, 2, b"x"), "illegal_destination");
    silent(&host(), &V6::back().dst(host().embed(LOCAL_V4)).udp(1, 2, b"x"), "destination_not_local");
}

/// "If any of an IPv6 Hop-by-Hop Options header, Destination Options header, or Routing header with the
/// Segments Left field equal to zero are present, those headers MUST be ignored."
#[test]
fn extension_headers_are_skipped() {
    let expected = V4::back().ttl(63).udp(1, 2, b"data");
    for units in [0, 1, 3, 30] {
        translates(&V6::back().extension(0, units).udp(1, 2, b"data"), &expected);
        translates(&V6::back().extension(60, units).udp(1, 2, b"data"), &expected);
        translates(&V6::back().extension(43, units).udp(1, 2, b"data"), &expected);
        let all = V6::back().extension(0, units).extension(60, 0).routing(0).extension(60, units);
        translates(&all.udp(1, 2, b"data"), &expected);
    }
    let echo = V4::back().ttl(63).icmp(0, 0, [0, 1, 0, 2], b"pong");
    translates(&V6::back().extension(60, 2).icmp(129, 0, [0, 1, 0, 2], b"pong"), &echo);
}

#[test]
fn routing_headers_with_segments_left_are_pointed_at() {
    for left in [1, 2, 255] {
        answered(&host(), &V6::back().routing(left).udp(1, 2, b"x"), "routing_header", (4, 0, 43));
        let second = V6::back().extension(0, 1).routing(left).udp(1, 2, b"x");
        answered(&host(), &second, "routing_header", (4, 0, 40 + 16 + 3));
        let third = V6::back().routing(0).extension(60, 0).routing(left).udp(1, 2, b"x");
        answered(&host(), &third, "routing_header", (4, 0, 40 + 8 + 8 + 3));
    }
}

#[test]
fn extension_headers_that_break_off_or_do_not_end() {
    let good = V6::back().extension(0, 1).extension(60, 0).udp(1, 2, b"x");
    for len in 40..64 {
        let mut cut = good[..len].to_vec();
        cut[5] = u8::try_from(len - 40).unwrap();
        silent(&host(), &cut, "extension_chain");
    }
    silent(&host(), &V6::back().extension(60, 0).extension(0, 0).udp(1, 2, b"x"), "extension_chain");
    let long = (0..100).fold(V6::back(), |ip, _| ip.extension(60, 0));
    silent(&host(), &long.udp(1, 2, b"x"), "extension_chain");
    let mut beyond = V6::back().extension(60, 0).udp(1, 2, b"x");
    beyond[41] = 255;
    silent(&host(), &beyond, "extension_chain");
}

#[test]
fn packets_larger_than_the_next_hop_are_answered_with_packet_too_big() {
    let mut c = host();
    c.v4_mtu = 1400;
    becomes(
        &c,
        &V6::back().raw(50, &bytes_of(1380)),
        &[V4::back().df(true).ttl(63).raw(50, &bytes_of(1380))],
    );
    answered(&c, &V6::back().raw(50, &bytes_of(1381)), "too_big", (2, 0, 1420));
    c.v4_mtu = 1000;
    answered(&c, &V6::back().raw(50, &bytes_of(1381)), "too_big", (2, 0, 1280));
}

/// What may be fragmented is: the result of up to 1260 bytes has no DF.
#[test]
fn small_packets_are_fragmented_for_a_smaller_next_hop() {
    let mut c = host();
    c.v4_mtu = 600;
    let payload = bytes_of(1240);
    let piece =
        |at: usize, end: usize, more| V4::back().ttl(63).fragment(at, more).raw(50, &payload[at..end]);
    let expected = [piece(0, 576, true), piece(576, 1152, true), piece(1152, 1240, false)];
    becomes(&c, &V6::back().raw(50, &payload), &expected);
    let got = common::translate(&c, &V6::back().raw(50, &payload)).forwarded;
    assert!(got.iter().all(|p| p[4..6] == got[0][4..6]), "one Identification");
}

#[test]
fn headers_that_contradict_themselves() {
    let good = V6::back().udp(1, 2, b"x");
    for len in 0..good.len() {
        silent(&host(), &good[..len], "truncated");
    }
    let mut version = good;
    version[0] = 0x75;
    silent(&host(), &version, "bad_version");
    assert_eq!(host().rows[0].v6, LOCAL_V6);
    assert_ne!(Ipv6Addr::UNSPECIFIED, LOCAL_V6);
}
