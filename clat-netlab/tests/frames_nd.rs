//! Neighbour Discovery of `clat-cli run --source pcap` on the wire: each question is asked twice, for the CLAT's
//! address and for one that the host's kernel owns, and the answers are the same byte for byte.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::lab::UPLINK;
use clat_netlab::proc::Daemon;
use clat_netlab::{Lab, Ns, need, wait_for};
use rustix::process::Signal;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The CLAT's, and the kernel's.
const OURS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0xaa, 0x1111);
const KERNELS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0xbb, 0x2222);
/// Who asks: nobody else has this address, so that every answer to it is an answer to a question.
const ASKER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The card of the host's first uplink.
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0x64, 0];
const ADVERTISEMENT: u8 = 136;

/// Answers come within this time, or not at all.
const PATIENCE: Duration = Duration::from_millis(400);

/// Where a question goes.
#[derive(Clone, Copy, Debug)]
enum To {
    Group,
    OtherGroup,
    AllNodes,
    Target,
    /// Another address of the host.
    LinkLocal,
}

/// A Neighbour Solicitation.
#[derive(Clone, Copy, Debug)]
struct Question {
    name: &'static str,
    source: Ipv6Addr,
    to: To,
    hop_limit: u8,
    code: u8,
    /// Asks for a neighbour of the address instead, which nobody has.
    other_target: bool,
    /// With the asker's link-layer address.
    tells_mac: bool,
    /// More options.
    options: &'static [u8],
    spoil_checksum: bool,
    answered: bool,
}

const QUESTION: Question = Question {
    name: "of the group",
    source: ASKER,
    to: To::Group,
    hop_limit: 255,
    code: 0,
    other_target: false,
    tells_mac: true,
    options: &[],
    spoil_checksum: false,
    answered: true,
};
const PROBE: Question = Question { source: Ipv6Addr::UNSPECIFIED, tells_mac: false, ..QUESTION };
const SILENT: Question = Question { answered: false, ..QUESTION };
/// RFC 3971 section 5.3.2.
const NONCE: &[u8] = &[14, 1, 1, 2, 3, 4, 5, 6];

/// The first tells the kernel who asks, which it has to know for those that do not tell it.
const QUESTIONS: [Question; 18] = [
    QUESTION,
    Question { name: "of the group, without option", tells_mac: false, ..QUESTION },
    Question { name: "of the address itself", to: To::Target, ..QUESTION },
    Question { name: "of the address itself, without option", to: To::Target, tells_mac: false, ..QUESTION },
    Question { name: "of all nodes", to: To::AllNodes, ..QUESTION },
    Question { name: "of another address of the host", to: To::LinkLocal, ..QUESTION },
    Question { name: "with an option that nobody knows", options: &[200, 1, 0, 0, 0, 0, 0, 0], ..QUESTION },
    Question { name: "duplicate detection", ..PROBE },
    Question { name: "duplicate detection with a nonce", options: NONCE, ..PROBE },
    Question {
        name: "duplicate detection with a link-layer address",
        tells_mac: true,
        answered: false,
        ..PROBE
    },
    Question { name: "duplicate detection of the address itself", to: To::Target, answered: false, ..PROBE },
    Question { name: "duplicate detection of all nodes", to: To::AllNodes, answered: false, ..PROBE },
    Question { name: "of another group", to: To::OtherGroup, ..SILENT },
    Question { name: "through a router", hop_limit: 254, ..SILENT },
    Question { name: "with another code", code: 1, ..SILENT },
    Question { name: "for a target that nobody has", other_target: true, ..SILENT },
    Question { name: "with a wrong checksum", spoil_checksum: true, ..SILENT },
    Question { name: "with an option of length zero", options: &[1, 0, 0, 0, 0, 0, 0, 0], ..SILENT },
];

/// RFC 4291 section 2.7.1.
fn group(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// The Internet checksum of an ICMPv6 message (RFC 4443 section 2.3).
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let bytes = [&source.octets()[..], &destination.octets(), message].concat();
    let words = bytes.chunks(2).map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |b| u32::from(*b)));
    let sum = words.sum::<u32>() + 58 + u32::try_from(message.len()).unwrap_or(0);
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0)
}

impl Question {
    /// Destination and IPv6 packet.
    fn packet(&self, target: Ipv6Addr, asker_mac: [u8; 6], link_local: Ipv6Addr) -> (Ipv6Addr, Vec<u8>) {
        let destination = match self.to {
            To::Group => group(target),
            To::OtherGroup => group(Ipv6Addr::from(target.to_bits() ^ 0xff)),
            To::AllNodes => ALL_NODES,
            To::Target => target,
            To::LinkLocal => link_local,
        };
        let asked = if self.other_target { Ipv6Addr::from(target.to_bits() ^ 1 << 40) } else { target };
        let mut message = vec![135, self.code, 0, 0, 0, 0, 0, 0];
        message.extend(asked.octets());
        if self.tells_mac {
            message.extend([1, 1]);
            message.extend(asker_mac);
        }
        message.extend(self.options);
        let sum = checksum(self.source, destination, &message) ^ u16::from(self.spoil_checksum);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let len = u16::try_from(message.len()).unwrap_or(0).to_be_bytes();
        let mut packet = vec![0x60, 0, 0, 0, len[0], len[1], 58, self.hop_limit];
        packet.extend(self.source.octets());
        packet.extend(destination.octets());
        packet.extend(message);
        (destination, packet)
    }
}

/// The router's card: what is sent there, and what is heard there.
struct Wire<'a> {
    ns: &'a Ns,
    socket: Socket,
    scope: u32,
    mac: [u8; 6],
    file: PathBuf,
    _tcpdump: Daemon,
}

impl<'a> Wire<'a> {
    fn tap(ns: &'a Ns, dir: &Path) -> Result<Self> {
        let line = ns.ip("-o link show dev lan0")?;
        let scope = line.split(':').next().unwrap_or_default().trim().parse().context("interface index")?;
        let text = line.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next()).context("MAC")?;
        let octets: Vec<u8> = text.split(':').map(|o| u8::from_str_radix(o, 16)).collect::<Result<_, _>>()?;
        let socket = ns.enter(|| Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(255))))??;
        socket.bind_device(Some(b"lan0"))?;
        let file = dir.join("nd.pcap");
        let mut tcpdump = Command::new("tcpdump");
        tcpdump.args(["-Z", "root", "--immediate-mode", "-i", "lan0", "-U", "-w"]).arg(&file).arg("icmp6");
        let daemon = Daemon::spawn(ns, tcpdump, &dir.join("tcpdump.txt"))?;
        wait_for(Duration::from_secs(10), || daemon.log().contains("listening").then_some(()))
            .with_context(|| daemon.log())?;
        let mac = octets.try_into().ok().context("six octets")?;
        Ok(Self { ns, socket, scope, mac, file, _tcpdump: daemon })
    }

    fn send(&self, destination: Ipv6Addr, packet: &[u8]) -> Result<()> {
        let to = SockAddr::from(SocketAddrV6::new(destination, 0, 0, self.scope));
        self.socket.send_to(packet, &to).with_context(|| self.ns.name().to_owned())?;
        Ok(())
    }

    /// The host's answers so far, as frames.
    fn answers(&self) -> Result<Vec<Vec<u8>>> {
        let bytes = std::fs::read(&self.file)?;
        let mut rest = bytes.get(24..).unwrap_or_default();
        let mut frames = Vec::new();
        while let Some((head, after)) = rest.split_at_checked(16) {
            let len = usize::try_from(u32::from_ne_bytes([head[8], head[9], head[10], head[11]]))?;
            let Some((frame, after)) = after.split_at_checked(len) else { break };
            // The router asks too: what it is told is no answer to the questions here.
            let to = |address: Ipv6Addr| frame.get(38..54) == Some(&address.octets());
            let answer = frame.get(54) == Some(&ADVERTISEMENT) && (to(ASKER) || to(ALL_NODES));
            if frame.get(6..12) == Some(&HOST_MAC) && answer {
                frames.push(frame.to_vec());
            }
            rest = after;
        }
        Ok(frames)
    }
}

/// The answers for this target among the frames, with the target and the checksum taken out. The checksum must be
/// right.
fn answers_for(frames: &[Vec<u8>], target: Ipv6Addr) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for frame in frames.iter().filter(|f| f.get(62..78) == Some(&target.octets())) {
        let address = |at: usize| -> Result<Ipv6Addr> {
            Ok(Ipv6Addr::from(*frame.get(at..).and_then(|b| b.first_chunk::<16>()).context("cut short")?))
        };
        ensure!(checksum(address(22)?, address(38)?, &frame[54..]) == 0, "wrong checksum: {frame:02x?}");
        let mut frame = frame.clone();
        frame[56..58].fill(0);
        while let Some(at) = frame.windows(16).position(|window| *window == target.octets()) {
            frame[at..at + 16].fill(0xee);
        }
        found.push(frame);
    }
    Ok(found)
}

#[test]
fn every_question_is_answered_as_the_kernel_answers_it() -> Result<()> {
    if !need::met_frames("frames: Neighbour Discovery", &["tcpdump"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build()?;
    let dev = UPLINK[0];
    lab.host.ip(&format!("addr add {KERNELS}/64 dev {dev} nodad"))?;
    let own = lab.host.ip(&format!("-6 -o addr show dev {dev} scope link"))?;
    let own = own.split_whitespace().nth(3).and_then(|a| a.split('/').next()).context("link-local")?;
    let own: Ipv6Addr = own.parse()?;
    let ours = OURS.to_string();
    let mut clat = Clat::run(&lab, &["--source", "pcap", "--uplink", dev, "--clat-v6", &ours])?;
    clat.wait_state("active")?;
    // The news of the address is out after two seconds (RFC 4861 section 7.2.6).
    std::thread::sleep(Duration::from_secs(3));
    let wire = Wire::tap(&lab.edges[0].ns, lab.dir())?;
    let mut heard = 0;
    let mut faults = Vec::new();
    for question in QUESTIONS {
        for target in [KERNELS, OURS] {
            let (destination, packet) = question.packet(target, wire.mac, own);
            wire.send(destination, &packet).with_context(|| format!("{}: {target}", question.name))?;
        }
        std::thread::sleep(PATIENCE);
        let frames = wire.answers()?;
        let fresh = frames.get(heard..).unwrap_or_default();
        heard = frames.len();
        let (kernel, clat) = (answers_for(fresh, KERNELS)?, answers_for(fresh, OURS)?);
        if kernel != clat || kernel.len() != usize::from(question.answered) {
            faults.push(format!("{}:\n  kernel {kernel:02x?}\n  clat   {clat:02x?}", question.name));
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    clat.stop(Signal::TERM)
}
