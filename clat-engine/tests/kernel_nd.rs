//! Neighbour Discovery as the Linux kernel does it: the same questions are asked of the kernel, over a
//! virtual cable between two namespaces, and of the engine; the answers are compared byte for byte.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "literals and bounds that the test itself sets")]

mod sim;

use clat_engine::{ClatV6, Icmpv6Out, ReturnPath, State};
use sim::World;
use sim::net::{Router, SimLink};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ADDR: &str = "2001:db8:1:1::464";
/// The link-layer address of [`SimLink`].
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// What keeps the test from running here, if anything does.
fn missing() -> Option<&'static str> {
    let works = |program: &str, arg: &str| {
        Command::new(program).arg(arg).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let id = Command::new("id").arg("-u").output().map(|o| o.stdout).unwrap_or_default();
    if id != b"0\n" {
        Some("root")
    } else if !works("ip", "-V") {
        Some("ip (iproute2)")
    } else if !works("tcpdump", "--version") {
        Some("tcpdump")
    } else {
        None
    }
}

/// Two namespaces and a cable; gone with the value.
struct Cable {
    asker: String,
    answerer: String,
    capture: PathBuf,
}

impl Cable {
    fn new() -> Self {
        let id = std::process::id();
        let cable = Self {
            asker: format!("engine-nd-{id}-a"),
            answerer: format!("engine-nd-{id}-b"),
            capture: std::env::temp_dir().join(format!("engine-nd-{id}.pcap")),
        };
        for namespace in [&cable.asker, &cable.answerer] {
            run(&["ip", "netns", "add", namespace]);
        }
        let (a, b) = (cable.asker.as_str(), cable.answerer.as_str());
        run(&["ip", "-n", a, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", b]);
        run(&["ip", "-n", b, "link", "set", "vb", "address", "02:00:00:00:00:09", "up"]);
        run(&["ip", "-n", a, "link", "set", "va", "address", "02:00:00:00:00:01", "up"]);
        run(&["ip", "-n", b, "addr", "add", &format!("{ADDR}/64"), "dev", "vb", "nodad"]);
        run(&["ip", "-n", a, "addr", "add", "2001:db8:1:1::1/64", "dev", "va", "nodad"]);
        cable
    }

    fn ask(&self, command: &[&str]) {
        let mut whole = vec!["ip", "netns", "exec", &self.asker];
        whole.extend(command);
        run(&whole);
    }

    /// Starts to record what the answering kernel hears and says.
    fn record(&self) -> Child {
        let file = self.capture.to_str().expect("a path of ASCII");
        let arguments = ["netns", "exec", &self.answerer, "tcpdump", "-i", "vb", "-U", "-w", file, "icmp6"];
        let child = Command::new("ip").args(arguments).stderr(Stdio::null()).spawn().expect("tcpdump starts");
        // The file's head is written when the recording has begun.
        wait(|| std::fs::metadata(&self.capture).is_ok_and(|m| m.len() >= 24));
        child
    }

    /// The frames so far.
    fn frames(&self) -> Vec<Vec<u8>> {
        let bytes = std::fs::read(&self.capture).expect("the capture is there");
        let mut rest = &bytes[24..];
        let mut frames = Vec::new();
        while let Some((head, after)) = rest.split_at_checked(16) {
            let len = u32::from_ne_bytes(head[8..12].try_into().unwrap()) as usize;
            let Some((frame, after)) = after.split_at_checked(len) else { break };
            frames.push(frame.to_vec());
            rest = after;
        }
        frames
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.asker, &self.answerer] {
            Command::new("ip").args(["netns", "del", namespace]).status().ok();
        }
        std::fs::remove_file(&self.capture).ok();
    }
}

fn run(command: &[&str]) {
    let done = Command::new(command[0]).args(&command[1..]).output().expect("the program is there");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn wait(mut until: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !until() {
        assert!(Instant::now() < end, "what was waited for did not happen in ten seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A Neighbour Discovery message in its frame.
#[derive(Clone, Debug, PartialEq)]
struct Message {
    to_mac: [u8; 6],
    from_mac: [u8; 6],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    bytes: Vec<u8>,
}

impl Message {
    fn parse(frame: &[u8]) -> Option<Self> {
        let addr = |at: usize| <[u8; 16]>::try_from(frame.get(at..at + 16)?).ok().map(Ipv6Addr::from);
        let len = usize::from(u16::from_be_bytes(frame.get(18..20)?.try_into().ok()?));
        Some(Self {
            to_mac: frame.get(..6)?.try_into().ok()?,
            from_mac: frame.get(6..12)?.try_into().ok()?,
            source: addr(22)?,
            destination: addr(38)?,
            hop_limit: *frame.get(21)?,
            bytes: frame.get(54..54 + len)?.to_vec(),
        })
    }

    fn is(&self, kind: u8) -> bool {
        let target: Ipv6Addr = ADDR.parse().unwrap();
        self.bytes[0] == kind && self.bytes[8..24] == target.octets()
    }
}

/// A question and the kernel's answer.
fn pairs(frames: &[Vec<u8>]) -> Vec<(Message, Message)> {
    let messages: Vec<Message> = frames.iter().filter_map(|f| Message::parse(f)).collect();
    let mut pairs = Vec::new();
    for (i, question) in messages.iter().enumerate().filter(|(_, m)| m.is(135) && m.from_mac != MAC) {
        let answer = messages[i..].iter().find(|m| m.is(136) && m.from_mac == MAC);
        pairs.extend(answer.map(|answer| (question.clone(), answer.clone())));
    }
    pairs
}

/// A CLAT on raw frames whose address is the one that the kernel has.
fn engine() -> World {
    let mut config = sim::config();
    config.return_path = ReturnPath::Frames;
    config.clat_v6 = ClatV6::Fixed(ADDR.parse().unwrap());
    config.self_test = false;
    let mut world = World::started(config);
    world
        .plug(2, SimLink::new(&["2001:db8:1:1::"], Router::new("fe80::1").with_pref64("64:ff9b::/96", 1800)));
    world.run_until(State::Active, 10_000);
    world.run(5000);
    world
}

fn answer(world: &mut World, question: &Message) -> Icmpv6Out {
    world.sent.clear();
    world.icmpv6(2, question.source, question.destination, Some(question.from_mac), &question.bytes);
    let [(_, answer)] = &world.sent[..] else { panic!("{question:?} got {:?}", world.sent) };
    answer.clone()
}

#[test]
fn the_kernel_answers_the_same() {
    if let Some(what) = missing() {
        assert!(std::env::var_os("CI").is_none(), "needs {what}");
        eprintln!("NOT RUN: the_kernel_answers_the_same needs {what}");
        return;
    }
    let cable = Cable::new();
    let mut tcpdump = cable.record();
    let heard = |wanted: &dyn Fn(&(Message, Message)) -> bool| {
        wait(|| pairs(&cable.frames()).iter().any(wanted));
    };
    let group = |m: &Message| m.destination.is_multicast();
    // Who has it, asked of the group; whether it is still there, asked of itself; whether it is free.
    wait(|| {
        let ping = ["netns", "exec", &cable.asker, "ping", "-6", "-c1", "-W1", ADDR];
        Command::new("ip").args(ping).output().is_ok_and(|done| done.status.success())
    });
    heard(&|(q, _)| group(q) && !q.source.is_unspecified());
    cable.ask(&[
        "ip",
        "-6",
        "neigh",
        "replace",
        ADDR,
        "lladdr",
        "02:00:00:00:00:09",
        "dev",
        "va",
        "nud",
        "probe",
    ]);
    heard(&|(q, _)| !group(q));
    cable.ask(&["ip", "-6", "addr", "add", &format!("{ADDR}/64"), "dev", "va"]);
    heard(&|(q, _)| q.source.is_unspecified());
    tcpdump.kill().expect("it was ours");
    tcpdump.wait().expect("it was ours");

    let mut world = engine();
    for (question, kernel) in pairs(&cable.frames()) {
        let ours = answer(&mut world, &question);
        let (source, destination) = (kernel.source, kernel.destination);
        assert_eq!((ours.source, ours.destination, ours.hop_limit), (source, destination, kernel.hop_limit));
        assert_eq!(ours.message.as_slice(), kernel.bytes, "to {question:?}");
        let to_mac = ours.mac.unwrap_or([0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(to_mac, kernel.to_mac, "to {question:?}");
    }
}
