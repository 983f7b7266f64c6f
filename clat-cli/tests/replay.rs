//! `run --source pcap:FILE` as a process: what it makes of a capture without device and without rights.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says where it fails")]

mod util;

use clat_model::build::{V4, V6};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use util::{ADDRESSES, Said, capture, folder, packets, run, translate};

/// A packet of a pcapng: whether it left, its time in microseconds, its bytes.
type Passed = (bool, u64, Vec<u8>);

/// The packets of a pcapng of the program, by the blocks' lengths alone.
fn passed(file: &[u8]) -> Vec<Passed> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut at, mut found) = (0, Vec::new());
    while at < file.len() {
        let len = word(at + 4) as usize;
        if word(at) == 6 {
            let (data, end) = (at + 28, at + 28 + word(at + 20) as usize);
            let options = &file[end.next_multiple_of(4)..at + len - 4];
            let flags = option(options, 2).unwrap();
            let nanos = u64::from(word(at + 12)) << 32 | u64::from(word(at + 16));
            found.push((flags[0] & 3 == 2, nanos / 1000, file[data..end].to_vec()));
        }
        at += len;
    }
    found
}

fn option(mut options: &[u8], wanted: u16) -> Option<Vec<u8>> {
    while let [a, b, c, d, rest @ ..] = options {
        let (code, len) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        if code == wanted {
            return Some(rest[..len].to_vec());
        }
        options = &rest[len.next_multiple_of(4).min(rest.len())..];
    }
    None
}

/// Replays a file into a capture, as root without the right to make devices.
fn replay(input: &Path, output: &Path, extra: &[&str]) -> Said {
    let source = format!("pcap:{}", input.display());
    let args = ["run", "--source", &source, "--capture", output.to_str().unwrap()];
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    let mut command = if root {
        let mut command = Command::new("setpriv");
        let without = "-net_admin,-net_raw";
        command.args(["--bounding-set", without, "--inh-caps", without, env!("CARGO_BIN_EXE_clat-cli")]);
        command
    } else {
        util::program()
    };
    command.args(args).args(ADDRESSES).args(extra).env_remove("CLAT_LOG");
    command.stdin(Stdio::null()).output().unwrap().into()
}

fn files(test: &str, bytes: &[u8]) -> (PathBuf, PathBuf) {
    let folder = folder(test);
    let input = folder.join("in.pcap");
    std::fs::write(&input, bytes).unwrap();
    (input, folder.join("out.pcapng"))
}

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

/// Without the identification, which is drawn anew at each start.
fn nameless(mut packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    for packet in &mut packets {
        if packet[0] >> 4 == 4 {
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        } else if packet[6] == 44 {
            packet[44..48].fill(0);
        }
    }
    packets
}

#[test]
fn a_capture_comes_out_as_translate_has_it_with_its_times_and_a_summary() {
    let bytes = capture(101, &mixture());
    let (input, output) = files("replay-mixture", &bytes);
    let started = Instant::now();
    let said = replay(&input, &output, &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(started.elapsed() < Duration::from_secs(6), "it waited for the capture's pauses");
    let all = passed(&std::fs::read(&output).unwrap());
    let went_in: Vec<_> = all.iter().filter(|p| !p.0).map(|p| p.2.clone()).collect();
    assert_eq!(went_in, mixture());
    let (_, written) = translate("replay-mixture-translate", &bytes, &[]);
    let came_out: Vec<_> = all.iter().filter(|p| p.0).map(|p| p.2.clone()).collect();
    assert_eq!(nameless(came_out), nameless(packets(&written)));
    let times: Vec<u64> = all.iter().filter(|p| p.0).map(|p| p.1).collect();
    assert_eq!(times, [0, 1_000_001, 2_000_002, 2_000_002, 2_000_002, 3_000_003, 6_000_006]);
    for line in [
        "7 packets: 3 IPv4 to IPv6, 1 IPv6 to IPv4, 3 dropped, 1 answered with an ICMP error",
        "drop hop_limit: 1 (RFC 7915 sections 4.1 and 5.1)",
        "drop source_not_local: 1 (RFC 6877 section 6.3)",
        "drop icmp_type: 1 (RFC 7915 sections 4.2 and 5.2)",
    ] {
        assert!(said.err.lines().any(|l| l == line), "{line} is missing in:\n{}", said.err);
    }
}

#[test]
fn every_link_type_gives_the_same() {
    let packet = V6::back().udp(53, 5000, b"answer");
    let framed = |head: &[u8]| [head, &packet, &[0; 9]].concat();
    let expected = nameless(vec![V4::back().ttl(63).udp(53, 5000, b"answer")]);
    for (link, head) in [
        (101, &[][..]),
        (229, &[]),
        (1, &[[0; 12].as_slice(), &[0x86, 0xdd]].concat()),
        (1, &[[0; 12].as_slice(), &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd]].concat()),
        (113, &[[0; 14].as_slice(), &[0x86, 0xdd]].concat()),
        (276, &[&[0x86, 0xdd], [0; 18].as_slice()].concat()),
    ] {
        let arp = [[0; 12].as_slice(), &[8, 6], &[0; 28]].concat();
        let frames = if link == 1 { vec![framed(head), arp] } else { vec![framed(head)] };
        let (input, output) = files("replay-links", &capture(link, &frames));
        let said = replay(&input, &output, &[]);
        let out = passed(&std::fs::read(&output).unwrap()).into_iter().filter(|p| p.0).map(|p| p.2);
        assert_eq!((said.code, nameless(out.collect())), (0, expected.clone()), "{link}: {}", said.err);
        assert_eq!(said.err.contains("skipped: 1 frames without an IP packet"), link == 1, "{}", said.err);
    }
}

#[test]
fn at_real_speed_the_pauses_are_kept() {
    let (input, output) = files("replay-real", &capture(101, &mixture()[..2]));
    let started = Instant::now();
    let said = replay(&input, &output, &["--speed", "real"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(started.elapsed() >= Duration::from_secs(1), "one second lies between the packets");
    assert_eq!(passed(&std::fs::read(&output).unwrap()).len(), 4);
}

/// A capture on the sender shows packets as they went to the card: checksum not there yet, far above the MTU.
#[test]
fn what_a_card_would_have_finished_is_finished() {
    let mut packet = V4::out().tcp(5000, 80, &[7; 4000]);
    let pseudo: u32 = packet[12..20].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let sum = pseudo + 6 + 4020;
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    packet[36..38].copy_from_slice(&folded.to_be_bytes());
    let (input, output) = files("replay-unfinished", &capture(101, &[packet]));
    let said = replay(&input, &output, &[]);
    let out: Vec<_> =
        passed(&std::fs::read(&output).unwrap()).into_iter().filter(|p| p.0).map(|p| p.2).collect();
    assert!(out.iter().all(|p| p[0] >> 4 == 6 && p.len() <= 1500), "{}", said.err);
    assert_eq!(out.iter().map(|p| p.len() - 60).sum::<usize>(), 4000, "{}", said.err);
    for packet in &out {
        let tcp = etherparse::PacketHeaders::from_ip_slice(packet).unwrap();
        let (Some(etherparse::NetHeaders::Ipv6(ip, _)), Some(header)) = (tcp.net, tcp.transport) else {
            panic!("no TCP over IPv6");
        };
        let header = header.tcp().unwrap();
        let sum = header.calc_checksum_ipv6(&ip, tcp.payload.slice()).unwrap();
        assert_eq!(header.checksum, sum);
    }
}

#[test]
fn a_capture_that_ends_in_a_record_is_played_to_there() {
    let bytes = capture(101, &mixture());
    let (input, output) = files("replay-cut", &bytes[..bytes.len() - 5]);
    let said = replay(&input, &output, &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("it ends within the record at byte"), "{}", said.err);
    assert!(said.err.contains("6 packets: "), "{}", said.err);
}

#[test]
fn what_cannot_be_played_is_refused_with_advice() {
    let (input, output) = files("replay-refused", b"GET / HTTP/1.1\r\nHost: example\r\n\r\n");
    let said = replay(&input, &output, &[]);
    assert!(said.code == 2 && said.err.contains("neither a pcap nor a pcapng"), "{}", said.err);
    let said = replay(Path::new("/no/such.pcap"), &output, &[]);
    assert!(said.code == 2 && said.err.contains("/no/such.pcap: it cannot be opened"), "{}", said.err);
    std::fs::write(&input, capture(105, &[[0; 40]])).unwrap();
    let said = replay(&input, &output, &[]);
    assert!(said.code == 2 && said.err.contains("link type 105"), "{}", said.err);
    std::fs::write(&input, capture(101, &mixture())).unwrap();
    let said = replay(&input, &input, &[]);
    assert!(said.code == 2 && said.err.contains("is the input too"), "{}", said.err);
    assert_eq!(std::fs::read(&input).unwrap(), capture(101, &mixture()), "it was not touched");
    let said = replay(&input, &output, &["--tun", "clat7"]);
    assert!(said.code == 1 && said.err.contains("--capture FILE.pcapng without --tun"), "{}", said.err);
    let source = format!("pcap:{}", input.display());
    let said = run(&["run", "--source", &source]);
    assert!(said.code == 2 && said.err.contains("--pref64 and --clat-v6"), "{}", said.err);
}

#[test]
fn a_dry_run_says_where_it_would_go() {
    let (input, output) = files("replay-dry", &capture(101, &mixture()));
    let said = replay(&input, &output, &["--dry-run"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.text().contains("out.pcapng") && !output.exists(), "{}", said.text());
}
