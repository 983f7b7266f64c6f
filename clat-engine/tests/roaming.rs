//! What happens to a CLAT that runs: prefixes, native IPv4, uplinks and sleep come and go.
//! A trace is one line an action, with the time in seconds; reviewed ones lie in `snapshots/`.

#![allow(clippy::unwrap_used, reason = "literals and bounds that the tests themselves set")]

mod sim;

use clat_engine::{AddressState, DefaultRoute6, Input, OtherClat, Reason, State};
use sim::net::{Router, SimLink};
use sim::scene::{ETH, P1, P2, WIFI, active, dns_link, frames, ra_link};
use sim::{World, assert_snapshot, config};

#[test]
fn router_withdraws_the_prefix_and_announces_it_again() {
    let mut world = active(config(), ra_link());
    world.trace.clear();
    world.announce_pref64(ETH, &[("64:ff9b::/96", 0)]);
    world.run(100);
    assert_eq!(world.state(), State::Stale);
    assert!(!world.host.has_default_route());
    world.run(5000);
    world.announce_pref64(ETH, &[("64:ff9b::/96", 1800)]);
    world.run(1000);
    assert_eq!(world.state(), State::Active);
    assert_snapshot("prefix_withdrawn_and_back", &world.lines());
}

/// A network manager takes a route over from the kernel: its own comes with another metric, the kernel's goes.
#[test]
fn a_route_that_another_program_takes_over_is_no_lost_uplink() {
    let mut world = active(config(), ra_link());
    let before = world.links[&ETH].routers[0].route(ETH);
    world.trace.clear();
    let after = DefaultRoute6 { metric: before.metric - 1, ..before };
    world.tell(Input::Default6(after));
    world.run(100);
    assert_eq!(world.engine.status().uplink.unwrap().metric, after.metric);
    world.tell(Input::Default6Gone(before));
    world.run(5000);
    assert_eq!(world.state(), State::Active);
    assert!(!world.lines().contains("transition"), "{}", world.lines());
    world.tell(Input::Default6Gone(after));
    world.run(100);
    assert_eq!(world.state(), State::Stale);
}

#[test]
fn withdrawn_for_good_the_host_is_put_back_and_discovery_goes_on() {
    let mut world = active(config(), ra_link());
    world.announce_pref64(ETH, &[("64:ff9b::/96", 0)]);
    world.run(31_000);
    assert_eq!(world.state(), State::Discovering);
    assert_eq!(world.engine.status().reason, Reason::NoPref64);
    assert!(world.host.in_force.is_empty());
}

#[test]
fn lifetime_of_the_prefix_ends() {
    let mut link = ra_link();
    link.routers[0].pref64[0].1 = 24;
    link.routers[0].interval_s = 9999;
    let mut world = active(config(), link);
    world.run(30_000);
    assert_eq!((world.state(), world.engine.status().reason), (State::Stale, Reason::Pref64Expired));
}

#[test]
fn dns_is_asked_again_ten_seconds_before_the_ttl_ends() {
    let mut world = active(config(), dns_link());
    world.run(600_000);
    let [first, second, ..] = world.queries[..] else { panic!("{:?}", world.queries) };
    assert!((589_900..=590_100).contains(&(second - first)), "{}", second - first);
    assert_eq!(world.state(), State::Active);
}

#[test]
fn an_ra_prefix_takes_over_from_dns_and_dns_is_left_alone() {
    let mut world = active(config(), dns_link());
    world.announce_pref64(ETH, &[("2001:db8:64::/96", 1800)]);
    world.run(100);
    let status = world.engine.status();
    assert_eq!((status.state, status.reason), (State::Active, Reason::Pref64Changed));
    assert_eq!(status.pref64.unwrap().source.as_str(), "ra");
    let asked = world.queries.len();
    world.run(1_000_000);
    assert_eq!(world.queries.len(), asked);
}

#[test]
fn another_prefix_keeps_address_and_steps() {
    let mut world = active(config(), ra_link());
    let (addr, steps) = (world.clat_v6(), world.host.in_force.clone());
    world.announce_pref64(ETH, &[("64:ff9b::/96", 0), ("2001:db8:64::/96", 1800)]);
    world.run(1000);
    assert_eq!(world.state(), State::Active);
    assert_eq!((world.clat_v6(), &world.host.in_force), (addr, &steps));
    assert_eq!(world.engine.status().pref64.unwrap().prefix.to_string(), "2001:db8:64::/96");
}

#[test]
fn native_ipv4_comes_and_goes() {
    let mut world = active(config(), ra_link());
    world.run(2000);
    world.trace.clear();
    world.native_v4(ETH, true);
    world.run(1000);
    assert_eq!((world.state(), world.engine.status().reason), (State::Idle, Reason::NativeIpv4));
    assert!(world.host.in_force.is_empty());
    world.native_v4(ETH, false);
    world.run_until(State::Active, 5000);
    assert_snapshot("native_ipv4_comes_and_goes", &world.lines());
}

#[test]
fn a_renewed_lease_is_no_loss_of_native_ipv4() {
    let mut link = ra_link();
    link.native_v4 = true;
    let mut world = World::started(config());
    world.plug(ETH, link);
    world.run(5000);
    for _ in 0..10 {
        world.native_v4(ETH, false);
        world.run(300);
        world.native_v4(ETH, true);
        world.run(300);
    }
    assert_eq!(world.host.activations, 0);
}

#[test]
fn native_ipv4_elsewhere_or_force_does_not_matter() {
    let mut world = active(config(), ra_link());
    let mut other = ra_link();
    (other.routers[0].metric, other.native_v4) = (200, true);
    world.plug(WIFI, other.clone());
    world.run(10_000);
    assert_eq!(world.state(), State::Active);
    let mut forced = config();
    forced.force = true;
    other.routers[0].metric = 50;
    assert_eq!(active(forced, other).state(), State::Active);
}

#[test]
fn another_clat_on_the_uplink_is_respected() {
    let mut world = active(config(), ra_link());
    world.tell(Input::OtherClat { ifindex: ETH, other: Some(OtherClat::NetworkManager) });
    world.run(1000);
    assert_eq!(world.engine.status().reason, Reason::OtherClat(OtherClat::NetworkManager));
    assert!(world.host.in_force.is_empty());
    world.tell(Input::OtherClat { ifindex: ETH, other: None });
    world.run_until(State::Active, 5000);
}

#[test]
fn option_108_is_observed_and_shown() {
    let mut world = active(config(), ra_link());
    world.tell(Input::V6OnlyPreferred { ifindex: ETH, wait_s: Some(1800) });
    assert_eq!(world.engine.status().v6_only_wait_s, Some(1800));
    world.tell(Input::V6OnlyPreferred { ifindex: ETH, wait_s: None });
    assert_eq!(world.engine.status().v6_only_wait_s, None);
}

#[test]
fn rfc8925_section_3_4_no_wait_is_shorter_than_five_minutes_whoever_tells_it() {
    let mut world = active(config(), ra_link());
    let wait = |world: &World| world.engine.status().v6_only_wait_s;
    world.tell(Input::V6OnlyPreferred { ifindex: ETH, wait_s: Some(10) });
    assert_eq!(wait(&world), Some(300));
    // Windows' record of option 108: four bytes, ten seconds, a lease that ends at 2000.
    let head = [108_u32, 0, 4, 0, 2000].map(u32::to_le_bytes);
    let options = [head.as_flattened(), &[0, 0, 0, 10]].concat();
    for (options, unix_s, seen) in [(&[][..], 0, None), (&options, 1999, Some(300)), (&options, 2000, None)] {
        world.tell(Input::Dhcp4Lease { ifindex: ETH, options, unix_s });
        assert_eq!(wait(&world), seen, "at {unix_s}");
    }
}

#[test]
fn renumbering_takes_an_address_in_the_new_prefix() {
    let mut world = active(config(), ra_link());
    world.trace.clear();
    let old = world.clat_v6().unwrap();
    world.address(ETH, &format!("{P2}5"), Some(AddressState::Preferred));
    world.run(1000);
    assert_eq!(world.clat_v6(), Some(old), "the old prefix is still good");
    world.address(ETH, &format!("{P1}5"), Some(AddressState::Deprecated));
    world.run_until(State::Claiming, 1000);
    world.run_until(State::Active, 5000);
    let new = world.clat_v6().unwrap();
    assert!(new.to_string().starts_with("2001:db8:1:2:"), "{new}");
    assert_snapshot("renumbering", &world.lines());
}

#[test]
fn carrier_lost_and_back_keeps_the_address() {
    let mut world = active(config(), ra_link());
    world.trace.clear();
    let addr = world.clat_v6();
    world.carrier(ETH, false);
    world.run(5000);
    assert_eq!((world.state(), world.engine.status().reason), (State::Stale, Reason::UplinkLost));
    world.carrier(ETH, true);
    world.run_until(State::Active, 5000);
    assert_eq!(world.clat_v6(), addr);
    assert_snapshot("carrier_lost_and_back", &world.lines());
}

#[test]
fn uplink_switch_and_switch_back_gives_the_same_addresses() {
    let mut world = active(config(), ra_link());
    let eth = world.clat_v6();
    let mut wifi = SimLink::new(&[P2], Router::new("fe80::2").with_pref64("2001:db8:64::/96", 1800));
    wifi.routers[0].metric = 600;
    world.plug(WIFI, wifi);
    world.run(5000);
    assert_eq!(world.engine.status().uplink.unwrap().ifindex, ETH, "the worse uplink changes nothing");
    world.trace.clear();
    world.carrier(ETH, false);
    world.run_until(State::Claiming, 100);
    world.run_until(State::Active, 5000);
    assert_eq!(world.engine.status().uplink.unwrap().ifindex, WIFI);
    assert_snapshot("uplink_switch", &world.lines());
    world.carrier(ETH, true);
    world.run(1000);
    assert_eq!(world.engine.status().uplink.unwrap().ifindex, WIFI, "it has to prove itself");
    world.run(5000);
    assert_eq!((world.state(), world.clat_v6()), (State::Active, eth));
}

#[test]
fn two_uplinks_never_two_clats() {
    let mut world = active(config(), ra_link());
    let mut wifi = ra_link();
    wifi.routers[0].metric = 50;
    world.plug(WIFI, wifi);
    for _ in 0..20 {
        world.run(777);
        world.carrier(WIFI, false);
        world.run(333);
        world.carrier(WIFI, true);
    }
    world.run(20_000);
    assert_eq!(world.state(), State::Active);
    let devices = world.host.in_force.iter().filter(|(_, s)| s.name() == "open-device").count();
    assert_eq!(devices, 1);
}

#[test]
fn suspend_and_resume() {
    let mut world = active(config(), ra_link());
    world.trace.clear();
    let addr = world.clat_v6();
    world.tell(Input::Suspend);
    world.run(10);
    assert_eq!(world.state(), State::Stale);
    world.jump(600_000);
    assert_eq!(world.state(), State::Stale, "the wait begins when the host is awake");
    world.tell(Input::Resume);
    world.resync();
    world.run_until(State::Active, 5000);
    assert_eq!(world.clat_v6(), addr);
    assert_snapshot("suspend_and_resume", &world.lines());
}

#[test]
fn a_link_that_went_away_unnoticed_is_claimed_on_again() {
    let mut world = active(config(), ra_link());
    let link = world.links.remove(&ETH).unwrap();
    world.resync();
    world.run(1000);
    assert_eq!(world.state(), State::Stale);
    world.plug(ETH, link);
    world.run_until(State::Claiming, 1000);
    world.run_until(State::Active, 5000);
    let claims = world.lines().matches("apply add-address dev 2").count();
    assert_eq!(claims, 2, "{}", world.lines());
}

#[test]
fn a_flood_of_advertisements_does_not_disturb() {
    let mut world = active(config(), ra_link());
    let before = (world.clat_v6(), world.host.in_force.clone());
    for i in 0..5000u16 {
        let [hi, lo] = i.to_be_bytes();
        let mut router = Router::new("fe80::bad").with_pref64("2001:db8:bad::/96", 65_535);
        router.addr = format!("fe80::bad:{hi:x}:{lo:x}").parse().unwrap();
        world.advertise(ETH, &router);
    }
    world.run(2000);
    assert_eq!((world.clat_v6(), world.host.in_force.clone()), before);
    assert_eq!(world.engine.status().pref64.unwrap().prefix.to_string(), "64:ff9b::/96");
    assert!(world.engine.prefixes().count() <= 17);
}

#[test]
fn flapping_ends_in_peace() {
    let mut world = active(config(), ra_link());
    for i in 0..50 {
        world.carrier(ETH, i % 2 == 1);
        world.run(i * 13 % 400);
    }
    world.carrier(ETH, true);
    world.run_until(State::Active, 40_000);
    world.tell(Input::Stop);
    world.run(1000);
    assert!(world.finished);
}

/// Two links, each with a router `fe80::1` of its own: the one with the better metric is spoken on.
#[test]
fn raw_frames_follow_the_uplink_and_its_router() {
    let mut other = ra_link();
    other.routers[0].mac = [2, 0, 0, 0, 3, 1];
    other.routers[0].metric = 200;
    let mut world = active(frames(), ra_link());
    world.plug(WIFI, other);
    world.run(10_000);
    assert_eq!(world.uplink, Some(ETH), "a second link is no reason to leave the first");
    world.trace.clear();
    world.metric(WIFI, 50);
    world.run(10_000);
    assert_eq!((world.state(), world.uplink), (State::Active, Some(WIFI)));
    let lines = world.lines();
    let at = |what: &str| lines.find(what).unwrap_or_else(|| panic!("no {what} in\n{lines}"));
    let other_router = at("next-hop Some([02, 00, 00, 00, 03, 01])");
    assert!(at("send 143") < at("uplink Some(3)"), "the group is left while it can be\n{lines}");
    assert!(at("uplink Some(3)") < at("next-hop None") && at("next-hop None") < other_router, "{lines}");
    assert!(at("next-hop None") < at("activate"), "nothing goes to the router of the other link\n{lines}");
    // Back before the address there was given up: it has to be claimed again, as others may have it by now.
    world.trace.clear();
    world.metric(WIFI, 200);
    world.run(10_000);
    assert_eq!((world.state(), world.uplink), (State::Active, Some(ETH)));
    assert!(world.lines().contains("next-hop Some([02, 00, 00, 00, 01, 01])"), "{}", world.lines());
}

#[test]
fn raw_frames_leave_the_group_of_an_address_that_they_leave() {
    let mut world = active(frames(), ra_link());
    world.sent.clear();
    world.address(ETH, &format!("{P2}5"), Some(AddressState::Preferred));
    world.address(ETH, &format!("{P1}5"), Some(AddressState::Deprecated));
    world.run(10_000);
    assert!(world.clat_v6().unwrap().to_string().starts_with("2001:db8:1:2:"), "the scene shows nothing");
    assert_eq!(world.state(), State::Active);
    const TO_INCLUDE: u8 = 3;
    let left = |out: &clat_engine::Icmpv6Out| (out.message[0], out.message[8]) == (143, TO_INCLUDE);
    assert_eq!(world.sent.iter().filter(|(_, out)| left(out)).count(), 1, "{}", world.lines());
}

#[test]
fn raw_frames_are_spoken_on_nothing_without_an_uplink() {
    let mut world = active(frames(), ra_link());
    world.unplug(ETH);
    assert_eq!(world.uplink, None);
    world.plug(ETH, ra_link());
    world.run(10_000);
    assert_eq!((world.state(), world.uplink), (State::Active, Some(ETH)));
}

/// The card stays, the cable leads elsewhere: another router with the same address, another prefix, another PREF64.
#[test]
fn the_same_card_in_another_network_takes_what_that_network_says() {
    for config in [config(), frames()] {
        let mut link = ra_link();
        // Both of the old one, were it there, would be taken before those of the new one.
        (link.routers[0].pref64, link.routers[0].pio) = (vec![], Some(P1.parse().unwrap()));
        link.routers[0] = link.routers[0].clone().with_pref64("2001:db8:64::/96", 1800);
        let mut world = active(config, link);
        world.carrier(ETH, false);
        world.address(ETH, &format!("{P1}5"), None);
        world.run(5000);
        let there = world.links.get_mut(&ETH).unwrap();
        let mut router = Router::new("fe80::1").with_pref64("64:ff9b::/96", 1800);
        (router.mac, router.pio) = ([2, 0, 0, 0, 3, 1], Some(P2.parse().unwrap()));
        there.routers = vec![router];
        world.carrier(ETH, true);
        world.address(ETH, &format!("{P2}5"), Some(AddressState::Preferred));
        world.run(4000);
        let status = world.engine.status();
        assert_eq!(world.state(), State::Active, "{}", world.lines());
        assert_eq!(status.pref64.unwrap().prefix.to_string(), "64:ff9b::/96", "{}", world.lines());
        assert!(world.clat_v6().unwrap().to_string().starts_with("2001:db8:1:2:"), "{}", world.lines());
    }
}
