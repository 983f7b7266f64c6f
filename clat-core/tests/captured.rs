//! Packets of real hosts (tests/data/packets.txt), translated.

#![allow(clippy::unwrap_used)]

mod common;

use clat_model::{Model, judge};
use common::host;

fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let lines = include_str!("data/packets.txt").lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|line| {
            let (name, hex) = line.split_once(' ').unwrap();
            let octet = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
            (name, (0..hex.len()).step_by(2).map(octet).collect())
        })
        .collect()
}

#[test]
fn the_model_agrees_on_every_one() {
    assert!(packets().len() > 50);
    for (name, packet) in packets() {
        let did = common::translate(&host(), &packet);
        let expected = Model::new(host()).translate(&packet);
        judge::agree(&packet, &expected, &did).unwrap_or_else(|difference| panic!("{name}: {difference}"));
    }
}

/// Of the names: which are dropped, and why. All others arrive.
#[test]
fn what_is_dropped() {
    for (name, packet) in packets() {
        let reason = common::translate(&host(), &packet).reason;
        let expected = match name {
            n if n.ends_with("-expiring") => Some("hop_limit"),
            "v4-icmp-8-0-fragment-1396" | "v4-icmp-fragment-1152" => Some("fragmented_icmp"),
            // Neighbour Discovery is of the link.
            "v6-icmp-136-0-72" => Some("source_not_mapped"),
            // Raw sockets: bytes that are no header of the protocol.
            n => judge_by_name(n, &packet),
        };
        assert_eq!(reason.as_deref(), expected, "{name}");
    }
}

fn judge_by_name(name: &str, packet: &[u8]) -> Option<&'static str> {
    let is_fragmented_icmpv6 = name.starts_with("v6-fragment") && packet[40] == 58;
    is_fragmented_icmpv6.then_some("fragmented_icmp")
}

/// A right checksum of a real stack stays right in the eyes of smoltcp.
#[test]
fn right_checksums_stay_right() {
    let mut judged = 0;
    for (name, packet) in packets() {
        if common::judges::smoltcp_verifies(&packet) != Some(true)
            || packet[6..8] == [0, 0] && packet[0] >> 4 == 6
        {
            continue;
        }
        for out in common::translate(&host(), &packet).forwarded {
            assert_ne!(common::judges::smoltcp_verifies(&out), Some(false), "{name}");
            judged += 1;
        }
    }
    assert!(judged > 20, "{judged}");
}
