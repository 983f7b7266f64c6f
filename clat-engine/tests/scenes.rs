//! What happens on a network, as traces. A trace is one line an action, with the time in seconds; the
//! reviewed traces lie in `snapshots/`.

mod sim;

use clat_engine::{AddressState, ClatV6, Config, Input, OtherClat, Reason, ReturnPath, State, StepErrorKind};
use sim::net::{Router, SimLink};
use sim::{World, assert_snapshot, config};

const ETH: u32 = 2;
const WIFI: u32 = 3;
const P1: &str = "2001:db8:1:1::";
const P2: &str = "2001:db8:1:2::";

fn ra_link() -> SimLink {
    SimLink::new(&[P1], Router::new("fe80::1").with_pref64("64:ff9b::/96", 1800))
}

fn dns_link() -> SimLink {
    SimLink::new(&[P1], Router::new("fe80::1")).with_dns64(&["64:ff9b::/96"], 600)
}

fn active(config: Config, link: SimLink) -> World {
    let mut world = World::started(config);
    world.plug(ETH, link);
    world.run_until(State::Active, 10_000);
    world
}

fn frames() -> Config {
    let mut config = config();
    config.return_path = ReturnPath::Frames;
    config
}

fn announce() -> Config {
    let mut config = config();
    config.return_path = ReturnPath::Announce;
    config
}

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
fn a_clash_takes_the_next_candidate_and_keeps_it() {
    let first = active(config(), ra_link()).clat_v6().unwrap();
    let mut link = ra_link();
    link.taken.insert(first);
    for config in [config(), announce(), frames()] {
        let mut world = active(config, link.clone());
        let second = world.clat_v6().unwrap();
        assert_ne!(first, second);
        world.carrier(ETH, false);
        world.run(1000);
        world.carrier(ETH, true);
        world.run_until(State::Active, 10_000);
        assert_eq!(world.clat_v6(), Some(second));
    }
}

#[test]
fn every_candidate_taken_is_said_and_tried_again_later() {
    let mut link = ra_link();
    for _ in 0..4 {
        let next = active(config(), link.clone()).clat_v6().unwrap();
        link.taken.insert(next);
    }
    let mut world = World::started(config());
    world.plug(ETH, link);
    world.run(8000);
    let status = world.engine.status();
    assert_eq!((status.state, status.reason), (State::Discovering, Reason::DadExhausted));
    assert_eq!(status.self_test.unwrap().failed.unwrap().as_str(), "dad-clash");
    assert!(world.host.in_force.is_empty());
    world.links.get_mut(&ETH).unwrap().taken.clear();
    world.run_until(State::Active, 20_000);
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
fn a_manual_prefix_beats_all_and_asks_nobody() {
    let mut manual = config();
    manual.pref64 = Some("2001:db8:64::/96".parse().unwrap());
    let world = active(manual, dns_link());
    assert_eq!(world.engine.status().pref64.unwrap().source.as_str(), "manual");
    assert!(world.queries.is_empty());
}

#[test]
fn mtu_follows_the_uplink_and_the_router() {
    let mut world = active(config(), ra_link());
    world.run(2000);
    world.trace.clear();
    world.mtu(ETH, 1400);
    world.run(100);
    let status = world.engine.status();
    assert_eq!((status.state, status.v6_mtu, status.v4_mtu), (State::Active, 1400, 1372));
    assert_snapshot("mtu_changes", &world.lines());
    world.links.get_mut(&ETH).unwrap().routers[0].mtu = Some(1300);
    world.announce_pref64(ETH, &[("64:ff9b::/96", 1800)]);
    world.run(100);
    assert_eq!(world.engine.status().v4_mtu, 1272);
    world.mtu(ETH, 1000);
    world.run(100);
    assert_eq!(world.engine.status().v4_mtu, 1252);
}

#[test]
fn the_self_test_names_the_leg_and_repeats() {
    let mut link = ra_link();
    link.nat64 = false;
    let mut world = active(config(), link);
    world.run(30_000);
    assert_eq!(world.engine.status().self_test.unwrap().failed.unwrap().as_str(), "nat64-silent");
    world.links.get_mut(&ETH).unwrap().nat64 = true;
    world.run(60_000);
    assert_eq!(world.engine.status().self_test.unwrap().failed, None);
    world.links.get_mut(&ETH).unwrap().path = 1300;
    world.run(700_000);
    assert_eq!(world.engine.status().self_test.unwrap().failed.unwrap().as_str(), "mtu-black-hole");
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
fn the_ipv4_address_of_another_interface_is_left_alone() {
    let mut world = World::started(config());
    let mut vpn = SimLink::new(&[], Router::new("fe80::7"));
    (vpn.kind, vpn.routers) = (clat_engine::LinkKind::Tunnel, Vec::new());
    world.plug(9, vpn);
    world.tell(Input::Address4 { ifindex: 9, addr: "192.0.0.1".parse().unwrap() });
    world.plug(ETH, ra_link());
    world.run_until(State::Active, 5000);
    assert_eq!(world.clat_v4(), Some("192.0.0.2".parse().unwrap()));
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
fn the_router_of_raw_frames_is_replaced_when_it_does_not_answer() {
    let mut link = ra_link();
    link.routers.push(Router::new("fe80::2"));
    link.routers[1].metric = 200;
    let mut world = active(frames(), link);
    world.trace.clear();
    world.links.get_mut(&ETH).unwrap().routers[0].alive = false;
    world.run(60_000);
    assert!(world.lines().contains("next-hop Some([02, 00, 00, 00, 01, 02])"), "{}", world.lines());
}

#[test]
fn keep_alive_reaches_the_router_every_five_seconds() {
    let mut world = active(announce(), ra_link());
    world.sent.clear();
    world.run(60_000);
    let alive = |m: &[u8]| m[0] == 136 && m[4] == 0x60;
    let times: Vec<u64> = world.sent.iter().filter(|(_, o)| alive(&o.message)).map(|(t, _)| *t).collect();
    assert_eq!(times.len(), 12);
    assert!(times.windows(2).all(|w| w[1] - w[0] == 5000), "{times:?}");
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
