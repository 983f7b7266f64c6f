//! The kernel's events as the engine hears them, on a real kernel.

mod control_common;

use clat_engine::{AddressState, Input, LinkKind};
use clat_linux::watch::Watch;
use control_common::{namespace_of_a_host, run};
use std::time::{Duration, Instant};

/// Reads until an input fits; gives all that was told until then.
fn until(watch: &mut Watch, what: &str, mut fits: impl FnMut(&Input<'_>) -> bool) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut told = Vec::new();
    loop {
        let mut found = false;
        watch
            .read(&mut |input| {
                found |= fits(&input);
                told.push(format!("{input:?}"));
            })
            .expect("read");
        if found {
            return told;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}: {told:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn everything_is_listed_once_between_resync_and_synced() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    run("ip addr add 10.0.0.2/24 dev up0");
    run("ip route add default via 10.0.0.1 dev up0 metric 7");
    run("ip -6 route add default via fe80::1 dev up0 metric 99");
    let mut watch = Watch::open().expect("netlink");
    watch.set_device(Some(device));
    let mut told = Vec::new();
    watch.list(&mut |input| told.push(format!("{input:?}"))).expect("list");
    assert_eq!(told.first().map(String::as_str), Some("Resync"));
    assert_eq!(told.last().map(String::as_str), Some("Synced"));
    let has = |text: &str| told.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        has(&format!("Link(Link {{ ifindex: {uplink}, up: true, mtu: 1500, kind: Broadcast")),
        1,
        "{told:#?}"
    );
    assert_eq!(
        has(&format!("Link(Link {{ ifindex: {device}, up: false, mtu: 1500, kind: Never")),
        1,
        "{told:#?}"
    );
    assert_eq!(has("addr: 2001:db8::10, prefix_len: 64, state: Preferred, temporary: false"), 1, "{told:#?}");
    assert_eq!(has("addr: 10.0.0.2"), 1, "{told:#?}");
    assert_eq!(has(&format!("Default4(DefaultRoute4 {{ ifindex: {uplink}, metric: 7 }})")), 1, "{told:#?}");
    assert_eq!(
        has(&format!("Default6(DefaultRoute6 {{ ifindex: {uplink}, router: Some(fe80::1), metric: 99 }})")),
        1,
        "{told:#?}"
    );
}

#[test]
fn a_namespace_without_routes_is_listed() {
    let Some(_namespace) = control_common::Namespace::enter_new() else { return };
    let mut told = 0;
    Watch::open().expect("netlink").list(&mut |_| told += 1).expect("list");
    assert!(told > 2, "resync, the loopback, synced");
}

#[test]
fn duplicate_detection_is_told_to_its_end() {
    let Some((_namespace, ..)) = namespace_of_a_host() else { return };
    let mut watch = Watch::open().expect("netlink");
    run("ip -6 addr add 2001:db8::bad/128 dev peer0 nodad");
    run("ip -6 addr add 2001:db8::bad/128 dev up0 noprefixroute preferred_lft 0");
    run("ip -6 addr add 2001:db8::600d/128 dev up0 noprefixroute preferred_lft 0");
    let mut states = Vec::new();
    let uplink = control_common::index("up0");
    until(&mut watch, "both outcomes", |input| {
        if let Input::Address6(address) = input
            && address.ifindex == uplink
            && !address.addr.is_unicast_link_local()
        {
            states.push((address.addr.segments()[7], address.state));
        }
        states.contains(&(0xbad, AddressState::Duplicate))
            && states.contains(&(0x600d, AddressState::Deprecated))
    });
    assert!(states.contains(&(0x600d, AddressState::Tentative)), "{states:?}");
}

#[test]
fn an_ipv4_default_route_that_falls_with_its_link_is_told() {
    let Some((_namespace, ..)) = namespace_of_a_host() else { return };
    run("ip addr add 10.0.0.2/24 dev up0");
    run("ip route add default via 10.0.0.1 dev up0 metric 7");
    let mut watch = Watch::open().expect("netlink");
    run("ip link set up0 down");
    let told = until(&mut watch, "a new list", |input| matches!(input, Input::Synced));
    let list = told.iter().rposition(|line| line == "Resync").expect("a list");
    assert!(!told[list..].iter().any(|line| line.contains("Default4")), "{told:#?}");
}

#[test]
fn a_route_that_replaces_another_leaves_one() {
    let Some((_namespace, ..)) = namespace_of_a_host() else { return };
    run("ip addr add 10.0.0.2/24 dev up0");
    run("ip addr add 10.0.1.2/24 dev peer0");
    run("ip route add default via 10.0.0.1 dev up0 metric 7");
    let mut watch = Watch::open().expect("netlink");
    run("ip route replace default via 10.0.1.1 dev peer0 metric 7");
    let told = until(&mut watch, "a new list", |input| matches!(input, Input::Synced));
    let list = told.iter().rposition(|line| line == "Resync").expect("a list");
    assert_eq!(told[list..].iter().filter(|line| line.contains("Default4(")).count(), 1, "{told:#?}");
}

#[test]
fn links_come_change_and_go() {
    let Some((_namespace, ..)) = namespace_of_a_host() else { return };
    let mut watch = Watch::open().expect("netlink");
    run("ip tuntap add dev vpn0 mode tun");
    let vpn = control_common::index("vpn0");
    until(
        &mut watch,
        "a tunnel",
        |input| matches!(input, Input::Link(link) if link.ifindex == vpn && link.kind == LinkKind::Tunnel),
    );
    run("ip link set up0 mtu 1400");
    let uplink = control_common::index("up0");
    until(
        &mut watch,
        "an MTU",
        |input| matches!(input, Input::Link(link) if link.ifindex == uplink && link.mtu == 1400),
    );
    run("sysctl -qw net.ipv6.conf.up0.mtu=1300");
    run("ip link set up0 alias x");
    until(
        &mut watch,
        "the IPv6 MTU",
        |input| matches!(input, Input::Link(link) if link.ifindex == uplink && link.mtu == 1300),
    );
    run("ip link del vpn0");
    until(&mut watch, "its end", |input| matches!(input, Input::LinkGone(index) if *index == vpn));
}

#[test]
fn lost_events_bring_a_new_list() {
    let Some((_namespace, ..)) = namespace_of_a_host() else { return };
    let mut watch = Watch::open().expect("netlink");
    let batch: String =
        (0..4000).map(|n| format!("addr add 10.{}.{}.1/32 dev up0\n", n / 250, n % 250)).collect();
    let file = std::env::temp_dir().join(format!("clat-control-batch-{}", std::process::id()));
    std::fs::write(&file, batch).expect("a file");
    run(&format!("ip -batch {}", file.display()));
    std::fs::remove_file(file).expect("removed");
    let told = until(&mut watch, "a new list", |input| matches!(input, Input::Synced));
    let list = told.iter().rposition(|line| line == "Resync").expect("a list");
    assert_eq!(told[list..].iter().filter(|line| line.contains("Address4 ")).count(), 4001, "with 127.0.0.1");
}
