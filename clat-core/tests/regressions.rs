//! One named test for each fault that was found.

mod common;

use clat_model::build::{LOCAL_V4, LOCAL_V6, REMOTE_V4, V4, V6, WELL_KNOWN};
use clat_model::{Config, Model, judge};

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
