//! `--source pcap:FILE`: what the Windows program makes of a capture is what the Linux program makes of it, packet by
//! packet; and with a device the host answers what is played to it.

use super::Stage;
use super::stage::{TUN, said};
use crate::process;
use crate::workspace::{cargo, root};
use anyhow::{Context, Result, ensure};
use clat_model::build::{V4, V6};
use clat_netlab::{Lab, wait_for};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The addresses of `clat_model::build`.
const ADDRESSES: [&str; 6] =
    ["--pref64", "64:ff9b::/96", "--clat-v4", "192.0.0.1", "--clat-v6", "2001:db8::464"];

/// What the summary's lines begin with, besides a number of packets.
const SUMMARY: [&str; 3] = ["drop ", "skipped: ", "warning: "];

pub(super) fn run(exe: &Path) -> Result<()> {
    let stage = Stage::new(Lab::builder().build()?, exe, true)?;
    into_a_device(&stage)?;
    fs::remove_file(stage.app().join("wintun.dll"))?;
    into_a_capture(&stage)
}

/// Without a device nothing but the program is needed, and both programs write the same.
fn into_a_capture(stage: &Stage) -> Result<()> {
    let dir = stage.lab.dir();
    let (input, theirs, ours) = (dir.join("in.pcap"), dir.join("linux.pcapng"), dir.join("windows.pcapng"));
    fs::write(&input, capture(&mixture()))?;
    let adapters = created(stage);
    let windows = stage.output(&words(&input, &ours).iter().map(String::as_str).collect::<Vec<_>>())?;
    ensure!(windows.status.code() == Some(0), "{}: {}", windows.status, said(&windows));
    let linux = Command::new(linux_program()?).args(words(&input, &theirs)).output()?;
    ensure!(linux.status.code() == Some(0), "{}: {}", linux.status, said(&linux));
    let (ours, theirs) = (packets(&fs::read(ours)?)?, packets(&fs::read(theirs)?)?);
    ensure!(theirs.len() > mixture().len(), "{} packets", theirs.len());
    let differs = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
    ensure!(
        differs.is_none() && ours.len() == theirs.len(),
        "{} packets on Windows, {} on Linux; the first that differs: {differs:?}",
        ours.len(),
        theirs.len()
    );
    let (ours, theirs) = (summary(&said(&windows)), summary(&said(&linux)));
    ensure!(theirs.len() > 4 && ours == theirs, "Windows:\n{ours:#?}\nLinux:\n{theirs:#?}");
    ensure!(created(stage) == adapters, "an adapter was made:\n{}", stage.contract());
    refusals(stage, &input)
}

/// The same words and codes as on Linux where it cannot be played.
fn refusals(stage: &Stage, input: &Path) -> Result<()> {
    let (not_one, input) = (stage.lab.dir().join("text.pcap"), format!("pcap:{}", input.display()));
    fs::write(&not_one, "GET / HTTP/1.1\r\nHost: example\r\n\r\n")?;
    let not_one = format!("pcap:{}", not_one.display());
    let out = ["--capture", "out.pcapng"];
    for (code, words, source) in [
        (2, "neither a pcap nor a pcapng", [&["--source", &not_one][..], &out, &ADDRESSES].concat()),
        (2, "needs --pref64 and --clat-v6", vec!["--source", &input]),
        (1, "without --tun needs no device", [&["--source", &input, "--tun", TUN][..], &ADDRESSES].concat()),
    ] {
        let refused = stage.output(&[&["run"], &source[..]].concat())?;
        let text = said(&refused);
        ensure!(refused.status.code() == Some(code) && text.contains(words), "{words}: {text}");
    }
    Ok(())
}

/// Once the adapter has an address, the host hears an echo request of the capture, and its answer is translated.
fn into_a_device(stage: &Stage) -> Result<()> {
    let (input, output) = (stage.lab.dir().join("echo.pcap"), stage.lab.dir().join("echo.pcapng"));
    fs::write(&input, capture(&[V6::back().icmp(128, 0, [0, 7, 0, 1], b"are you there")]))?;
    let words = words(&input, &output);
    let mut daemon = stage.start(&words.iter().skip(1).map(String::as_str).collect::<Vec<_>>())?;
    stage.wait_device()?;
    let told = wait_for(Duration::from_secs(20), || stage.log().contains("has an address").then_some(()));
    ensure!(told.is_some() && daemon.ended().is_none(), "log:\n{}", stage.log());
    stage.configure("192.0.0.1", "2001:db8::464")?;
    let ended = daemon.wait(Duration::from_secs(20));
    ensure!(ended.is_some_and(|e| e.success()), "{ended:?}; log:\n{}", stage.log());
    let all = packets(&fs::read(&output)?)?;
    let answer = |p: &Packet| p.bytes[0] >> 4 == 6 && p.bytes.get(40) == Some(&129);
    ensure!(all.iter().any(answer), "the host did not answer: {all:02x?}; log:\n{}", stage.log());
    ensure!(stage.log().contains("1 packets: "), "no summary; log:\n{}", stage.log());
    let gone = wait_for(Duration::from_secs(5), || stage.lab.host.ip(&format!("link show {TUN}")).err());
    ensure!(gone.is_some(), "the adapter is still there");
    stage.check_contract()
}

/// Adapters that were made so far.
fn created(stage: &Stage) -> usize {
    stage.contract().lines().filter(|l| l.contains("create")).count()
}

fn words(input: &Path, output: &Path) -> Vec<String> {
    let source = format!("pcap:{}", input.display());
    let words = ["run", "--source", &source, "--capture", &output.display().to_string()].map(str::to_owned);
    words.into_iter().chain(ADDRESSES.map(str::to_owned)).collect()
}

fn linux_program() -> Result<std::path::PathBuf> {
    let target = root().join("target");
    let mut build = Command::new(cargo());
    build.current_dir(root()).args(["build", "--quiet", "--locked", "-p", "clat-cli", "--target-dir"]);
    process::run(build.arg(&target))?;
    Ok(target.join("debug/clat-cli"))
}

/// Every verdict, more errors than the rate limit lets pass, a link's chatter, what a card has not finished, garbage.
fn mixture() -> Vec<Vec<u8>> {
    let mut packets = vec![
        V4::out().udp(5000, 53, b"question"),
        V6::back().udp(53, 5000, b"answer"),
        V4::out().df(false).udp(5000, 53, &[7; 3000]),
        V4::out().df(true).udp(5000, 53, &[7; 3000]),
        V4::out().src([10, 0, 0, 1].into()).udp(5000, 53, b"not mine"),
        V6::back().icmp(200, 0, [0; 4], b"no counterpart"),
        V6::back()
            .src("fe80::1".parse().unwrap_or(std::net::Ipv6Addr::UNSPECIFIED))
            .icmp(134, 0, [0; 4], &[0; 8]),
        V6::back().fragment(9, 0, true).raw(17, &[1; 1232]),
        unfinished(),
        vec![0xff; 20],
        vec![0x45; 19],
        Vec::new(),
    ];
    packets.extend((0..120).map(|_| V4::out().ttl(1).udp(5000, 53, b"too far")));
    packets.extend((0..600).map(|n: u16| V4::out().ident(n).tcp(5000, 80, &vec![7; usize::from(n)])));
    packets.push(V4::out().ttl(1).udp(5000, 53, b"later"));
    packets
}

/// As the sender's kernel hands it to a card: above the MTU, with the sum of the pseudo-header alone.
fn unfinished() -> Vec<u8> {
    let mut packet = V4::out().tcp(5000, 80, &[7; 4000]);
    let pseudo: u32 = packet[12..20].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let sum = pseudo + 6 + 4020;
    packet[36..38].copy_from_slice(&((sum & 0xffff) as u16 + (sum >> 16) as u16).to_be_bytes());
    packet
}

/// A classic capture of raw IP, a millisecond between packets, and ten seconds before the last.
fn capture(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 101] {
        file.extend(u32::to_le_bytes(word));
    }
    for (n, packet) in (0_u32..).zip(packets) {
        let last = n as usize + 1 == packets.len();
        let len = packet.len() as u32;
        for word in [1_700_000_000 + if last { 10 } else { 0 }, n * 1000, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// A packet of a pcapng: all that is said of it, its direction and comment included, and its bytes.
#[derive(Debug, PartialEq)]
struct Packet {
    said: Vec<u8>,
    bytes: Vec<u8>,
}

/// The packets of a pcapng of the program, without the identification, which is drawn anew at each start.
fn packets(file: &[u8]) -> Result<Vec<Packet>> {
    let word = |at: usize| -> Result<usize> {
        let bytes = file.get(at..).and_then(|rest| rest.first_chunk()).context("a block is cut short")?;
        Ok(u32::from_le_bytes(*bytes) as usize)
    };
    let (mut at, mut found) = (0, Vec::new());
    while at < file.len() {
        let (kind, len) = (word(at)?, word(at + 4)?);
        if kind == 6 {
            let (data, end) = (at + 28, at + 28 + word(at + 20)?);
            let mut bytes = file.get(data..end).context("a packet is cut short")?.to_vec();
            let drawn: &[(usize, usize)] = match (bytes.first().map(|b| b >> 4), bytes.get(6)) {
                (Some(4), _) => &[(4, 6), (10, 12)],
                (Some(6), Some(44)) => &[(44, 48)],
                _ => &[],
            };
            for &(from, to) in drawn {
                bytes.get_mut(from..to).into_iter().for_each(|field| field.fill(0));
            }
            let said = [&file[at + 8..data], &file[end..at + len]].concat();
            found.push(Packet { said, bytes });
        }
        at += len;
    }
    Ok(found)
}

fn summary(text: &str) -> Vec<String> {
    let is_ours = |l: &str| l.contains(" packets: ") || SUMMARY.iter().any(|s| l.starts_with(s));
    text.lines().map(str::trim_end).filter(|l| is_ours(l)).map(str::to_owned).collect()
}
