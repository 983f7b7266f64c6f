//! How it starts, what it asks and whom it believes, and how it stops.
//! A trace is one line an action, with the time in seconds; reviewed ones lie in `snapshots/`.

#![allow(clippy::unwrap_used, reason = "literals and bounds that the tests themselves set")]

mod sim;

use clat_engine::{
    Address6, AddressState, ClatV6, Config, Engine, Input, Instant, Link, LinkKind, Reason, State,
    StepErrorKind,
};
use sim::net::{Router, SimLink};
use sim::scene::{ETH, P1, active, announce, dns_link, frames, ra_link};
use sim::{World, assert_snapshot, config};

#[test]
fn cold_start_by_ra() {
    let mut world = active(config(), ra_link());
    world.run(5000);
    assert_snapshot("cold_start_by_ra", &world.lines());
    assert!(world.host.has_default_route());
}

#[test]
fn cold_start_takes_two_seconds_at_most_after_link_up() {
    for link in [ra_link(), dns_link()] {
        for config in [config(), announce(), frames()] {
            let mut world = World::started(config);
            world.plug(ETH, link.clone());
            let ms = world.run_until(State::Active, 10_000);
            assert!(ms <= 2000, "{ms} ms");
        }
    }
}

#[test]
fn rfc4861_section_6_3_7_routers_are_asked_for_before_the_link_has_an_address() {
    let up = |kind, up| Link { ifindex: ETH, up, mtu: 1500, kind, mac: Some([2, 0, 0, 0, 0, 1]), network: 0 };
    let asked = |config: Config, kind| {
        let mut world = World::started(config);
        for state in [false, true, true] {
            world.tell(Input::Link(up(kind, state)));
        }
        world.lines().matches("send 133 :: > ff02::2").count()
    };
    assert_eq!(asked(config(), LinkKind::Broadcast), 1);
    assert_eq!(asked(config(), LinkKind::PointToPoint), 1);
    assert_eq!(asked(config(), LinkKind::Tunnel), 0, "a VPN is no uplink by itself");
    let mut other = config();
    other.uplink = Some(ETH + 1);
    assert_eq!(asked(other, LinkKind::Broadcast), 0, "the operator named another uplink");
}

#[test]
fn the_claim_does_not_wait_for_the_address_of_the_host() {
    let mut link = ra_link();
    link.routers[0].pio = Some(P1.parse().unwrap());
    link.addresses.retain(|(addr, _)| addr.is_unicast_link_local());
    // The first candidate is taken, so that claims come and go before the host has an address.
    link.taken.insert(active(config(), ra_link()).clat_v6().unwrap());
    let mut world = World::started(config());
    world.plug(ETH, link);
    world.run(1900);
    assert_eq!(world.state(), State::Claiming);
    let claimed = world.clat_v6();
    world.address(ETH, &format!("{P1}5"), Some(AddressState::Preferred));
    world.run_until(State::Active, 2000);
    assert_eq!(world.clat_v6(), claimed);
    assert_eq!(world.lines().matches("role claim").count(), 4, "two claims, done and undone");
    world.address(ETH, &format!("{P1}5"), None);
    world.run(100);
    assert_eq!((world.state(), world.engine.status().reason), (State::Stale, Reason::AddressLost));
}

#[test]
fn cold_start_by_dns() {
    let mut world = active(config(), dns_link());
    world.run(5000);
    assert_snapshot("cold_start_by_dns", &world.lines());
}

#[test]
fn cold_start_with_announcements() {
    let mut world = active(announce(), ra_link());
    world.run(12_000);
    assert_snapshot("cold_start_with_announcements", &world.lines());
}

#[test]
fn cold_start_with_raw_frames() {
    let mut world = active(frames(), ra_link());
    world.run(5000);
    assert_snapshot("cold_start_with_raw_frames", &world.lines());
}

#[test]
fn a_manual_prefix_beats_all_and_asks_nobody() {
    let mut manual = config();
    manual.pref64 = Some("2001:db8:64::/96".parse().unwrap());
    let world = active(manual, dns_link());
    assert_eq!(world.engine.status().pref64.unwrap().source.as_str(), "manual");
    assert!(world.queries.is_empty());
}

#[test]
fn a_fixed_address_and_a_delegated_prefix() {
    let mut fixed = config();
    fixed.clat_v6 = ClatV6::Fixed("2001:db8:1:1::464".parse().unwrap());
    assert_eq!(active(fixed, ra_link()).clat_v6(), Some("2001:db8:1:1::464".parse().unwrap()));

    let mut delegated = config();
    delegated.clat_v6 = ClatV6::Delegated { prefix: "2001:db8:99::".parse().unwrap(), len: 64 };
    let world = active(delegated, ra_link());
    assert!(world.clat_v6().unwrap().to_string().starts_with("2001:db8:99:"));
    let names: Vec<_> = world.host.in_force.iter().map(|(_, s)| s.name()).collect();
    assert!(!names.contains(&"proxy-neighbour"), "nobody asks for an address that is routed: {names:?}");
    assert!(!world.lines().contains("role claim"), "nothing to detect");
}

#[test]
fn the_ipv4_address_of_another_interface_is_left_alone() {
    let mut world = World::started(config());
    let mut vpn = SimLink::new(&[], Router::new("fe80::7"));
    (vpn.kind, vpn.routers) = (LinkKind::Tunnel, Vec::new());
    world.plug(9, vpn);
    world.tell(Input::Address4 { ifindex: 9, addr: "192.0.0.1".parse().unwrap() });
    world.plug(ETH, ra_link());
    world.run_until(State::Active, 5000);
    assert_eq!(world.clat_v4(), Some("192.0.0.2".parse().unwrap()));
}

#[test]
fn stop_undoes_everything_in_reverse() {
    let mut world = active(config(), ra_link());
    world.trace.clear();
    world.tell(Input::Stop);
    world.run(1000);
    assert!(world.finished);
    assert_snapshot("stop_undoes_everything_in_reverse", &world.lines());
    assert_eq!(world.engine.poll_timeout(), None);
}

#[test]
fn stop_in_the_middle_of_every_step_of_the_start() {
    for ms in (0..2000).step_by(7) {
        let mut world = World::started(config());
        world.step_time = 20;
        world.plug(ETH, ra_link());
        world.run(ms);
        world.tell(Input::Stop);
        world.run(3000);
        assert!(world.finished, "stopped after {ms} ms:\n{}", world.lines());
    }
}

#[test]
fn every_step_fails_once_and_it_works_all_the_same() {
    for at in 0..9 {
        let mut world = World::started(config());
        world.faults = vec![None; at];
        world.faults.push(Some(StepErrorKind::Transient));
        world.plug(ETH, ra_link());
        world.run_until(State::Active, 10_000);
    }
}

#[test]
fn a_step_that_cannot_be_done_puts_the_host_back_and_is_tried_again() {
    for at in 0..9 {
        for kind in [StepErrorKind::Denied, StepErrorKind::Conflict, StepErrorKind::Unsupported] {
            let mut world = World::started(config());
            world.faults = vec![None; at];
            world.faults.push(Some(kind));
            world.plug(ETH, ra_link());
            world.run(30_000);
            assert_eq!(world.state(), State::Active, "{kind:?} at step {at}:\n{}", world.lines());
            world.tell(Input::Stop);
            world.run(3000);
            assert!(world.finished);
        }
    }
}

#[test]
fn the_device_is_taken_away() {
    let mut world = active(config(), ra_link());
    world.tell(Input::DeviceLost);
    world.run(100);
    assert_eq!((world.state(), world.engine.status().reason), (State::Idle, Reason::DeviceLost));
    world.run_until(State::Active, 10_000);
}

#[test]
fn a_device_that_is_taken_away_without_an_uplink_is_opened_again_with_the_next() {
    let mut world = active(config(), ra_link());
    world.carrier(ETH, false);
    world.run(500);
    assert_eq!(world.state(), State::Stale);
    world.tell(Input::DeviceLost);
    world.run(500);
    assert!(world.host.in_force.is_empty(), "{:?}", world.host.in_force);
    world.trace.clear();
    world.carrier(ETH, true);
    world.run_until(State::Active, 10_000);
    assert!(world.lines().contains("open-device"), "{}", world.lines());
}

#[test]
fn another_configuration_changes_only_what_it_touches() {
    let mut world = active(config(), ra_link());
    let (addr, before) = (world.clat_v6(), world.host.in_force.clone());
    world.reconfigure(config());
    world.run(100);
    assert_eq!(world.host.in_force, before, "the same again changes nothing");
    let mut smaller = config();
    (smaller.v4_mtu, smaller.clamp_mss) = (Some(1300), true);
    world.reconfigure(smaller);
    world.run(100);
    assert_eq!((world.state(), world.clat_v6(), world.engine.status().v4_mtu), (State::Active, addr, 1300));
    assert_eq!(world.host.in_force[..7], before[..7]);
    assert!(world.host.in_force.last().unwrap().1.to_string().ends_with("mtu 1300 mss 1260"));
}

#[test]
fn rfc4862_section_5_5_4_a_link_with_a_deprecated_prefix_alone_has_a_clat() {
    let mut link = ra_link();
    link.addresses.retain(|(addr, _)| addr.is_unicast_link_local());
    let mut world = World::started(config());
    world.plug(ETH, link);
    let addr = "2001:db8:1:1::5".parse().unwrap();
    let told = |world: &mut World, state| {
        world.tell(Input::Address6(Address6 { ifindex: ETH, addr, prefix_len: 64, state, temporary: false }));
    };
    // The kernel proves its address, deprecates it, and takes that back for a moment with each advertisement.
    told(&mut world, AddressState::Tentative);
    world.run(500);
    for _ in 0..5 {
        told(&mut world, AddressState::Preferred);
        told(&mut world, AddressState::Deprecated);
        world.run(500);
    }
    assert_eq!(world.state(), State::Active);
    let claims = world.lines().matches("-> claiming").count();
    assert_eq!(claims, 1, "{}", world.lines());
}

#[test]
fn a_leg_that_fails_before_the_start_is_no_older_than_its_reason() {
    let mut engine = Engine::new(config());
    let started = Instant::from_millis(874_000);
    engine.handle_input(started, Input::Resync);
    engine.handle_input(started, Input::Synced);
    let status = engine.status();
    assert_eq!((status.reason, status.since), (Reason::NoUplink, started));
    assert_eq!(status.self_test.map(|test| test.at), Some(started));
}
