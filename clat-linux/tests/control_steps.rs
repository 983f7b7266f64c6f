//! Every step of the plan on a real kernel: done, undone, and the host is as it was; what somebody else
//! changes in between stays.

mod control_common;

use clat_engine::{AddressRole, Iface, Step};
use clat_linux::netcfg::{Change, NetCfg, NetcfgError, Undone};
use control_common::{
    Namespace, assert_same, namespace_of_a_host, run, settled, sysctl, wait_for, whole_plan,
};

fn host() -> Option<(Namespace, NetCfg, u32)> {
    let (namespace, device, uplink) = namespace_of_a_host()?;
    let mut netcfg = NetCfg::open().expect("netlink");
    netcfg.set_device(Some(device));
    Some((namespace, netcfg, uplink))
}

/// Does a step by way of its line in the journal.
fn apply(netcfg: &mut NetCfg, step: Step) -> Change {
    let change = netcfg.prepare(step).expect("prepare");
    netcfg.apply(&change).expect("apply");
    change.to_string().parse().expect("the journal's line")
}

#[test]
fn the_whole_plan_is_done_and_undone() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let before = settled();
    let changes: Vec<Change> = whole_plan(uplink).into_iter().map(|step| apply(&mut netcfg, step)).collect();

    assert!(run("ip link show clat0").contains("mtu 1420"));
    assert!(run("ip addr show dev clat0").contains("inet 192.0.0.1/32"));
    let route = run("ip -4 route show default");
    assert!(route.contains("dev clat0") && route.contains("metric 1000000"), "{route}");
    assert!(route.contains("mtu 1400") && route.contains("advmss 1360"), "{route}");
    assert!(run("ip -6 route show 2001:db8::c1a7").contains("dev clat0"));
    assert!(run("ip -6 neigh show proxy").contains("2001:db8::c1a7 dev up0"));
    assert_eq!(sysctl("conf/up0/forwarding"), "1");
    assert_eq!(sysctl("conf/up0/accept_ra"), "2");
    assert_eq!(sysctl("conf/up0/proxy_ndp"), "1");
    assert_eq!(sysctl("neigh/up0/proxy_delay"), "0");
    assert!(run("ip -6 maddr show dev up0").contains("ff02::1:ff00:c1a7"));

    for change in changes.iter().rev() {
        netcfg.undo(change).expect("undo");
    }
    assert_same(&settled(), &before);
    for change in changes.iter().rev() {
        assert_eq!(netcfg.undo(change).expect("undo again"), Undone::Left, "{change}");
    }
    assert_same(&settled(), &before);
}

#[test]
fn undoing_what_was_only_prepared_changes_nothing() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let before = settled();
    for step in whole_plan(uplink) {
        let change = netcfg.prepare(step).expect("prepare");
        assert_eq!(netcfg.undo(&change).expect("undo"), Undone::Left, "{change}");
    }
    assert_same(&settled(), &before);
}

#[test]
fn forwarding_keeps_the_default_routes_learnt_from_advertisements() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    run("ip link add other0 type veth peer name other1");
    run("ip link set other0 up");
    let change = apply(&mut netcfg, Step::SetForwarding { iface: Iface::Index(uplink) });
    assert_eq!(sysctl("conf/up0/accept_ra"), "2", "the uplink goes on listening to its router");
    if std::path::Path::new("/proc/sys/net/ipv6/conf/up0/force_forwarding").exists() {
        assert_eq!(sysctl("conf/all/forwarding"), "0", "the other interfaces stay hosts");
        assert_eq!(sysctl("conf/other0/accept_ra"), "1");
    }
    netcfg.undo(&change).expect("undo");
    assert_eq!((sysctl("conf/up0/accept_ra"), sysctl("conf/up0/forwarding")), ("1".into(), "0".into()));
}

#[test]
fn a_host_that_switches_ipv6_off_for_new_interfaces_still_gets_a_device() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    run("sysctl -qw net.ipv6.conf.clat0.disable_ipv6=1");
    let before = settled();
    let changes: Vec<Change> = whole_plan(uplink).into_iter().map(|step| apply(&mut netcfg, step)).collect();
    assert!(run("ip -6 route show 2001:db8::c1a7").contains("dev clat0"));
    for change in changes.iter().rev() {
        netcfg.undo(change).expect("undo");
    }
    assert_same(&settled(), &before);
}

#[test]
fn an_administrators_refusal_of_advertisements_is_kept() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    run("sysctl -qw net.ipv6.conf.up0.accept_ra=0");
    apply(&mut netcfg, Step::SetForwarding { iface: Iface::Index(uplink) });
    assert_eq!(sysctl("conf/up0/accept_ra"), "0");
}

#[test]
fn forwarding_that_was_on_before_stays_on() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    run("sysctl -qw net.ipv6.conf.all.forwarding=1");
    let before = settled();
    let change = apply(&mut netcfg, Step::SetForwarding { iface: Iface::Index(uplink) });
    netcfg.undo(&change).expect("undo");
    assert_same(&settled(), &before);
    assert_eq!(sysctl("conf/up0/forwarding"), "1");
}

#[test]
fn somebody_elses_change_in_between_is_respected() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let changes: Vec<Change> = whole_plan(uplink).into_iter().map(|step| apply(&mut netcfg, step)).collect();
    for line in [
        "ip link set clat0 mtu 1380",
        "ip addr del 192.0.0.1/32 dev clat0",
        "ip addr add 192.0.0.1/32 dev clat0",
        "ip route replace default dev clat0 metric 1000000 proto static",
        "sysctl -qw net.ipv6.conf.up0.accept_ra=0",
        "sysctl -qw net.ipv6.neigh.up0.proxy_delay=40",
        "ip -6 neigh del proxy 2001:db8::c1a7 dev up0",
        "ip -6 neigh add proxy 2001:db8::c1a7 dev up0",
    ] {
        run(line);
    }
    for change in changes.iter().rev() {
        netcfg.undo(change).expect("undo");
    }
    run("ip link set clat0 up");
    assert!(run("ip link show clat0").contains("mtu 1380"));
    assert!(run("ip addr show dev clat0").contains("192.0.0.1/32"));
    assert_eq!(sysctl("conf/up0/accept_ra"), "0");
    assert_eq!(sysctl("conf/up0/forwarding"), "0");
    assert_eq!(sysctl("neigh/up0/proxy_delay"), "40");
    assert!(run("ip -6 neigh show proxy").contains("2001:db8::c1a7"));
}

#[test]
fn a_default_route_that_somebody_else_replaced_is_left() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let steps = whole_plan(uplink).into_iter();
    let steps = steps.filter(|s| s.is_default_route() || matches!(s, Step::SetLinkUp { .. }));
    let changes: Vec<Change> = steps.map(|step| apply(&mut netcfg, step)).collect();
    run("ip route replace default dev clat0 metric 1000000 proto static");
    assert_eq!(netcfg.undo(changes.last().expect("a route")).expect("undo"), Undone::Left);
    assert!(run("ip route show default").contains("proto static"));
}

/// An interface that comes from another namespace keeps its index where that is free: our device's, once it is gone.
#[test]
fn another_interface_with_the_index_of_a_device_that_is_gone_is_left() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let on_device =
        |s: &Step| matches!(s, Step::SetLinkUp { .. } | Step::SetMtu { .. } | Step::AddAddress { .. });
    let steps = whole_plan(uplink).into_iter().filter(|s| s.iface() == Iface::Device && on_device(s));
    let changes: Vec<Change> = steps.map(|step| apply(&mut netcfg, step)).collect();
    netcfg.set_device(None);
    run("ip link set clat0 name other0");
    let before = run("ip addr show dev other0");
    for change in changes.iter().rev() {
        assert_eq!(netcfg.undo(change).expect("undo"), Undone::Left, "{change}");
    }
    assert_eq!(run("ip addr show dev other0"), before);
    run("ip link set other0 name clat0");
    for change in changes.iter().rev() {
        assert_eq!(netcfg.undo(change).expect("undo"), Undone::Restored, "a device that stayed: {change}");
    }
}

#[test]
fn what_was_there_before_is_used_and_left() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    run("ip link set clat0 up");
    run("ip addr add 192.0.0.1/32 dev clat0");
    run("ip -6 route add 2001:db8::c1a7/128 dev clat0");
    run("ip -6 neigh add proxy 2001:db8::c1a7 dev up0");
    let before = settled();
    let changes: Vec<Change> = whole_plan(uplink).into_iter().map(|step| apply(&mut netcfg, step)).collect();
    for change in changes.iter().rev() {
        netcfg.undo(change).expect("undo");
    }
    assert_same(&settled(), &before);
}

#[test]
fn an_address_or_a_route_of_somebody_else_is_a_conflict() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let claim = Step::AddAddress {
        iface: Iface::Index(uplink),
        addr: "2001:db8::10".parse().expect("address"),
        prefix_len: 64,
        role: AddressRole::Claim,
    };
    assert!(matches!(netcfg.prepare(claim), Err(NetcfgError::Conflict)));
    run("ip route add default dev up0 metric 1000000");
    let route = whole_plan(uplink).into_iter().find(Step::is_default_route).expect("a default route");
    assert!(matches!(netcfg.prepare(route), Err(NetcfgError::Conflict)));
}

#[test]
fn the_claimed_address_goes_through_duplicate_detection_and_is_no_source() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let before = settled();
    let claim = |addr: &str| Step::AddAddress {
        iface: Iface::Index(uplink),
        addr: addr.parse().expect("address"),
        prefix_len: 128,
        role: AddressRole::Claim,
    };
    let began = std::time::Instant::now();
    let change = apply(&mut netcfg, claim("2001:db8::c1a7"));
    assert_eq!(sysctl("conf/up0/optimistic_dad"), "0", "only this address is in a hurry");
    assert!(run("ip -6 addr show dev up0 to 2001:db8::c1a7").contains("tentative"));
    wait_for("duplicate address detection", || {
        let shown = run("ip -6 addr show dev up0 to 2001:db8::c1a7");
        shown.contains("deprecated") && !shown.contains("tentative")
    });
    eprintln!("duplicate address detection took {:?}", began.elapsed());
    assert_eq!(netcfg.undo(&change).expect("undo"), Undone::Restored);
    assert_same(&settled(), &before);

    // The other end of the cable has this one.
    run("ip -6 addr add 2001:db8::bad/128 dev peer0 nodad");
    let change = apply(&mut netcfg, claim("2001:db8::bad"));
    wait_for("the duplicate to be found", || {
        run("ip -6 addr show dev up0 to 2001:db8::bad").contains("dadfailed")
    });
    assert_eq!(netcfg.undo(&change).expect("undo"), Undone::Restored);
}

#[test]
fn an_interface_renamed_in_between_is_put_back_under_its_new_name() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let changes: Vec<Change> = whole_plan(uplink).into_iter().map(|step| apply(&mut netcfg, step)).collect();
    run("ip link set up0 down");
    run("ip link set up0 name wan0");
    run("ip link set wan0 up");
    for change in changes.iter().rev() {
        netcfg.undo(change).expect("undo");
    }
    let switches =
        ["conf/wan0/forwarding", "conf/wan0/proxy_ndp", "conf/wan0/accept_ra", "neigh/wan0/proxy_delay"];
    assert_eq!(switches.map(sysctl), ["0", "0", "1", "80"]);
}

#[test]
fn a_vanished_interface_is_no_error_at_undo() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let changes: Vec<Change> = whole_plan(uplink).into_iter().map(|step| apply(&mut netcfg, step)).collect();
    run("ip link del up0");
    run("ip link del clat0");
    for change in changes.iter().rev() {
        netcfg.undo(change).expect("undo");
    }
    let gone = Step::SetForwarding { iface: Iface::Index(uplink) };
    assert!(matches!(netcfg.prepare(gone), Err(NetcfgError::NoInterface(_))));
}

#[test]
fn a_leftover_of_ours_is_taken_over() {
    let Some((_namespace, mut netcfg, uplink)) = host() else { return };
    let before = settled();
    for step in whole_plan(uplink) {
        apply(&mut netcfg, step);
    }
    // A second run that knows nothing of the first one.
    let again: Vec<Change> = whole_plan(uplink)
        .into_iter()
        .filter(|s| matches!(s, Step::AddAddress { .. } | Step::AddRoute { .. }))
        .map(|step| apply(&mut netcfg, step))
        .collect();
    for change in again.iter().rev() {
        assert_eq!(netcfg.undo(change).expect("undo"), Undone::Restored, "{change}");
    }
    assert_ne!(settled(), before, "the switches belong to the first run");
    assert!(!run("ip route show default").contains("clat0"));
}
