//! RFC 7915 sections 4 and 4.1: IPv4 headers into IPv6 headers, path MTU and fragmentation.

mod common;

use clat_model::Row;
use clat_model::build::{LOCAL_V4, LOCAL_V6, REMOTE_V4, V4, V6};
use common::{answered, becomes, bytes_of, host, silent, translates};
use std::net::Ipv4Addr;

/// Octets written out by hand, the checksums from a calculator: nothing of the model or the core in it.
#[test]
fn a_datagram_octet_by_octet() {
    let sent = [
        0x45, 0xb8, 0x00, 0x20, 0x12, 0x34, 0x40, 0x00, 0x40, 0x11, 0x3d, 0xa5, 0xc0, 0x00, 0x00, 0x01, 0xc6,
        0x33, 0x64, 0x07, 0x13, 0x88, 0x00, 0x35, 0x00, 0x0c, 0x3d, 0x16, 0x61, 0x62, 0x63, 0x64,
    ];
    let expected = [
        0x6b, 0x80, 0x00, 0x00, 0x00, 0x0c, 0x11, 0x3f, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x64, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0xc6, 0x33, 0x64, 0x07, 0x13, 0x88, 0x00, 0x35, 0x00, 0x0c, 0xca, 0xfa, 0x61, 0x62, 0x63,
        0x64,
    ];
    translates(&sent, &expected);
}

#[test]
fn traffic_class_is_the_tos_octet() {
    for tos in 0..=255 {
        translates(
            &V4::out().tos(tos).udp(1, 2, b"x"),
            &V6::out().hop_limit(63).traffic_class(tos).udp(1, 2, b"x"),
        );
    }
    let mut c = host();
    for fixed in [0, 0x2e << 2, 255] {
        c.tos = Some(fixed);
        let expected = V6::out().hop_limit(63).traffic_class(fixed).udp(1, 2, b"x");
        becomes(&c, &V4::out().tos(0xb8).udp(1, 2, b"x"), &[expected]);
    }
}

#[test]
fn flow_label_is_zero() {
    let got = common::translate(&host(), &V4::out().tos(0xff).tcp(1, 2, b"x")).forwarded;
    assert_eq!(got[0][..4], [0x6f, 0xf0, 0, 0]);
}

#[test]
fn payload_length_is_the_total_length_less_the_header() {
    for len in [0, 1, 2, 100, 1199, 1200] {
        let payload = bytes_of(len);
        let expected = V6::out().hop_limit(63).udp(1, 2, &payload);
        translates(&V4::out().udp(1, 2, &payload), &expected);
        translates(&V4::out().options(&[1; 12]).udp(1, 2, &payload), &expected);
        let padded = [V4::out().udp(1, 2, &payload), vec![0xee; 18]].concat();
        translates(&padded, &expected);
    }
}

#[test]
fn next_header_is_the_protocol_and_all_are_forwarded() {
    // What an AH or another extension header starts with: no next header, and a short length.
    let payload = [&[59, 1], bytes_of(62).as_slice()].concat();
    for number in 0..=255u8 {
        let sent = V4::out().raw(number, &payload);
        match number {
            // Checksums and message types have tests of their own.
            1 | 6 | 17 | 33 | 136 => {}
            2 => silent(&host(), &sent, "protocol"),
            0 | 43 | 44 | 58 | 60 => answered(&host(), &sent, "protocol", (3, 13, 0)),
            _ => translates(&sent, &V6::out().hop_limit(63).raw(number, &payload)),
        }
        if matches!(number, 6 | 17 | 33 | 136) {
            let did = common::translate(&host(), &V4::out().fragment(800, false).raw(number, &payload));
            assert_eq!((did.forwarded[0][6], did.forwarded[0][40]), (44, number));
        }
    }
    translates(&V4::out().raw(50, &[]), &V6::out().hop_limit(63).raw(50, &[]));
}

#[test]
fn hop_limit_is_one_less_and_time_exceeded_is_sent() {
    for ttl in 2..=255 {
        translates(&V4::out().ttl(ttl).udp(1, 2, b"x"), &V6::out().hop_limit(ttl - 1).udp(1, 2, b"x"));
    }
    for ttl in [0, 1] {
        answered(&host(), &V4::out().ttl(ttl).udp(1, 2, b"x"), "hop_limit", (11, 0, 0));
        answered(&host(), &V4::out().ttl(ttl).icmp(8, 0, [0, 1, 0, 1], b"ping"), "hop_limit", (11, 0, 0));
    }
}

#[test]
fn illegal_sources_are_dropped_silently() {
    for src in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.7.7", "224.0.0.1", "240.0.0.1", "255.255.255.255"]
    {
        silent(&host(), &V4::out().src(src.parse().unwrap()).udp(1, 2, b"x"), "illegal_source");
    }
    silent(&host(), &V4::out().src(Ipv4Addr::new(192, 0, 2, 9)).udp(1, 2, b"x"), "source_not_local");
}

/// "Note when translating ICMPv4 Error Messages into ICMPv6, the illegal source address will be translated."
#[test]
fn illegal_sources_of_icmp_errors_are_translated() {
    let quoted = V4::back().udp(53, 5000, b"answer");
    let quoted6 = V6::back().udp(53, 5000, b"answer");
    for src in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.9", "10.1.2.3", "192.0.2.9"] {
        let src: Ipv4Addr = src.parse().unwrap();
        let expected = V6::out().src(host().embed(src)).hop_limit(63).icmp(1, 4, [0; 4], &quoted6);
        translates(&V4::out().src(src).icmp(3, 3, [0; 4], &quoted), &expected);
    }
    let foreign = V4::back().dst(Ipv4Addr::new(192, 0, 2, 9)).udp(53, 5000, b"answer");
    let lie = V4::out().src(Ipv4Addr::new(127, 0, 0, 1)).icmp(3, 3, [0; 4], &foreign);
    silent(&host(), &lie, "quoted_not_ours");
}

#[test]
fn illegal_destinations_are_dropped_silently() {
    for dst in
        ["0.0.0.0", "127.0.0.1", "169.254.7.7", "224.0.0.1", "239.1.2.3", "255.255.255.255", "192.0.0.1"]
    {
        silent(&host(), &V4::out().dst(dst.parse().unwrap()).udp(1, 2, b"x"), "illegal_destination");
    }
}

#[test]
fn addresses_are_mapped_by_rows_and_prefix() {
    let mut c = host();
    let row = Row {
        v4: Ipv4Addr::new(203, 0, 113, 0),
        v4_len: 24,
        v6: "2001:db8:eeee::".parse().unwrap(),
        v6_len: 120,
    };
    c.rows.push(row);
    let dst = Ipv4Addr::new(203, 0, 113, 9);
    let expected = V6::out().dst("2001:db8:eeee::9".parse().unwrap()).hop_limit(63).udp(1, 2, b"x");
    becomes(&c, &V4::out().dst(dst).udp(1, 2, b"x"), &[expected]);
    let expected = V6::out().src("2001:db8:eeee::9".parse().unwrap()).hop_limit(63).udp(1, 2, b"x");
    becomes(&c, &V4::out().src(dst).udp(1, 2, b"x"), &[expected]);
}

#[test]
fn options_are_left_out() {
    let security = [130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let used_up = [131, 11, 12, 198, 51, 100, 2, 198, 51, 100, 1];
    let strict_used_up = [137, 7, 8, 198, 51, 100, 2];
    let first = [security.as_slice(), &used_up, &strict_used_up, &[136, 4, 1, 2], &[1, 1, 0]].concat();
    let record_route = [7, 11, 8, 198, 51, 100, 2, 0, 0, 0, 0];
    let timestamp = [68, 20, 13, 1, 198, 51, 100, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let second = [record_route.as_slice(), &timestamp, &[0]].concat();
    for options in [first.as_slice(), &second, &[148, 4, 0, 0], &[0; 40], &[1; 40]] {
        let expected = V6::out().hop_limit(63).tcp(1, 2, b"x");
        translates(&V4::out().options(options).tcp(1, 2, b"x"), &expected);
    }
}

#[test]
fn unexpired_source_routes_are_answered_with_source_route_failed() {
    for kind in [131, 137] {
        for (len, pointer) in [(7u8, 4u8), (7, 7), (11, 4), (11, 8), (3, 3), (7, 0)] {
            let mut option = vec![kind, len, pointer];
            option.resize(len.into(), 9);
            for before in [0, 1, 5] {
                let options = [vec![1; before], option.clone()].concat();
                answered(&host(), &V4::out().options(&options).udp(1, 2, b"x"), "source_route", (3, 5, 0));
            }
        }
    }
}

#[test]
fn options_with_impossible_lengths_are_dropped() {
    for options in [[7, 0, 0, 0], [7, 1, 0, 0], [7, 5, 0, 0], [1, 1, 1, 7], [131, 2, 4, 0], [1, 1, 131, 2]] {
        silent(&host(), &V4::out().options(&options).udp(1, 2, b"x"), "bad_option");
    }
}

#[test]
fn no_fragment_header_without_need() {
    for df in [false, true] {
        let got =
            common::translate(&host(), &V4::out().df(df).ident(0xbeef).udp(1, 2, &bytes_of(1232))).forwarded;
        assert_eq!((got.len(), got[0].len(), got[0][6]), (1, 1280, 17), "DF {df}");
    }
}

#[test]
fn fragments_get_a_fragment_header() {
    for df in [false, true] {
        for (offset, more) in [(0, true), (8, true), (1232, false), (65_400, false)] {
            let payload =
                if offset == 0 { clat_model::build::tcp(1, 2, &bytes_of(60)) } else { bytes_of(80) };
            // A first fragment's checksum covers what is not there: only its difference is known.
            let sent = V4::out().df(df).ident(0x1234).fragment(offset, more).carry(
                if offset == 8 { 17 } else { 6 },
                payload.clone(),
                (offset == 0).then_some(16),
            );
            let expected = V6::out().hop_limit(63).fragment(0x1234, offset, more).carry(
                if offset == 8 { 17 } else { 6 },
                payload,
                (offset == 0).then_some(16),
            );
            translates(&sent, &expected);
        }
    }
}

/// The example of the section: 1232 bytes of IPv4 payload per piece.
#[test]
fn packets_without_df_are_fragmented_to_lowest_ipv6_mtu() {
    let payload = bytes_of(2600);
    let whole = V6::out().hop_limit(63).udp(1, 2, &payload);
    let l4 = &whole[40..];
    let piece = |at: usize, end: usize, more| {
        V6::out().hop_limit(63).fragment(0x1234, at, more).raw(17, &l4[at..end])
    };
    let expected = [piece(0, 1232, true), piece(1232, 2464, true), piece(2464, 2608, false)];
    becomes(&host(), &V4::out().df(false).udp(1, 2, &payload), &expected);

    let mut c = host();
    c.lowest_v6_mtu = 1400;
    let expected = [piece(0, 1352, true), piece(1352, 2608, false)];
    becomes(
        &c,
        &V4::out().df(false).udp(1, 2, &payload),
        &expected[..1].iter().chain(&expected[1..]).cloned().collect::<Vec<_>>(),
    );
}

#[test]
fn sizes_around_the_limits() {
    let udp = |len: usize| bytes_of(len - 28);
    let mut c = host();
    c.v6_mtu = 1280;
    becomes(&c, &V4::out().udp(1, 2, &udp(1260)), &[V6::out().hop_limit(63).udp(1, 2, &udp(1260))]);
    answered(&c, &V4::out().udp(1, 2, &udp(1261)), "too_big", (3, 4, 1260));
    let pieces = common::translate(&c, &V4::out().df(false).udp(1, 2, &udp(1261))).forwarded;
    assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [1280, 57]);
    // With DF only the next hop's MTU counts.
    becomes(&host(), &V4::out().udp(1, 2, &udp(1480)), &[V6::out().hop_limit(63).udp(1, 2, &udp(1480))]);
    answered(&host(), &V4::out().udp(1, 2, &udp(1481)), "too_big", (3, 4, 1480));
    c.v6_mtu = 70_000;
    becomes(&c, &V4::out().udp(1, 2, &udp(65_535)), &[V6::out().hop_limit(63).udp(1, 2, &udp(65_535))]);
}

/// A fragment grows by the Fragment Header too: what the host may send is smaller by 28.
#[test]
fn fragments_with_df_count_the_fragment_header() {
    let mut c = host();
    c.v6_mtu = 1280;
    let fragment = |len: usize| V4::out().fragment(1232, true).raw(17, &bytes_of(len));
    becomes(
        &c,
        &fragment(1232),
        &[V6::out().hop_limit(63).fragment(0x1234, 1232, true).raw(17, &bytes_of(1232))],
    );
    let did = common::translate(&c, &fragment(1240));
    assert_eq!(
        (did.reason.as_deref(), did.replied),
        (Some("too_big"), None),
        "a later fragment is not answered"
    );
    let first = V4::out().fragment(0, true).summed(6, clat_model::build::tcp(1, 2, &bytes_of(1220)), 16);
    answered(&c, &first, "too_big", (3, 4, 1252));
}

#[test]
fn fragments_without_df_are_fragmented_again() {
    let payload = bytes_of(1240);
    for more in [false, true] {
        let sent = V4::out().df(false).ident(0x4321).fragment(2480, more).raw(17, &payload);
        let expected = [
            V6::out().hop_limit(63).fragment(0x4321, 2480, true).raw(17, &payload[..1232]),
            V6::out().hop_limit(63).fragment(0x4321, 2480 + 1232, more).raw(17, &payload[1232..]),
        ];
        becomes(&host(), &sent, &expected);
    }
}

/// Whether it can be reassembled is not ours to decide.
#[test]
fn fragments_of_an_uneven_size_pass() {
    for len in [1, 7, 1231] {
        let sent = V4::out().df(false).fragment(1232, true).raw(17, &bytes_of(len));
        translates(&sent, &V6::out().hop_limit(63).fragment(0x1234, 1232, true).raw(17, &bytes_of(len)));
    }
    let payload = bytes_of(1241);
    let expected = [
        V6::out().hop_limit(63).fragment(0x1234, 0, true).raw(50, &payload[..1232]),
        V6::out().hop_limit(63).fragment(0x1234, 1232, true).raw(50, &payload[1232..]),
    ];
    becomes(&host(), &V4::out().df(false).fragment(0, true).raw(50, &payload), &expected);
    let mut c = host();
    c.v6_mtu = 1280;
    answered(&c, &V4::out().fragment(0, true).raw(50, &payload), "too_big", (3, 4, 1252));
}

#[test]
fn lowest_ipv6_mtu_is_at_least_1280_and_at_most_the_mtu() {
    let sizes = |v6_mtu, lowest| {
        let mut c = host();
        (c.v6_mtu, c.lowest_v6_mtu) = (v6_mtu, lowest);
        let out = common::translate(&c, &V4::out().df(false).udp(1, 2, &bytes_of(1500))).forwarded;
        out.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(sizes(1500, 0), [1280, 48 + 1508 - 1232]);
    assert_eq!(sizes(1500, 9000), [1496, 48 + 1508 - 1448]);
    assert_eq!(sizes(9000, 9000), [1548]);
    assert_eq!(sizes(0, 0), [1280, 48 + 1508 - 1232]);
}

#[test]
fn fragments_that_cannot_be() {
    let overrun = V4::out().fragment(65_528, false).raw(17, &bytes_of(16));
    silent(&host(), &overrun, "bad_fragment");
    silent(&host(), &V4::out().fragment(800, false).raw(17, &[]), "bad_fragment");
}

#[test]
fn headers_that_contradict_themselves() {
    let good = V4::out().udp(1, 2, b"x");
    for len in 0..good.len() {
        silent(&host(), &good[..len], "truncated");
    }
    silent(&host(), &V4::out().claim(19).raw(17, &[0; 8]), "bad_header_length");
    silent(&host(), &V4::out().claim(500).raw(17, &[0; 8]), "truncated");
    let mut short = good.clone();
    short[0] = 0x44;
    silent(&host(), &short, "bad_header_length");
    let mut version = good.clone();
    version[0] = 0x55;
    silent(&host(), &version, "bad_version");
    let mut checksum = good;
    checksum[10] ^= 1;
    silent(&host(), &checksum, "bad_header_checksum");
}

#[test]
fn private_destinations_under_the_well_known_prefix() {
    for dst in ["10.0.0.1", "172.31.255.1", "192.168.7.7", "100.64.0.1"] {
        let dst: Ipv4Addr = dst.parse().unwrap();
        let sent = V4::out().dst(dst).udp(1, 2, b"x");
        translates(&sent, &V6::out().dst(host().embed(dst)).hop_limit(63).udp(1, 2, b"x"));
        let mut c = host();
        c.drop_private = true;
        answered(&c, &sent, "private_address", (3, 13, 0));
        c.pref64 = ("2001:db8:64::".parse().unwrap(), 96);
        becomes(&c, &sent, &[V6::out().dst(c.embed(dst)).hop_limit(63).udp(1, 2, b"x")]);
    }
    assert_eq!((LOCAL_V4, REMOTE_V4), (Ipv4Addr::new(192, 0, 0, 1), Ipv4Addr::new(198, 51, 100, 7)));
    assert_eq!(LOCAL_V6.segments()[7], 0x464);
}
