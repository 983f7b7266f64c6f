//! A network namespace of one's own for a test, and the words to look at it.

use clat_engine::{AddressRole, Iface, Step};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A network namespace that is gone when this is dropped.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// Makes one. `None` where the right to do it is missing, said loudly; in CI that is a failure.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("control-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("ip").args(["netns", "add", &name]).stderr(Stdio::null()).status();
        if made.is_ok_and(|status| status.success()) {
            return Some(Self { name });
        }
        cannot_run("root and the `ip` command to make a network namespace");
        None
    }

    /// Moves the calling thread into it.
    pub(crate) fn enter(&self) {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace's file");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns");
    }

    /// Makes one and moves the calling thread into it. What the thread starts lives in it too.
    pub(crate) fn enter_new() -> Option<Self> {
        let namespace = Self::new()?;
        namespace.enter();
        Some(namespace)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Says what is missing; in CI that is a failure.
pub(crate) fn cannot_run(what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CANNOT RUN: this test needs {what}");
    eprintln!("CANNOT RUN: this test needs {what}");
}

/// Runs one command line and gives what it printed.
pub(crate) fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output =
        Command::new(words.next().expect("a command")).args(words).output().expect("the command starts");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The value of a switch below `net.ipv6`.
#[allow(dead_code)]
pub(crate) fn sysctl(key: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/ipv6/{key}")).expect(key).trim().to_owned()
}

/// All that the program may change, as text.
#[allow(dead_code)]
pub(crate) fn snapshot() -> String {
    let mut text = String::new();
    for line in [
        "ip -o link show",
        "ip -o -4 addr show",
        "ip -o -6 addr show scope global",
        "ip -4 route show table all",
        "ip -6 route show table all",
        "ip -6 neigh show proxy",
        "sysctl -a -r ^net.ipv6.(conf|neigh)|^net.ipv4.conf",
    ] {
        // The queueing discipline is the kernel's: a link gets its first one when it first comes up.
        let shown = run(line).replace("qdisc noop ", "qdisc pfifo_fast ");
        text += &format!("# {line}\n{shown}");
    }
    text
}

/// Compares two snapshots and shows only the lines that differ.
#[allow(dead_code)]
pub(crate) fn assert_same(after: &str, before: &str) {
    let only = |a: &str, b: &str, sign| {
        let lines: Vec<_> =
            a.lines().filter(|l| !b.lines().any(|m| m == *l)).map(|l| format!("{sign} {l}")).collect();
        lines.join("\n")
    };
    let (gone, new) = (only(before, after, '-'), only(after, before, '+'));
    assert!(gone.is_empty() && new.is_empty(), "the host is not as it was:\n{gone}\n{new}");
}

/// Waits until the condition holds.
#[allow(dead_code)]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The index of an interface.
#[allow(dead_code)]
pub(crate) fn index(name: &str) -> u32 {
    let path = run(&format!("ip -o link show {name}"));
    path.split(':').next().and_then(|number| number.parse().ok()).expect("an index")
}

/// An uplink `up0` whose other end is `peer0`, and a device `clat0`, all in a new namespace: the indices of
/// the device and of the uplink.
#[allow(dead_code)]
pub(crate) fn namespace_of_a_host() -> Option<(Namespace, u32, u32)> {
    let namespace = Namespace::enter_new()?;
    for line in [
        "ip link set lo up",
        "ip link add up0 type veth peer name peer0",
        "ip link set peer0 up",
        "ip link set up0 up",
        "ip tuntap add dev clat0 mode tun",
        "ip -6 addr add 2001:db8::10/64 dev up0 nodad",
    ] {
        run(line);
    }
    Some((namespace, index("clat0"), index("up0")))
}

/// Link-local addresses come and go by themselves; wait until nothing is pending.
#[allow(dead_code)]
pub(crate) fn settled() -> String {
    wait_for("addresses to settle", || !run("ip -6 addr show").contains("tentative"));
    snapshot()
}

/// Every kind of step, in the order the engine has them.
#[allow(dead_code)]
pub(crate) fn whole_plan(uplink: u32) -> Vec<Step> {
    let device = Iface::Device;
    let clat = "2001:db8::c1a7".parse().expect("address");
    vec![
        Step::OpenDevice,
        Step::SetMtu { iface: device, v4: 1400, v6: 1420 },
        Step::SetLinkUp { iface: device },
        Step::AddAddress {
            iface: device,
            addr: "192.0.0.1".parse().expect("address"),
            prefix_len: 32,
            role: AddressRole::Host,
        },
        Step::SetForwarding { iface: device },
        Step::SetForwarding { iface: Iface::Index(uplink) },
        Step::AddRoute {
            iface: device,
            dest: std::net::IpAddr::V6(clat),
            prefix_len: 128,
            metric: 0,
            mtu: 0,
            mss: 0,
        },
        Step::ProxyNeighbour { iface: Iface::Index(uplink), addr: clat },
        Step::AddRoute {
            iface: device,
            dest: "0.0.0.0".parse().expect("address"),
            prefix_len: 0,
            metric: 1_000_000,
            mtu: 1400,
            mss: 1360,
        },
        Step::JoinGroup { iface: Iface::Index(uplink), group: "ff02::1:ff00:c1a7".parse().expect("group") },
    ]
}
