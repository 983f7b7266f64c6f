//! Another CLAT on the host is found by its signs, and our own is not taken for one.

mod control_common;

use clat_engine::OtherClat;
use clat_linux::netlink::Netlink;
use clat_linux::others_clat::find;
use control_common::{cannot_run, namespace_of_a_host, run, wait_for};
use std::process::Command;

#[test]
fn an_address_of_rfc7335_elsewhere_is_another_clat() {
    let Some((_namespace, device, uplink)) = namespace_of_a_host() else { return };
    let mut netlink = Netlink::open().expect("netlink");
    run("ip addr add 192.0.0.1/32 dev clat0");
    assert_eq!(find(&mut netlink, Some(device)).expect("listed"), []);
    run("ip addr add 192.0.0.5/32 dev up0");
    let found = find(&mut netlink, Some(device)).expect("listed");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].ifindex, found[0].tunnel), (uplink, false));
    assert!(found[0].evidence.contains("up0") && found[0].evidence.contains("192.0.0.5"), "{found:?}");
    run("ip addr del 192.0.0.5/32 dev up0");
    run("ip addr add 192.0.0.8/32 dev up0");
    assert_eq!(find(&mut netlink, Some(device)).expect("listed"), [], "192.0.0.8 is the dummy address");
    // The device is somebody else's where it is not ours.
    let found = find(&mut netlink, None).expect("listed");
    assert_eq!((found.len(), found[0].tunnel, found[0].other), (1, true, OtherClat::Other), "{found:?}");
}

#[test]
fn a_running_tayga_with_the_default_route_is_another_clat() {
    if Command::new("tayga").arg("--help").output().is_err() {
        return cannot_run("tayga");
    }
    let Some((_namespace, device, _)) = namespace_of_a_host() else { return };
    let folder = std::env::temp_dir().join(format!("clat-control-tayga-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let config = folder.join("tayga.conf");
    let text = "tun-device nat64\nipv4-addr 10.9.0.1\nprefix 2001:db8:64::/96\nmap 10.9.0.2 2001:db8::2\n";
    std::fs::write(&config, text).expect("a file");
    let mut tayga = Command::new("tayga").arg("-c").arg(&config).arg("-d").spawn().expect("tayga starts");
    let mut netlink = Netlink::open().expect("netlink");
    wait_for("tayga's device", || netlink.link_by_name("nat64").expect("asked").is_some());
    run("ip link set nat64 up");
    run("ip addr add 10.9.0.3/24 dev nat64");
    let without = find(&mut netlink, Some(device)).expect("listed");
    run("ip route add default dev nat64");
    let with = find(&mut netlink, Some(device)).expect("listed");
    tayga.kill().expect("killed");
    tayga.wait().expect("ended");
    std::fs::remove_dir_all(folder).expect("removed");
    assert_eq!(without, [], "a NAT64 is no CLAT");
    assert_eq!(with.len(), 1, "{with:?}");
    assert!(with[0].evidence.contains("tayga") && with[0].tunnel, "{with:?}");
}
