//! `translate` as a process: the contract of its files, its standard error and its exit codes.
#![allow(clippy::unwrap_used, reason = "a test says where it fails")]

mod util;

use clat_model::build::{V4, V6};
use std::fs;
use util::{ADDRESSES, capture, folder, packets, records, run, run_with_input, translate};

/// One of each: translations both ways, fragments, an error in answer, drops.
fn mixture() -> Vec<Vec<u8>> {
    vec![
        V4::out().udp(5000, 53, b"question"),
        V6::back().udp(53, 5000, b"answer"),
        V4::out().df(false).udp(5000, 53, &[7; 3000]),
        V4::out().ttl(1).udp(5000, 53, b"too far"),
        V4::out().src([10, 0, 0, 1].into()).udp(5000, 53, b"not mine"),
        V6::back().icmp(200, 0, [0; 4], b"no counterpart"),
        V4::out().tcp(5000, 80, b"last"),
    ]
}

#[test]
fn everything_emitted_is_there_in_order_with_its_time() {
    let (said, written) = translate("mixture", &capture(101, &mixture()), &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    let out = records(&written);
    let times: Vec<(u32, u32)> = out.iter().map(|r| (r.0, r.1)).collect();
    assert_eq!(times, [(0, 0), (1, 1), (2, 2), (2, 2), (2, 2), (3, 3), (6, 6)]);
    assert_eq!(out[0].2, V6::out().hop_limit(63).udp(5000, 53, b"question"));
    assert_eq!(out[1].2, V4::back().ttl(63).ident(ident(&out[1].2)).udp(53, 5000, b"answer"));
    let sizes: Vec<usize> = out[2..5].iter().map(|r| r.2.len()).collect();
    assert_eq!(sizes, [1280, 1280, 40 + 8 + 3008 - 2 * 1232]);
    let reply = &out[5].2;
    assert_eq!((reply[0], reply[9], reply[20], reply[21]), (0x45, 1, 11, 0), "ICMPv4 time exceeded");
    assert_eq!(out[6].2, V6::out().hop_limit(63).tcp(5000, 80, b"last"));
    for line in [
        "7 packets: 3 IPv4 to IPv6, 1 IPv6 to IPv4, 3 dropped, 1 answered with an ICMP error",
        "1 packets left in 3 fragments",
        "drop hop_limit: 1 (RFC 7915 sections 4.1 and 5.1)",
        "drop source_not_local: 1 (RFC 6877 section 6.3)",
        "drop icmp_type: 1 (RFC 7915 sections 4.2 and 5.2)",
    ] {
        assert!(said.err.lines().any(|l| l == line), "{line} is missing in:\n{}", said.err);
    }
    assert!(!said.err.contains('\r'), "a progress line without a terminal");
}

/// The identification of a packet that the translator made up.
fn ident(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[4], packet[5]])
}

#[test]
fn every_link_type_gives_the_same() {
    let packet = V4::out().udp(5000, 53, b"question");
    let expected = V6::out().hop_limit(63).udp(5000, 53, b"question");
    let framed = |head: &[u8]| [head, &packet, &[0; 9]].concat();
    for (link, head) in [
        (101, &[][..]),
        (228, &[]),
        (1, &[[0; 12].as_slice(), &[8, 0]].concat()),
        (1, &[[0; 12].as_slice(), &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]].concat()),
        (113, &[[0; 14].as_slice(), &[8, 0]].concat()),
        (276, &[&[8, 0], [0; 18].as_slice()].concat()),
        (0, &[2, 0, 0, 0]),
        (108, &[0, 0, 0, 2]),
    ] {
        let arp = [[0; 12].as_slice(), &[8, 6], &[0; 28]].concat();
        let mut frames = vec![framed(head)];
        if link == 1 {
            frames.push(arp);
        }
        let (said, written) = translate("links", &capture(link, &frames), &[]);
        assert_eq!((said.code, packets(&written)), (0, vec![expected.clone()]), "{link}: {}", said.err);
        assert_eq!(said.err.contains("skipped: 1 frames without an IP packet"), link == 1, "{}", said.err);
    }
}

#[test]
fn ipv6_in_ipv6_links_and_the_wrong_family_in_either() {
    let (said, written) = translate("v6", &capture(229, &[V6::back().udp(53, 5000, b"a")]), &[]);
    assert_eq!((said.code, packets(&written).len()), (0, 1), "{}", said.err);
    let (said, written) = translate("v6", &capture(229, &[V4::out().udp(53, 5000, &[7; 40])]), &[]);
    assert_eq!((said.code, packets(&written).len()), (0, 0));
    assert!(said.err.contains("drop bad_version: 1"), "{}", said.err);
}

#[test]
fn flags_change_what_is_done() {
    let zero_checksum = |mut p: Vec<u8>| {
        p[26..28].fill(0);
        p
    };
    let udp = capture(101, &[zero_checksum(V4::out().udp(5000, 53, b"question"))]);
    let (_, written) = translate("calc", &udp, &[]);
    assert_eq!(packets(&written), [V6::out().hop_limit(63).udp(5000, 53, b"question")]);
    let (said, _) = translate("calc", &udp, &["--udp-zero-checksum", "drop"]);
    assert!(said.err.contains("drop udp_zero_checksum: 1"), "{}", said.err);

    let private = capture(101, &[V4::out().dst([10, 9, 8, 7].into()).udp(5000, 53, b"x")]);
    let (_, written) = translate("private", &private, &["--private-ipv4", "translate"]);
    assert_eq!(packets(&written).len(), 1);
    let (said, written) = translate("private", &private, &["--private-ipv4", "drop"]);
    assert!(said.err.contains("1 dropped") && said.err.contains("drop private_"), "{}", said.err);
    assert!(packets(&written).iter().all(|p| p[0] >> 4 == 4));

    let large = capture(101, &[V4::out().udp(5000, 53, &[7; 1400])]);
    let (said, _) = translate("mtu", &large, &["--mtu6", "1400"]);
    assert!(said.err.contains("drop too_big: 1"), "{}", said.err);
    let large = capture(101, &[V4::out().df(false).udp(5000, 53, &[7; 1300])]);
    let (_, written) = translate("mtu", &large, &["--min-ipv6-mtu", "1400"]);
    assert_eq!(packets(&written).len(), 1, "whole up to --min-ipv6-mtu");

    let eam = capture(101, &[V4::out().src([10, 0, 0, 9].into()).udp(5000, 53, b"x")]);
    let (_, written) = translate("eam", &eam, &["--eam", "10.0.0.0/24=2001:db8:1::/120"]);
    let expected = V6::out().src("2001:db8:1::9".parse().unwrap()).hop_limit(63).udp(5000, 53, b"x");
    assert_eq!(packets(&written), [expected]);
}

#[test]
fn a_packet_cut_at_every_byte_is_ordinary_input() {
    let whole = [V4::out().tcp(5000, 80, b"payload"), V6::back().extension(0, 1).tcp(80, 5000, b"payload")];
    let cut: Vec<&[u8]> = whole.iter().flat_map(|p| (0..p.len()).map(|len| &p[..len])).collect();
    let (said, written) = translate("cut-packets", &capture(101, &cut), &[]);
    assert_eq!((said.code, packets(&written).len()), (0, 0), "{}", said.err);
    assert!(said.err.contains(&format!("drop truncated: {}", cut.len())), "{}", said.err);
}

#[test]
fn a_capture_cut_at_every_byte_gives_what_was_whole() {
    let file = capture(101, &mixture()[..2]);
    let whole = packets(&translate("cut-file", &file, &[]).1);
    for len in 0..file.len() {
        let (said, written) = translate("cut-file", &file[..len], &[]);
        if len < 24 {
            assert_eq!((said.code, written.len()), (2, 0), "{len}: {}", said.err);
            continue;
        }
        let out = packets(&written);
        assert_eq!((said.code, &out[..]), (0, &whole[..out.len()]), "{len}: {}", said.err);
        let at_a_border = len == 24 || len == 24 + 16 + mixture()[0].len();
        assert_eq!(said.err.contains("warning"), !at_a_border, "{len}: {}", said.err);
    }
}

#[test]
fn a_capture_without_packets_gives_one_without_packets() {
    let (said, written) = translate("empty", &capture::<&[u8]>(101, &[]), &[]);
    assert_eq!((said.code, written.len()), (0, 24), "{}", said.err);
}

#[test]
fn a_short_snapshot_is_said() {
    let mut file = capture(101, &[&V4::out().tcp(5000, 80, &[7; 500])[..96]]);
    file[24 + 12..24 + 16].copy_from_slice(&540_u32.to_le_bytes());
    let (said, written) = translate("snap", &file, &[]);
    assert_eq!((said.code, packets(&written).len()), (0, 0));
    assert!(said.err.contains("warning: 1 packets were cut short when they were captured"), "{}", said.err);
}

#[test]
fn a_length_that_lies_ends_it_with_a_warning() {
    let mut file = capture(101, &mixture()[..2]);
    let second = 24 + 16 + mixture()[0].len();
    file[second + 8..second + 12].fill(0xff);
    let (said, written) = translate("lie", &file, &[]);
    assert_eq!((said.code, packets(&written).len()), (0, 1));
    assert!(said.err.contains(&format!("the record at byte {second} is corrupt")), "{}", said.err);
}

#[test]
fn nanoseconds_stay_and_pcapng_goes_both_ways() {
    let mut file = capture(101, &mixture()[..1]);
    file[..4].copy_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
    file[28..32].copy_from_slice(&123_456_789_u32.to_le_bytes());
    let (_, written) = translate("nano", &file, &[]);
    assert_eq!(records(&written)[0].1, 123_456_789);

    let folder = folder("ng");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    fs::write(path("in.pcap"), &file).unwrap();
    let there = [path("in.pcap"), path("mid.pcapng")];
    let args = |files: &[String]| {
        let start = ["translate"].iter().chain(&ADDRESSES).map(ToString::to_string);
        start.chain(files.iter().cloned()).collect::<Vec<_>>()
    };
    assert_eq!(run(&args(&there)).code, 0);
    assert_eq!(fs::read(path("mid.pcapng")).unwrap()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    // As the NAT64 sends it back.
    assert_eq!(run(&args(&[path("mid.pcapng"), path("out.pcap")])).code, 0);
    let out = fs::read(path("out.pcap")).unwrap();
    assert_eq!(out[..4], 0xa1b2_3c4d_u32.to_le_bytes(), "nanoseconds through pcapng");
}

#[test]
fn dash_is_standard_input_and_output() {
    let input = capture(101, &mixture());
    let file = translate("dash", &input, &[]).1;
    let said = run_with_input(&[&["translate"][..], &ADDRESSES, &["-", "-"]].concat(), &input);
    assert_eq!((said.code, said.out), (0, file), "{}", said.err);
}

#[cfg(unix)]
#[test]
fn the_input_is_never_overwritten() {
    let folder = folder("same");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let input = capture(101, &mixture());
    fs::write(path("in.pcap"), &input).unwrap();
    fs::hard_link(path("in.pcap"), path("hard.pcap")).unwrap();
    std::os::unix::fs::symlink(path("in.pcap"), path("soft.pcap")).unwrap();
    for output in ["in.pcap", "hard.pcap", "soft.pcap"] {
        let (from, to) = (path("in.pcap"), path(output));
        let said = run(&[&["translate"][..], &ADDRESSES, &[&from, &to]].concat());
        assert_eq!(said.code, 2, "{output}");
        assert!(said.err.contains("is the input too"), "{}", said.err);
        assert_eq!(fs::read(path("in.pcap")).unwrap(), input);
    }
}

#[test]
fn usage_errors_end_with_2_and_say_what_to_do() {
    let folder = folder("usage");
    let file = folder.join("in.pcap");
    fs::write(&file, capture(147, &mixture())).unwrap();
    let out = folder.join("out.pcap");
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    let full = [&["translate"][..], &ADDRESSES].concat();
    for (args, said) in [
        (vec!["translate", file, out], "--pref64"),
        ([&full[..], &["--mtu6", "1000", file, out]].concat(), "1280"),
        ([&full[..], &["--eam", "10.0.0.0/8=::/120", file, out]].concat(), "RFC 7757 section 3.2"),
        ([&full[..], &[file, out]].concat(), "link type 147"),
        ([&full[..], &["/nonexistent", out]].concat(), "cannot be opened"),
        ([&full[..], &["/", out]].concat(), "cannot be"),
        ([&full[..], &[env!("CARGO_MANIFEST_PATH"), out]].concat(), "neither a pcap nor a pcapng"),
        ([&full[..2], &["64:ff9b::/95"], &full[3..], &[file, out]].concat(), "--pref64"),
    ] {
        let answer = run(&args);
        assert_eq!(answer.code, 2, "{args:?}: {}", answer.err);
        assert!(answer.err.contains(said), "{args:?}: {}", answer.err);
    }
    assert!(!std::path::Path::new(out).exists(), "nothing is written for a usage error");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_capture() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let script = format!(
        "ulimit -v 65536; exec {} translate {} - /dev/null",
        env!("CARGO_BIN_EXE_clat-cli"),
        ADDRESSES.join(" ")
    );
    let mut shell = Command::new("sh");
    let mut child = shell.args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let packet = capture(101, &[V4::out().udp(5000, 53, &[7; 1300])]);
    let batch = packet[24..].repeat(500);
    stdin.write_all(&packet).unwrap();
    for _ in 0..150 {
        stdin.write_all(&batch).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    assert!(err.contains("75001 packets: 75001 IPv4 to IPv6"), "{err}");
}

/// What a real network carries, right in every field.
#[cfg(not(windows))]
fn sound() -> Vec<Vec<u8>> {
    let quoted_v4 = V4::back().ttl(60).udp(53, 40000, b"what I got");
    let quoted_v6 = V6::out().hop_limit(60).tcp(40000, 80, b"what you sent");
    let mut packets = vec![
        V4::out().tcp(40000, 80, b"GET"),
        V4::out().udp(40000, 40009, b"odd"),
        V4::out().tos(0xb9).icmp(8, 0, [0, 1, 0, 1], b"ping"),
        V4::out().icmp(3, 3, [0; 4], &quoted_v4),
        V4::out().df(false).udp(40000, 40009, &[7; 4000]),
        V4::out().ttl(1).udp(40000, 40009, b"error in answer"),
        V4::out().udp(40000, 40009, &[7; 1500]),
        V6::back().tcp(80, 40000, b"200 OK"),
        V6::back().udp(40009, 40000, b"even"),
        V6::back().icmp(129, 0, [0, 1, 0, 1], b"pong"),
        V6::back().icmp(3, 0, [0; 4], &quoted_v6),
        V6::back().src(clat_model::build::ROUTER_V6).icmp(2, 0, [0, 0, 5, 20], &quoted_v6),
        V6::back().src(clat_model::build::ROUTER_V6).icmp(3, 0, [0; 4], &quoted_v6),
        V6::back().hop_limit(1).udp(40009, 40000, b"error in answer"),
        V6::back().udp(40009, 40000, &[7; 1500]),
    ];
    let datagram = V6::back().udp(40009, 40000, &[9; 2000]);
    let payload = &datagram[40..];
    packets.push(V6::back().fragment(0x1_2345, 0, true).raw(17, &payload[..1200]));
    packets.push(V6::back().fragment(0x1_2345, 1200, false).raw(17, &payload[1200..]));
    packets
}

/// A Windows program under Wine starts no tshark.
#[cfg(not(windows))]
#[test]
fn tshark_reads_the_output_without_a_complaint() {
    let (said, written) = translate("tshark", &capture(101, &sound()), &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(packets(&written).len() >= sound().len(), "{}", said.err);
    let file = folder("tshark-out").join("out.pcap");
    fs::write(&file, &written).unwrap();
    let judge = |filter: &str| {
        let checks = ["ip", "tcp", "udp"].map(|p| format!("{p}.check_checksum:TRUE"));
        let mut args = vec!["-r", file.to_str().unwrap(), "-T", "fields"];
        args.extend(["-e", "frame.number", "-e", "_ws.col.Info", "-e", "_ws.expert.message"]);
        args.extend(checks.iter().flat_map(|check| ["-o", check]));
        args.extend(["-Y", filter]);
        util::tshark(&args)
    };
    let Some(complaints) = judge("_ws.malformed || _ws.expert.severity >= 0x600000") else { return };
    assert_eq!(complaints, "", "{}", said.err);
    let bad =
        ["ip", "tcp", "udp", "icmp", "icmpv6"].map(|p| format!("{p}.checksum.status == 0")).join(" || ");
    assert_eq!(judge(&bad).unwrap(), "", "bad checksums");
    let good = judge("tcp.checksum.status == 1 || udp.checksum.status == 1").unwrap();
    assert!(good.lines().count() >= 4, "tshark has checked nothing:\n{good}");
}
