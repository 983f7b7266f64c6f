//! One named test for each fault that was found.

mod common;

use clat_model::build::{LOCAL_V4, LOCAL_V6, REMOTE_V4, V4, V6, WELL_KNOWN};
use clat_model::{Config, Model, Row, judge};

fn host() -> Config {
    Config::host(WELL_KNOWN, LOCAL_V4, LOCAL_V6)
}

/// An ICMPv6 error in an atomic fragment left with an Identification of our own.
#[test]
fn identification_of_an_icmp_error_in_an_atomic_fragment() {
    let quoted = V6::out().udp(5000, 53, b"question");
    let packet = V6::back().fragment(0xaabb_ccdd, 0, false).icmp(1, 4, [0; 4], &quoted);
    let got = common::translate(&host(), &packet).forwarded;
    let quoted = V4::out().df(false).ident(0).udp(5000, 53, b"question");
    assert_eq!(got, [V4::back().ttl(63).ident(0xccdd).icmp(3, 3, [0; 4], &quoted)]);
}

/// ICMPv4 errors were cut to 576 bytes where the next hop takes less.
#[test]
fn icmpv4_errors_fit_a_small_mtu() {
    let mut c = host();
    for mtu in [68, 100, 129, 575, 576, 1500] {
        c.v4_mtu = mtu;
        let quoted = V6::out().udp(5000, 53, &[7; 1000]);
        let error = V6::back().icmp(1, 4, [0; 4], &quoted);
        let translated = common::translate(&c, &error).forwarded;
        assert_eq!(translated[0].len(), mtu.min(576) as usize, "MTU {mtu}");
        let expired = V4::out().ttl(1).udp(5000, 53, &[7; 1000]);
        let reply = common::translate(&c, &expired).replied.expect("time exceeded");
        assert_eq!(reply.len(), mtu.min(576) as usize, "MTU {mtu}");
        for packet in [error, expired] {
            judge::agree(&packet, &Model::new(c.clone()).translate(&packet), &common::translate(&c, &packet))
                .unwrap_or_else(|difference| panic!("MTU {mtu}, {REMOTE_V4}: {difference}"));
        }
    }
}

/// A source that a row covers was taken for a pretender where its row is not the one that leads back to it
/// (RFC 7757 section 3.3.2: bits behind the IPv4 suffix are ignored; rows may overlap).
#[test]
fn every_source_under_a_row_is_that_rows() {
    let row = |v4: &str, v4_len, v6: &str, v6_len| Row {
        v4: v4.parse().expect("an address"),
        v4_len,
        v6: v6.parse().expect("an address"),
        v6_len,
    };
    let mut c = host();
    c.rows.push(row("198.51.100.128", 26, "2001:db8:d::", 64));
    c.rows.push(row("10.0.0.0", 8, "2001:db8:a::", 96));
    c.rows.push(row("10.1.0.0", 16, "2001:db8:b::", 64));
    for (v6, v4) in [
        ("2001:db8:d:0:600::", "198.51.100.129"),
        ("2001:db8:d:0:600::42", "198.51.100.129"),
        ("2001:db8:a::102:300", "10.1.2.3"),
    ] {
        let v4 = v4.parse().expect("an address");
        let src = v6.parse().expect("an address");
        let packet = V6::back().src(src).udp(1, 2, b"x");
        common::becomes(&c, &packet, &[V4::back().src(v4).ttl(63).udp(1, 2, b"x")]);
    }
}

/// DCCP and UDP-Lite shorter than their headers were dropped; only TCP and UDP are ours to judge
/// (RFC 7915 section 4.5: all transports MUST be forwarded).
#[test]
fn short_transports_that_are_optional_are_forwarded() {
    for protocol in [33, 136] {
        for len in 0..8 {
            let payload = &[0xa5; 8][..len];
            let out = V4::out().raw(protocol, payload);
            common::becomes(&host(), &out, &[V6::out().hop_limit(63).raw(protocol, payload)]);
            let back = V6::back().raw(protocol, payload);
            common::becomes(&host(), &back, &[V4::back().ttl(63).raw(protocol, payload)]);
        }
        let out = common::translate(&host(), &V4::out().raw(protocol, &[0xa5; 8])).forwarded;
        assert_eq!(out.len(), 1, "{protocol}: the checksum is there");
    }
}

/// An octet that is no length, since fewer than 128 bytes and no extension structure follow it, cut the ports
/// off the quoted packet (RFC 4884 section 3).
#[test]
fn a_short_length_before_no_extension_is_none() {
    let quoted4 = V4::back().udp(53, 5000, &[7; 100]);
    let quoted6 = V6::back().udp(53, 5000, &[7; 100]);
    for units in [1, 5, 6, 7, 31] {
        let error = V4::out().icmp(11, 0, [0, units, 0, 0], &quoted4);
        common::becomes(&host(), &error, &[V6::out().hop_limit(63).icmp(3, 0, [0; 4], &quoted6)]);
    }
    let quoted4 = V4::out().df(false).ident(0).udp(5000, 53, &[7; 100]);
    let quoted6 = V6::out().udp(5000, 53, &[7; 100]);
    for units in [1, 4, 5, 6, 15] {
        let error = V6::back().icmp(3, 0, [units, 0, 0, 0], &quoted6);
        common::becomes(&host(), &error, &[V4::back().ttl(63).icmp(11, 0, [0; 4], &quoted4)]);
    }
}

/// ICMPv4 in an IPv6 packet was dropped without a word; its mirror image, ICMPv6 in an IPv4 packet, is answered
/// (RFC 7915 section 5.4).
#[test]
fn icmpv4_in_ipv6_is_answered() {
    common::answered(&host(), &V6::back().raw(1, &[8; 16]), "protocol", (1, 1, 0));
}

/// Time Exceeded with a code above 1 was dropped as unknown; RFC 7915 sections 4.2 and 5.2 name no such codes for
/// this type: "The Code is unchanged".
#[test]
fn time_exceeded_keeps_every_code() {
    let quoted4 = V4::back().udp(53, 5000, b"answer");
    let quoted6 = V6::back().udp(53, 5000, b"answer");
    let error = V4::out().icmp(11, 2, [0; 4], &quoted4);
    common::becomes(&host(), &error, &[V6::out().hop_limit(63).icmp(3, 2, [0; 4], &quoted6)]);
    let quoted4 = V4::out().df(false).ident(0).udp(5000, 53, b"question");
    let quoted6 = V6::out().udp(5000, 53, b"question");
    let error = V6::back().icmp(3, 255, [0; 4], &quoted6);
    common::becomes(&host(), &error, &[V4::back().ttl(63).icmp(11, 255, [0; 4], &quoted4)]);
}
