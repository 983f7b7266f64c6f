//! The address among its neighbours, the router and the path: clashes, announcements, MTU, self-test.
//! A trace is one line an action, with the time in seconds; reviewed ones lie in `snapshots/`.

#![allow(clippy::unwrap_used, reason = "literals and bounds that the tests themselves set")]

mod sim;

use clat_engine::{Address6, AddressState, Icmpv6In, Input, Reason, State};
use sim::net::Router;
use sim::scene::{ETH, active, announce, frames, ra_link};
use sim::{World, assert_snapshot, config};

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

/// Another host says that it has our address.
fn contest(world: &mut World) {
    let addr = world.clat_v6().unwrap();
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(addr.octets());
    message.extend([2, 1, 2, 0, 0, 0, 2, 2]);
    let group = "ff02::1".parse().unwrap();
    sim::net::seal(addr, group, &mut message);
    world.icmpv6(ETH, addr, group, Some([2, 0, 0, 0, 2, 2]), &message);
}

#[test]
fn a_contested_address_is_defended_once_and_then_given_up() {
    for config in [config(), announce(), frames()] {
        let mut world = active(config, ra_link());
        world.run(5000);
        let addr = world.clat_v6().unwrap();
        world.sent.clear();
        contest(&mut world);
        assert!(world.sent.iter().any(|(_, o)| o.message[0] == 136 && o.message[4] == 0x20), "defended");
        world.run(11_000);
        contest(&mut world);
        world.run(5000);
        assert_eq!((world.state(), world.clat_v6()), (State::Active, Some(addr)), "a rare clash is no loss");
        contest(&mut world);
        world.run(5000);
        assert_eq!(world.state(), State::Active);
        assert_ne!(world.clat_v6(), Some(addr), "{}", world.lines());
    }
}

/// A router asks for the CLAT address; what is answered.
fn asked(world: &mut World, destination: &str) -> Vec<clat_engine::Icmpv6Out> {
    let (router, destination) = ("fe80::1".parse().unwrap(), destination.parse().unwrap());
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(world.clat_v6().unwrap().octets());
    message.extend([1, 1, 2, 0, 0, 0, 1, 1]);
    sim::net::seal(router, destination, &mut message);
    world.sent.clear();
    world.icmpv6(ETH, router, destination, None, &message);
    world.sent.drain(..).map(|(_, out)| out).filter(|out| out.message[0] == 136).collect()
}

#[test]
fn a_slow_proxy_is_answered_for_and_a_quick_one_is_not() {
    let mut world = active(config(), ra_link());
    world.run(5000);
    let addr = world.clat_v6().unwrap();
    let [.., a, b, c] = addr.octets();
    let group = format!("ff02::1:ff{a:02x}:{b:02x}{c:02x}");
    let answers = asked(&mut world, &group);
    assert_eq!(answers.len(), 1, "the kernel would wait for up to a second");
    assert_eq!((answers[0].message[4], answers[0].mac), (0x60, Some([2, 0, 0, 0, 1, 1])));
    assert!(asked(&mut world, &addr.to_string()).is_empty(), "the kernel answers at once");
    // The kernel has no address to answer from while its own are not known to be unique.
    let own = world.links[&ETH].addresses.clone();
    for (addr, _) in own {
        world.tell(Input::Address6(Address6 {
            ifindex: ETH,
            addr,
            prefix_len: 64,
            state: AddressState::Tentative,
            temporary: false,
        }));
    }
    for question in [group, addr.to_string()] {
        let answers = asked(&mut world, &question);
        assert_eq!(answers.len(), 1, "asked at {question}");
        assert_eq!((answers[0].source, answers[0].hop_limit), (addr, 255));
    }
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
fn raw_frames_answer_questions_for_listeners() {
    let mut world = active(frames(), ra_link());
    world.sent.clear();
    let mut query = vec![130, 0, 0, 0, 0, 100, 0, 0];
    query.extend([0; 20]);
    let (router, group) = ("fe80::1".parse().unwrap(), "ff02::1".parse().unwrap());
    sim::net::seal(router, group, &mut query);
    world.tell(Input::Icmpv6(Icmpv6In {
        ifindex: ETH,
        source: router,
        destination: group,
        hop_limit: 1,
        source_mac: Some([2, 0, 0, 0, 1, 1]),
        message: &query,
    }));
    let [(_, report)] = &world.sent[..] else { panic!("{:?}", world.sent) };
    assert_eq!((report.message[0], report.message[8]), (143, 2), "MODE_IS_EXCLUDE");
    world.sent.clear();
    world.tell(Input::Stop);
    world.run(100);
    assert!(world.sent.iter().any(|(_, o)| o.message[0] == 143 && o.message[8] == 3), "the group is left");
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
fn a_smaller_path_to_the_plat_shrinks_the_mtu_for_ten_minutes() {
    let mut world = active(config(), ra_link());
    for host in ["64:ff9b::c633:6401", "64:ff9b::c633:6402"] {
        assert_eq!(world.engine.status().v6_mtu, 1500);
        world.tell(Input::PathMtu { destination: host.parse().unwrap(), mtu: 1420 });
        world.run(100);
    }
    assert_eq!((world.engine.status().v6_mtu, world.engine.status().v4_mtu), (1420, 1392));
    world.run(600_000);
    assert_eq!(world.engine.status().v6_mtu, 1500);
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
