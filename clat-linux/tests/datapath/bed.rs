//! The test bed: two namespaces and a pump in this process.

use clat_core::{ClatMap, EamRow, EamTable, Policy, Translator};
use clat_linux::counters::{Counters, Totals};
use clat_linux::device::{OffloadRequest, Tun};
use clat_linux::pump::Pump;
use clat_linux::shared::{HostTranslator, SharedTranslator};
use clat_netlab::Ns;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) const SERVER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub(crate) const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
pub(crate) const TUN: &str = "clat0";
const SERVER_V6: &str = "64:ff9b::c633:6401";
const CLAT_V6: &str = "2001:db8:464::1";
const FIRST_LAB: u32 = 5000;

/// Two hosts, a cable between them, a running data path on the first.
pub(crate) struct Bed {
    pub(crate) app: Ns,
    pub(crate) server: Ns,
    pub(crate) shared: Arc<SharedTranslator>,
    pub(crate) pump: Pump,
    _report: Report,
}

impl Bed {
    /// `None`, and a loud word, when this machine cannot do it.
    pub(crate) fn new(test: &str, queues: usize, offload: OffloadRequest) -> Option<Self> {
        static LABS: AtomicU32 = AtomicU32::new(FIRST_LAB);
        if !clat_netlab::need::met(test, &["ethtool", "nft"]) {
            return None;
        }
        let (app, server) = two_hosts(LABS.fetch_add(1, Ordering::Relaxed));
        let tun = app.enter(|| Tun::open(TUN, queues, offload)).unwrap().unwrap();
        // IPv6 comes in at the uplink's MTU; the IPv4 host learns the smaller one from its route.
        app.ip(&format!("link set {TUN} mtu 1500 up")).unwrap();
        app.ip(&format!("addr add {CLIENT_V4}/32 dev {TUN}")).unwrap();
        app.ip(&format!("route add default dev {TUN} mtu 1472")).unwrap();
        app.ip(&format!("route add {CLAT_V6}/128 dev {TUN}")).unwrap();
        let shared = SharedTranslator::new(Some(translator()));
        let pump = Pump::spawn(tun.into_queues(), &shared).unwrap();
        let report = Report(pump.counters().clone());
        Some(Self { app, server, shared, pump, _report: report })
    }

    /// Makes an object, a socket usually, in the namespace of the IPv4 program.
    pub(crate) fn in_app<T: Send>(&self, f: impl FnOnce() -> std::io::Result<T> + Send) -> T {
        self.app.enter(f).unwrap().unwrap()
    }

    /// As [`in_app`](Self::in_app), at the server's.
    pub(crate) fn in_server<T: Send>(&self, f: impl FnOnce() -> std::io::Result<T> + Send) -> T {
        self.server.enter(f).unwrap().unwrap()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.pump.counters().totals()
    }

    /// From now on the program's packets may be fragmented: nothing leaves with Don't Fragment.
    pub(crate) fn clear_df(&self) {
        let script = "table ip t { chain c { type filter hook postrouting priority 0; \
                      ip frag-off set ip frag-off & 0xbfff; }; }";
        assert!(self.app.output("nft", &[script]).unwrap().status.success());
    }

    /// Every packet reached its socket with the checksum that it should have, and the kernel took
    /// every packet.
    pub(crate) fn assert_clean(&self) {
        let totals = self.totals();
        assert_eq!(totals.write_errors, 0, "{totals:?}");
        assert_eq!(totals.unreadable, 0, "{totals:?}");
        for ns in [&self.app, &self.server] {
            for (name, value) in checksum_errors(ns) {
                assert_eq!(value, 0, "{} in {}", name, ns.name());
            }
        }
    }
}

/// Two hosts and a cable. Neighbours are told, not asked for: the kernel's table of them is one for all
/// namespaces, and other tests may have filled it.
fn two_hosts(lab: u32) -> (Ns, Ns) {
    let (app, server) = (Ns::new(lab, "app").unwrap(), Ns::new(lab, "srv").unwrap());
    for ns in [&app, &server] {
        ns.make_router().unwrap();
    }
    app.cable("up0", &server, "down0").unwrap();
    for (ns, dev, mac, peer) in [(&app, "up0", 1, 2), (&server, "down0", 2, 1)] {
        ns.ip(&format!("link set {dev} address 02:00:00:00:00:0{mac}")).unwrap();
        ns.ip(&format!("addr add 2001:db8:1::{mac}/64 dev {dev} nodad")).unwrap();
        let neighbour = format!("2001:db8:1::{peer} lladdr 02:00:00:00:00:0{peer}");
        ns.ip(&format!("neigh replace {neighbour} dev {dev} nud permanent")).unwrap();
    }
    server.ip(&format!("addr add {SERVER_V6}/128 dev lo nodad")).unwrap();
    app.ip("route add 64:ff9b::/96 via 2001:db8:1::2").unwrap();
    server.ip(&format!("route add {CLAT_V6}/128 via 2001:db8:1::1")).unwrap();
    // The kernel enters an address in its own good time.
    wait_until("the server's address", || {
        server.ip("-6 route show table local").unwrap().contains(SERVER_V6)
    });
    (app, server)
}

/// A test that fails shows what the data path saw.
struct Report(Counters);

impl Drop for Report {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}", self.0.totals());
            for dropped in self.0.last_drops() {
                eprintln!("dropped, {}: {dropped}", dropped.reason());
            }
        }
    }
}

/// Where the server listens, as the IPv4 program names it and as it binds.
pub(crate) fn server_v4(port: u16) -> SocketAddr {
    (SERVER_V4, port).into()
}

pub(crate) fn server_v6(port: u16) -> SocketAddr {
    (SERVER_V6.parse::<Ipv6Addr>().unwrap(), port).into()
}

pub(crate) fn translator() -> HostTranslator {
    let mut local = EamTable::new();
    local.insert(EamRow::host(CLIENT_V4, CLAT_V6.parse().unwrap())).unwrap();
    Translator::new(ClatMap::from_parts("64:ff9b::/96".parse().unwrap(), local), Policy::new())
}

/// Waits for something that other threads bring about.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what} did not come about in 10 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The kernel's counters of packets with a wrong checksum.
fn checksum_errors(ns: &Ns) -> Vec<(String, u64)> {
    let read = |file: &str| {
        let path = format!("/proc/thread-self/net/{file}");
        ns.enter(move || std::fs::read_to_string(path)).unwrap().unwrap()
    };
    let mut found = Vec::new();
    let text = read("snmp");
    let lines: Vec<_> = text.lines().collect();
    for pair in lines.chunks(2) {
        let [names, values] = pair else { continue };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()).skip(1) {
            if name == "InCsumErrors" {
                found.push((format!("{} {name}", names.split(':').next().unwrap()), value.parse().unwrap()));
            }
        }
    }
    for line in read("snmp6").lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(value)) = (words.next(), words.next())
            && name.ends_with("InCsumErrors")
        {
            found.push((name.to_owned(), value.parse().unwrap()));
        }
    }
    assert!(found.len() >= 5, "the kernel's files were read: {found:?}");
    found
}

/// Bytes that no other place of the stream has.
pub(crate) fn pattern(at: u64, buf: &mut [u8]) {
    for (i, word) in buf.chunks_mut(8).enumerate() {
        let n = (at / 8 + i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        word.copy_from_slice(&n.to_le_bytes()[..word.len()]);
    }
}
