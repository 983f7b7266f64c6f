//! RFC 7915 section 5.4: ICMPv6 errors of the translator's own.

mod common;

use clat_model::build::{LOCAL_V6, V6};
use common::{answered, bytes_of, host, silent};

#[test]
fn prohibited_unless_another_code_is_named() {
    answered(
        &host(),
        &V6::back().fragment(7, 0, false).raw(60, &bytes_of(16)),
        "extension_after_fragment",
        (1, 1, 0),
    );
    let mut c = host();
    c.drop_private = true;
    let private = V6::back().src("64:ff9b::10.0.0.1".parse().unwrap()).udp(1, 2, b"x");
    answered(&c, &private, "private_address", (1, 1, 0));
}

#[test]
fn no_error_about_an_error_or_a_redirect() {
    let quoted = V6::out().udp(5000, 53, b"question");
    for kind in [1, 2, 3, 4, 100, 127, 137] {
        silent(&host(), &V6::back().hop_limit(1).icmp(kind, 0, [0; 4], &quoted), "hop_limit");
    }
}

#[test]
fn no_error_about_a_later_fragment() {
    silent(&host(), &V6::back().hop_limit(1).fragment(7, 64, true).raw(17, &bytes_of(64)), "hop_limit");
}

#[test]
fn no_error_to_what_is_no_host_or_about_multicast() {
    for src in ["::", "ff02::1"] {
        silent(&host(), &V6::back().src(src.parse().unwrap()).hop_limit(1).udp(1, 2, b"x"), "illegal_source");
    }
    let multicast = V6::back().dst("ff0e::1".parse().unwrap()).hop_limit(1).udp(1, 2, b"x");
    silent(&host(), &multicast, "illegal_destination");
}

#[test]
fn quotes_as_much_as_fits_1280_bytes() {
    for len in [40, 48, 1231, 1232, 1233, 1480] {
        let packet = V6::back().hop_limit(1).raw(50, &bytes_of(len - 40));
        answered(&host(), &packet, "hop_limit", (3, 0, 0));
        let reply = common::translate(&host(), &packet).replied.unwrap();
        assert_eq!(reply.len(), (48 + len).min(1280));
    }
}

#[test]
fn the_source_is_the_address_that_was_written_to() {
    let packet = V6::back().hop_limit(1).udp(1, 2, b"x");
    let reply = common::translate(&host(), &packet).replied.unwrap();
    assert_eq!(reply[8..24], LOCAL_V6.octets());
    let mut c = host();
    c.v6_error_source = Some("2001:db8::1".parse().unwrap());
    answered(&c, &packet, "hop_limit", (3, 0, 0));
}
