//! RFC 7915 section 4.4: ICMPv4 errors of the translator's own.

mod common;

use clat_core::{DropReason, QueueState, RateLimit};
use clat_model::build::{V4, V6, tcp, udp};
use common::{answered, bytes_of, host, silent};
use std::net::Ipv4Addr;

#[test]
fn prohibited_unless_another_code_is_named() {
    answered(&host(), &V4::out().raw(58, &bytes_of(16)), "protocol", (3, 13, 0));
    let mut c = host();
    c.drop_udp_zero = true;
    answered(&c, &V4::out().raw(17, &udp(1, 2, b"x")), "udp_zero_checksum", (3, 13, 0));
    let first = V4::out().fragment(0, true).raw(17, &udp(1, 2, &bytes_of(64)));
    answered(&host(), &first, "fragmented_udp_zero_checksum", (3, 13, 0));
}

#[test]
fn no_error_about_an_error() {
    let quoted = V4::back().udp(53, 5000, b"answer");
    for (kind, code) in [(3, 3), (3, 4), (11, 0), (12, 0), (4, 0), (5, 1)] {
        silent(&host(), &V4::out().ttl(1).icmp(kind, code, [0; 4], &quoted), "hop_limit");
    }
}

#[test]
fn no_error_about_a_later_fragment() {
    silent(&host(), &V4::out().ttl(1).fragment(64, true).raw(17, &bytes_of(64)), "hop_limit");
    answered(
        &host(),
        &V4::out().ttl(1).fragment(0, true).summed(17, udp(1, 2, &bytes_of(56)), 6),
        "hop_limit",
        (11, 0, 0),
    );
}

#[test]
fn no_error_about_multicast_or_to_what_is_no_host() {
    silent(
        &host(),
        &V4::out().ttl(1).dst(Ipv4Addr::new(224, 0, 0, 5)).udp(1, 2, b"x"),
        "illegal_destination",
    );
    silent(&host(), &V4::out().ttl(1).dst(Ipv4Addr::BROADCAST).udp(1, 2, b"x"), "illegal_destination");
    silent(&host(), &V4::out().ttl(1).src(Ipv4Addr::UNSPECIFIED).udp(1, 2, b"x"), "illegal_source");
    silent(&host(), &V4::out().ttl(1).src(Ipv4Addr::new(192, 0, 2, 9)).udp(1, 2, b"x"), "source_not_local");
}

#[test]
fn quotes_as_much_as_fits_576_bytes() {
    for len in [20, 28, 100, 547, 548, 549, 1400] {
        let packet = V4::out().ttl(1).raw(50, &bytes_of(len - 20));
        answered(&host(), &packet, "hop_limit", (11, 0, 0));
        let reply = common::translate(&host(), &packet).replied.unwrap();
        assert_eq!(reply.len(), (28 + len).min(576));
    }
}

#[test]
fn the_source_is_configurable_and_never_the_hosts() {
    let mut c = host();
    c.v4_error_source = Ipv4Addr::new(192, 0, 0, 2);
    answered(&c, &V4::out().ttl(1).udp(1, 2, b"x"), "hop_limit", (11, 0, 0));
    assert_eq!(host().v4_error_source, Ipv4Addr::new(192, 0, 0, 8));
}

#[test]
fn may_be_turned_off() {
    let mut c = host();
    c.errors = false;
    silent(&c, &V4::out().ttl(1).udp(1, 2, b"x"), "hop_limit");
    silent(&c, &V4::out().summed(6, tcp(1, 2, &bytes_of(1480)), 16), "too_big");
    silent(&c, &V6::back().hop_limit(1).udp(1, 2, b"x"), "hop_limit");
}

#[test]
fn may_be_rate_limited() {
    let translator = common::translator(&host());
    let mut state = QueueState::with_limit(1, Some(RateLimit { per_second: 10, burst: 3 }));
    state.tick(0);
    let packet = V4::out().ttl(1).udp(1, 2, b"x");
    let replies = |state: &mut QueueState, n: usize| {
        (0..n)
            .filter(|_| {
                let did = common::did(translator.translate(&packet, state));
                assert_eq!(did.reason.as_deref(), Some(DropReason::HopLimit.as_str()));
                did.replied.is_some()
            })
            .count()
    };
    assert_eq!(replies(&mut state, 100), 3);
    assert_eq!(state.errors_suppressed(), 97);
    state.tick(200);
    assert_eq!(replies(&mut state, 100), 2);
}
