//! Writes the first corpora: real packets (clat-core/tests/data/packets.txt), each in the form of each target.
//!
//! `cargo run --example seed` in `fuzz/`.

use clat_core::{Pref64, RaPref64};
use clat_fuzz::CONTROL;
use clat_model::build::{V4, V6};
use std::path::Path;
use std::{fs, io};

/// Nothing is mended: a real packet is plausible.
const AS_IS: [u8; CONTROL] = [0, 0, 0x7f];

fn packets() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let text = include_str!("../../clat-core/tests/data/packets.txt");
    text.lines().filter(|l| !l.starts_with('#')).filter_map(|line| {
        let (name, hex) = line.split_once(' ')?;
        let octet = |i| u8::from_str_radix(&hex[i..i + 2], 16).ok();
        Some((name, (0..hex.len()).step_by(2).map_while(octet).collect()))
    })
}

fn write(target: &str, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), parts.concat())
}

/// The packet quoted in an ICMP error, and the error's type as the target counts it.
fn quoted(packet: &[u8]) -> Option<(u8, [u8; 4], &[u8])> {
    let v6 = packet[0] >> 4 == 6;
    let (protocol, header) = if v6 { (packet[6], 40) } else { (packet[9], usize::from(packet[0] & 15) * 4) };
    let message = packet.get(header..).filter(|_| matches!(protocol, 1 | 58))?;
    let [kind, _, _, _, word @ ..] = *message.first_chunk::<8>()?;
    let is_error = if v6 { kind < 128 } else { matches!(kind, 3 | 11 | 12) };
    is_error.then(|| (if v6 { 8 + kind.min(7) } else { kind & 7 }, word, &message[8..]))
}

/// A Router Advertisement with PREF64, two prefixes and resolvers; an answer with both well-known
/// addresses; a journal; a network that comes up.
fn control_plane() -> io::Result<()> {
    let pref64 = RaPref64 { prefix: Pref64::WELL_KNOWN, lifetime_s: 1800 }.emit();
    let advertisement = [134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut prefix = [0; 32];
    prefix[..16].copy_from_slice(&[3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0]);
    prefix[16..24].copy_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 1, 0, 1]);
    let mtu = [5, 1, 0, 0, 0, 0, 5, 0xdc];
    write("router_advertisement", "pref64", &[&[0], &advertisement, &pref64])?;
    write("router_advertisement", "all", &[&[4], &advertisement, &prefix, &mtu, &pref64, &prefix])?;

    let record = |last: u8| {
        let mut rr = vec![0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0, 0x64, 0xff, 0x9b];
        rr.extend([0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 0, last]);
        rr
    };
    write("dns_answer", "two-records", &[&[0, 2, 0, 0, 0, 0, 0, 0], &record(170), &record(171)])?;
    write("dns_answer", "no-record", &[&[0; 8]])?;
    write("dns_answer", "no-such-name", &[&[1, 0x83, 0, 1, 0, 0, 0, 0]])?;

    let steps = [
        "open-device",
        "set-mtu dev device v4 1472 v6 1500",
        "add-address dev 2 addr 2001:db8::1/128 role claim",
        "add-route dev device dest 0.0.0.0/0 metric 1000000 mtu 1472 mss 0",
        "join-group dev 2 group ff02::1:ff00:464",
    ];
    for (i, step) in steps.iter().enumerate() {
        write("journal_line", &format!("step-{i}"), &[step.as_bytes()])?;
    }
    // Link up, address, router, complete, PREF64 option, time passes, the address is unique, and so on.
    let up = [0, 0, 0, 25, 2, 0, 4, 100, 9, 0, 12, 16];
    let rest = [21, 50, 14, 1, 21, 50, 21, 250, 6, 1, 21, 50, 7, 1, 21, 50, 8, 0, 9, 0, 15, 0, 21, 200];
    write("engine", "comes-up", &[&up, &pref64, &rest])?;
    write("engine", "manual", &[&[0x20, 0], &up[2..], &pref64, &rest])
}

/// Captures of both formats, a configuration, requests and answers, kernel messages, runs of packets.
fn program() -> io::Result<()> {
    let udp = (0..3_u8).flat_map(|n| run(0x45, 17, n)).collect::<Vec<u8>>();
    let tcp = (0..3_u8).flat_map(|n| run(0x80, 6, n)).collect::<Vec<u8>>();
    write("merge", "udp-of-one-flow", &[&[0], &udp])?;
    write("merge", "tcp-of-one-flow", &[&[0], &tcp])?;
    write("merge", "two-flows-in-turn", &[&[0], &udp, &tcp, &udp])?;

    for (name, header, packet) in [
        ("tcp4", [1, 1, 40, 0, 100, 0, 20, 0, 16, 0, 0, 0], V4::out().tcp(1000, 80, &[7; 350])),
        ("tcp6", [1, 4, 60, 0, 100, 0, 40, 0, 16, 0, 0, 0], V6::back().tcp(80, 1000, &[7; 350])),
        ("udp4", [1, 5, 28, 0, 100, 0, 20, 0, 6, 0, 0, 0], V4::out().udp(1000, 53, &[7; 350])),
        ("udp6", [1, 5, 48, 0, 100, 0, 40, 0, 6, 0, 0, 0], V6::back().udp(53, 1000, &[7; 350])),
    ] {
        write("super_packet", name, &[&AS_IS, &header, &packet])?;
    }

    let classic = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 101, 0, 0, 0];
    let record = [1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0x45, 0, 0, 4];
    write("capture_file", "classic", &[&classic, &record, &record])?;
    let section = [10, 13, 13, 10, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
    let open = [[0xff; 8].as_slice(), &[28, 0, 0, 0]].concat();
    let interface = [1, 0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let nanos = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0];
    let packet = [6, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0];
    let end = [0x60, 0, 0, 0, 36, 0, 0, 0];
    write("capture_file", "ng", &[&section, &open, &interface, &nanos, &packet, &end])?;
    let simple = [3, 0, 0, 0, 20, 0, 0, 0, 4, 0, 0, 0, 0x45, 0, 0, 4, 20, 0, 0, 0];
    write("capture_file", "ng-simple", &[&section, &open, &interface, &nanos, &simple])?;

    write("config_file", "shipped", &[include_bytes!("../../packaging/linux/clat.toml")])?;
    let text =
        "pref64 = \"64:ff9b::/96\"\nmtu = 1400\nqueues = 2\n[discovery]\nresolvers = [\"2001:db8::53\"]\n";
    write("config_file", "some-keys", &[text.as_bytes()])?;
    write("config_file", "wrong", &[b"mtu = 20\nuplnk = \"\xc3\xa4\"\n"])?;

    for (i, line) in [r#"{"cmd":"status"}"#, r#"{"cmd":"stop"}"#, r#"{"cmd":"reload"}"#].iter().enumerate() {
        write("control_request", &format!("request-{i}"), &[&[0], line.as_bytes()])?;
    }
    for (i, line) in [r#"{"ok":"done"}"#, r#"{"error":"why"}"#].iter().enumerate() {
        write("control_request", &format!("answer-{i}"), &[&[1], line.as_bytes()])?;
    }
    write("control_request", "scrape", &[&[2], b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"])?;

    let ack = [53, 1, 5, 54, 4, 192, 0, 2, 1];
    write("dhcp4", "ack-with-108", &[&[0], &ack, &[108, 4, 0, 0, 7, 8, 255]])?;
    write("dhcp4", "ack-without", &[&[0], &ack, &[255]])?;
    // Option, class, length, vendor, end of the lease; data.
    let head = |option: u32, len: u32| [option, 0, len, 0, 2000].map(u32::to_le_bytes).concat();
    let (kind, wait) = ([&head(53, 1)[..], &[5, 0, 0, 0]].concat(), [&head(108, 4)[..], &[0, 0, 7, 8]].concat());
    write("lease4", "with-108", &[&[0; 4], &kind, &wait])?;
    write("lease4", "with-108-ended", &[&2000_u32.to_le_bytes(), &kind, &wait])?;
    write("lease4", "without", &[&[0; 4], &kind])?;

    // RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWLINK, RTM_NEWNDUSEROPT.
    let header = |len: u8, kind: u8| [len, 0, 0, 0, kind, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let addr6 = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    let address = [&header(44, 20)[..], &[10, 64, 0x80, 0, 2, 0, 0, 0, 20, 0, 1, 0], &addr6].concat();
    write("netlink", "address", &[&address])?;
    let route =
        [&header(36, 24)[..], &[10, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0, 8, 0, 4, 0, 2, 0, 0, 0]].concat();
    write("netlink", "route", &[&route])?;
    let link = [&header(40, 16)[..], &[0, 0, 1, 0, 2, 0, 0, 0, 0x43, 0, 1, 0, 0, 0, 0, 0]].concat();
    write("netlink", "link", &[&link, &[8, 0, 4, 0, 0xdc, 5, 0, 0]])?;
    let pref64 = RaPref64 { prefix: Pref64::WELL_KNOWN, lifetime_s: 1800 }.emit();
    let option = [10, 0, 16, 0, 2, 0, 0, 0, 134, 0, 0, 0, 0, 0, 0, 0];
    write("netlink", "pref64", &[&header(48, 68), &option, &pref64])?;
    write("netlink", "several", &[&address, &route])
}

/// One packet as the target `merge` reads it: ports 1000 to 2000, eight bytes of payload, the `n`-th of its run.
fn run(first: u8, protocol: u8, n: u8) -> Vec<u8> {
    let start = if first == 0x45 { 20 } else { 40 };
    let transport = if protocol == 6 { 20 } else { 8 };
    let mut packet = vec![0; start + transport + if protocol == 6 { 8 } else { 24 }];
    packet[0] = first;
    packet[if start == 20 { 9 } else { 6 }] = protocol;
    packet[start..start + 4].copy_from_slice(&[3, 0xe8, 7, 0xd0]);
    if protocol == 6 {
        packet[start + 7] = 8 * n;
        packet[start + 12..start + 14].copy_from_slice(&[0x50, 0x10]);
    }
    let len = u8::try_from(packet.len()).unwrap_or(u8::MAX);
    [&[n & 1, len, 40][..], &packet].concat()
}

fn main() -> io::Result<()> {
    program()?;
    for (name, packet) in packets() {
        let family = if packet[0] >> 4 == 6 { "v6_to_v4" } else { "v4_to_v6" };
        for target in [family, "differential", "round_trip"] {
            write(target, name, &[&AS_IS, &packet])?;
        }
        write("in_place", name, &[&[60, 10], &AS_IS, &packet])?;
        // With a virtio-net header that says nothing.
        write("super_packet", name, &[&AS_IS, &[0; 12], &packet])?;
        if let Some((kind, word, quote)) = quoted(&packet) {
            write("quoted", name, &[&[kind], &word, &AS_IS, quote])?;
        }
    }
    control_plane()?;
    for prefix in ["64:ff9b::/96", "2001:db8:122:344::/64", "2001:db8:122:300::/56", "2001:db8::/32"] {
        let prefix: Pref64 = prefix.parse().map_err(io::Error::other)?;
        let name = format!("pref64-{}", prefix.len());
        write("ra_pref64", &name, &[&RaPref64 { prefix, lifetime_s: 1800 }.emit()])?;
    }
    Ok(())
}
