//! The control plane's sockets against a router in a namespace of its own.

mod control_common;

use clat_engine::{DnsQuery, Icmpv6Out, Iface, Input, Probe, Step, StepId};
use clat_linux::dns::Dns;
use clat_linux::icmp6::Icmp6;
use clat_linux::plan::Plan;
use clat_linux::probe::Prober;
use clat_linux::watch::Watch;
use control_common::{Namespace, cannot_run, index, run, wait_for};
use std::net::{Ipv6Addr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};

/// The host's namespace, entered by the calling thread, and the router's at the other end of `up0`.
struct Link {
    router: Namespace,
    host: Namespace,
}

fn link() -> Option<Link> {
    let (host, router) = (Namespace::enter_new()?, Namespace::new()?);
    run("ip link set lo up");
    run(&format!("ip link add up0 type veth peer name down0 netns {}", router.name));
    let in_router = |line: &str| run(&format!("ip -n {} {line}", router.name));
    in_router("link set down0 address 02:00:00:00:00:01");
    in_router("link set lo up");
    in_router("link set down0 up");
    in_router("addr add 2001:db8::1/64 dev down0 nodad");
    in_router("addr add 10.0.0.1/24 dev down0");
    run("ip link set up0 address 02:00:00:00:00:02");
    run("ip link set up0 up");
    run("ip addr add 2001:db8::2/64 dev up0 nodad");
    run("ip addr add 10.0.0.2/24 dev up0");
    wait_for("the link-local addresses", || {
        let both = run("ip -6 addr show dev up0") + &in_router("-6 addr show dev down0");
        !both.contains("tentative")
    });
    Some(Link { router, host })
}

impl Link {
    /// Runs something in the router's namespace, on a thread of its own.
    fn in_router<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let router = self.router.name.clone();
        spawn(move || {
            let namespace = std::mem::ManuallyDrop::new(Namespace { name: router });
            namespace.enter();
            work()
        })
    }
}

fn checksummed(source: Ipv6Addr, destination: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let mut pseudo = [source.octets(), destination.octets()].concat();
    pseudo.extend_from_slice(&(message.len() as u32).to_be_bytes());
    pseudo.extend_from_slice(&[0, 0, 0, 58]);
    pseudo.extend_from_slice(&message);
    pseudo.resize(pseudo.len().next_multiple_of(2), 0);
    let mut sum: u32 = pseudo.chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], c[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    message
}

const ROUTER: &str = "fe80::ff:fe00:1";
const HOST: &str = "fe80::ff:fe00:2";

fn message(ifindex: u32, from: &str, to: &str, bytes: Vec<u8>) -> Icmpv6Out {
    let (source, destination) = (from.parse().expect("source"), to.parse().expect("destination"));
    Icmpv6Out {
        ifindex,
        source,
        destination,
        mac: None,
        hop_limit: 255,
        router_alert: false,
        message: checksummed(source, destination, bytes).into_iter().collect(),
    }
}

/// An RA with a PREF64 of 2001:db8:64::/96 for 1800 s.
fn advertisement() -> Vec<u8> {
    let mut bytes = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&[38, 2, 0x07, 0x08, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x64, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn send_from_router(link: &Link, to: &'static str, bytes: Vec<u8>) {
    link.in_router(move || {
        let icmp6 = Icmp6::open().expect("raw socket");
        icmp6.send(&message(index("down0"), ROUTER, to, bytes)).expect("sent");
    })
    .join()
    .expect("the router's thread");
}

#[test]
fn an_advertisement_is_heard_also_where_the_kernel_does_not_listen() {
    let Some(link) = link() else { return };
    run("sysctl -qw net.ipv6.conf.up0.accept_ra=0");
    let mut icmp6 = Icmp6::open().expect("raw socket");
    send_from_router(&link, "ff02::1", advertisement());
    let uplink = index("up0");
    let mut heard = None;
    wait_for("the advertisement", || {
        icmp6
            .read(&mut |input| {
                if let Input::Icmpv6(message) = input
                    && message.message.first() == Some(&134)
                {
                    heard = Some((message.ifindex, message.hop_limit, message.source, message.destination));
                    assert_eq!(message.message.len(), advertisement().len());
                }
            })
            .expect("read");
        heard.is_some()
    });
    let all: Ipv6Addr = "ff02::1".parse().expect("address");
    assert_eq!(heard, Some((uplink, 255, ROUTER.parse().expect("address"), all)));
}

#[test]
fn the_kernel_hands_on_the_pref64_option() {
    let Some(link) = link() else { return };
    let mut watch = Watch::open().expect("netlink");
    send_from_router(&link, "ff02::1", advertisement());
    let uplink = index("up0");
    let mut told = None;
    wait_for("the option", || {
        watch
            .read(&mut |input| {
                if let Input::Pref64Option { ifindex, router, option } = input {
                    told = Some((ifindex, router, clat_core::RaPref64::parse(option)));
                }
            })
            .expect("read");
        told.is_some()
    });
    let (ifindex, router, option) = told.expect("told");
    assert_eq!((ifindex, router), (uplink, ROUTER.parse().expect("address")));
    assert_eq!(option.expect("an option").prefix.to_string(), "2001:db8:64::/96");
}

#[test]
fn an_address_from_an_announced_prefix_is_told_before_it_is_unique() {
    let Some(link) = link() else { return };
    let mut watch = Watch::open().expect("netlink");
    let mut bytes = advertisement();
    // 2001:db8:1::/64, on link and for addresses, valid 1800 s, preferred 900 s.
    bytes.extend_from_slice(&[3, 4, 64, 0xc0, 0, 0, 7, 8, 0, 0, 3, 0x84, 0, 0, 0, 0]);
    bytes.extend_from_slice(&"2001:db8:1::".parse::<Ipv6Addr>().expect("address").octets());
    send_from_router(&link, "ff02::1", bytes);
    let mut told = None;
    wait_for("the address", || {
        watch
            .read(&mut |input| {
                if let Input::Address6(address) = input
                    && address.addr.segments()[2] == 1
                {
                    told.get_or_insert(address.state);
                }
            })
            .expect("read");
        told.is_some()
    });
    assert_eq!(told, Some(clat_engine::AddressState::Tentative));
}

#[test]
fn a_solicitation_goes_out_before_any_address_is_there() {
    if std::process::Command::new("tcpdump").arg("--version").output().is_err() {
        return cannot_run("tcpdump");
    }
    let Some(link) = link() else { return };
    run("sysctl -qw net.ipv6.conf.up0.addr_gen_mode=1");
    run("ip -6 addr flush dev up0");
    let (ready, wait) = channel();
    let heard = link.in_router(move || {
        let dump = std::process::Command::new("timeout")
            .args([
                "10",
                "tcpdump",
                "-e",
                "-l",
                "-n",
                "-v",
                "-c",
                "1",
                "-i",
                "down0",
                "icmp6 and ip6[40] == 133 and src ::",
            ])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("tcpdump");
        std::thread::sleep(std::time::Duration::from_millis(700));
        ready.send(()).expect("the test waits");
        String::from_utf8(dump.wait_with_output().expect("output").stdout).expect("text")
    });
    wait.recv().expect("ready");
    let icmp6 = Icmp6::open().expect("raw socket");
    icmp6.send(&message(index("up0"), "::", "ff02::2", vec![133, 0, 0, 0, 0, 0, 0, 0])).expect("sent");
    let shown = heard.join().expect("the router's thread");
    assert!(shown.contains("hlim 255") && shown.contains("[icmp6 sum ok]"), "{shown}");
    assert!(shown.contains("> 33:33:00:00:00:02") && shown.contains("02:00:00:00:00:02 >"), "{shown}");
}

#[test]
fn default_routes_learnt_from_advertisements_outlive_the_switch_of_forwarding() {
    let Some(link) = link() else { return };
    // A second uplink, whose router is the same namespace.
    run(&format!("ip link add up1 type veth peer name down1 netns {}", link.router.name));
    run(&format!("ip -n {} link set down1 address 02:00:00:00:01:01", link.router.name));
    run(&format!("ip -n {} link set down1 up", link.router.name));
    run("ip link set up1 up");
    let tentative = |name: &str| run(&format!("ip -n {name} -6 addr show")).contains("tentative");
    let host = link.host.name.clone();
    wait_for("the addresses", || !tentative(&link.router.name) && !tentative(&host));
    send_from_router(&link, "ff02::1", advertisement());
    link.in_router(|| {
        let icmp6 = Icmp6::open().expect("raw socket");
        let router = "fe80::ff:fe00:101";
        icmp6.send(&message(index("down1"), router, "ff02::1", advertisement())).expect("sent");
    })
    .join()
    .expect("the router's thread");
    let learnt = || {
        let routes = run("ip -6 route show default");
        ["dev up0 proto ra", "dev up1 proto ra"].iter().filter(|route| routes.contains(**route)).count()
    };
    wait_for("both default routes", || learnt() == 2);
    let folder = std::env::temp_dir().join(format!("clat-control-{}-routes", std::process::id()));
    let (mut plan, _) = Plan::open(&folder).expect("open");
    plan.apply(StepId(0), Step::SetForwarding { iface: Iface::Index(index("up0")) }).expect("apply");
    assert_eq!(learnt(), 2, "{}", run("ip -6 route show default"));
    // The uplink still listens: a lifetime of 0 takes its route away, a new advertisement brings it back.
    let mut withdrawn = advertisement();
    withdrawn[6..8].fill(0);
    send_from_router(&link, "ff02::1", withdrawn);
    wait_for("the route to go", || learnt() == 1);
    send_from_router(&link, "ff02::1", advertisement());
    wait_for("the route to come back", || learnt() == 2);
    plan.close().expect("close");
    assert_eq!(learnt(), 2, "{}", run("ip -6 route show default"));
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_solicitation_reaches_the_router_with_the_header_asked_for() {
    if std::process::Command::new("tcpdump").arg("--version").output().is_err() {
        return cannot_run("tcpdump");
    }
    let Some(link) = link() else { return };
    let (ready, wait) = channel();
    let heard = link.in_router(move || {
        // A raw socket of the router's: all messages, RS among them.
        run("sysctl -qw net.ipv6.conf.down0.forwarding=1");
        let dump = std::process::Command::new("timeout")
            .args([
                "10",
                "tcpdump",
                "-l",
                "-n",
                "-v",
                "-c",
                "1",
                "-i",
                "down0",
                "icmp6 and ip6[40] == 133 and src fe80::ff:fe00:2",
            ])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("tcpdump");
        std::thread::sleep(std::time::Duration::from_millis(700));
        ready.send(()).expect("the test waits");
        String::from_utf8(dump.wait_with_output().expect("output").stdout).expect("text")
    });
    wait.recv().expect("ready");
    let icmp6 = Icmp6::open().expect("raw socket");
    let rs = vec![133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2];
    icmp6.send(&message(index("up0"), HOST, "ff02::2", rs)).expect("sent");
    let shown = heard.join().expect("the router's thread");
    assert!(shown.contains("hlim 255") && shown.contains("router solicitation"), "{shown}");
    assert!(shown.contains("[icmp6 sum ok]"), "{shown}");
}

#[test]
fn an_advertisement_for_an_address_that_is_not_ours_goes_out() {
    let Some(link) = link() else { return };
    let icmp6 = Icmp6::open().expect("raw socket");
    // Unsolicited, override, with the target's link-layer address, to the router that asks for nobody.
    let mut na = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    na.extend_from_slice(&"2001:db8::c1a7".parse::<Ipv6Addr>().expect("address").octets());
    na.extend_from_slice(&[2, 1, 2, 0, 0, 0, 0, 2]);
    run(&format!(
        "ip -n {} neigh add 2001:db8::c1a7 lladdr 02:00:00:00:00:99 nud stale dev down0",
        link.router.name
    ));
    icmp6.send(&message(index("up0"), "2001:db8::c1a7", "ff02::1", na)).expect("sent");
    wait_for("the router to believe it", || {
        run(&format!("ip -n {} neigh show 2001:db8::c1a7", link.router.name)).contains("02:00:00:00:00:02")
    });
}

#[test]
fn the_kernel_answers_for_a_proxied_address_without_delay_and_forwards_to_the_device() {
    let Some(link) = link() else { return };
    run("ip tuntap add dev clat0 mode tun");
    run("ip link set clat0 up");
    let folder = std::env::temp_dir().join(format!("clat-control-{}-proxy", std::process::id()));
    let (mut plan, _) = Plan::open(&folder).expect("open");
    plan.set_device(Some(index("clat0")));
    let clat: Ipv6Addr = "2001:db8::c1a7".parse().expect("address");
    let uplink = Iface::Index(index("up0"));
    let route = Step::AddRoute {
        iface: Iface::Device,
        dest: clat.into(),
        prefix_len: 128,
        metric: 0,
        mtu: 0,
        mss: 0,
    };
    let steps =
        [Step::SetForwarding { iface: uplink }, route, Step::ProxyNeighbour { iface: uplink, addr: clat }];
    for (id, step) in (0..).zip(steps) {
        plan.apply(StepId(id), step).expect("apply");
    }
    let before = std::time::Instant::now();
    let _ = std::process::Command::new("ip")
        .args(["netns", "exec", &link.router.name, "ping", "-c", "1", "-W", "1", "2001:db8::c1a7"])
        .output();
    wait_for("the router's entry", || {
        run(&format!("ip -n {} neigh show 2001:db8::c1a7", link.router.name)).contains("02:00:00:00:00:02")
    });
    eprintln!("answered and resolved within {:?}", before.elapsed());
    let forwarded = std::fs::read_to_string("/proc/thread-self/net/snmp6").expect("counters");
    let count = forwarded.lines().find(|line| line.starts_with("Ip6OutForwDatagrams")).expect("a counter");
    assert_ne!(count.split_whitespace().nth(1), Some("0"), "the echo request was forwarded to the device");
    plan.close().expect("close");
    std::fs::remove_dir_all(folder).expect("removed");
}

/// A DNS server that answers once with what it was asked, behind a mark.
fn dns_server(link: &Link, address: &'static str) -> (JoinHandle<()>, Receiver<()>) {
    let (ready, wait) = channel();
    let server = link.in_router(move || {
        let socket = UdpSocket::bind(address).expect("bind");
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("timeout");
        ready.send(()).expect("the test waits");
        let mut buffer = [0; 512];
        let (length, from) = socket.recv_from(&mut buffer).expect("a query");
        let answer = [b"answer:", &buffer[..length]].concat();
        socket.send_to(&answer, from).expect("sent");
    });
    (server, wait)
}

#[test]
fn dns_is_asked_over_the_uplink_and_its_answer_told() {
    let Some(link) = link() else { return };
    for (bind, server) in
        [("[2001:db8::1]:53", "2001:db8::1"), ("[fe80::ff:fe00:1%2]:53", ROUTER), ("10.0.0.1:53", "10.0.0.1")]
    {
        let bind = bind.replace(
            "%2",
            &format!("%{}", {
                let shown = run(&format!("ip -n {} -o link show down0", link.router.name));
                shown.split(':').next().expect("an index").to_owned()
            }),
        );
        let (thread, ready) = dns_server(&link, Box::leak(bind.into_boxed_str()));
        ready.recv().expect("ready");
        let mut dns = Dns::new();
        let query = DnsQuery {
            ifindex: index("up0"),
            server: server.parse().expect("address"),
            id: 7,
            message: b"question".iter().copied().collect(),
        };
        dns.ask("up0", &query).expect("asked");
        assert_eq!(dns.descriptors().count(), 1);
        let mut told = None;
        wait_for("the answer", || {
            dns.read(&mut |input| {
                if let Input::DnsReply { server, message } = input {
                    told = Some((server, message.to_vec()));
                }
            });
            told.is_some()
        });
        assert_eq!(told, Some((query.server, b"answer:question".to_vec())));
        assert_eq!(dns.descriptors().count(), 0, "one answer, and the socket is closed");
        thread.join().expect("the server");
    }
    let mut dns = Dns::new();
    let query = DnsQuery {
        ifindex: 1,
        server: "2001:db8::1".parse().expect("address"),
        id: 1,
        message: Default::default(),
    };
    assert!(dns.ask("nowhere0", &query).is_err());
}

#[test]
fn a_probe_is_answered_and_a_large_one_is_not_cut() {
    let Some(_link) = link() else { return };
    let source = "10.0.0.2".parse().expect("address");
    let mut prober = Prober::open("up0", source, clat_core::Pref64::WELL_KNOWN, 0xc1a7).expect("raw socket");
    let probe =
        |sequence, ttl, size| Probe { sequence, target: "10.0.0.1".parse().expect("address"), ttl, size };
    prober.send(&probe(3, 64, 1500)).expect("sent");
    let mut told = None;
    wait_for("the reply", || {
        prober
            .read(&mut |input| {
                if let Input::ProbeAnswer(answer) = input {
                    told = Some(answer);
                }
            })
            .expect("read");
        told.is_some()
    });
    let answer = told.expect("told");
    assert_eq!((answer.sequence, answer.echo_reply, answer.from.to_string().as_str()), (3, true, "10.0.0.1"));
    let error = prober.send(&probe(4, 64, 1501)).expect_err("too large for the link");
    assert_eq!(error.raw_os_error(), Some(90), "{error}");
}
