//! What holds whatever happens: no step of the plan is left behind, there are never two CLATs, the state
//! is never left with its route in force ([`sim::host`] checks that at every action), and when the trouble
//! is over it works again by itself.

#![allow(clippy::unwrap_used, reason = "literals that the tests themselves set")]

mod sim;

use clat_engine::{AddressState, Config, Input, OtherClat, ReturnPath, State, StepErrorKind};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sim::net::{Router, SimLink};
use sim::{World, config};

const LINKS: [u32; 2] = [2, 3];

/// Trouble.
#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Jump(u64),
    Carrier(usize, bool),
    Unplug(usize),
    Plug(usize),
    Native(usize, bool),
    Other(usize, bool),
    Pref64(usize, usize, u16),
    Dns(usize, bool),
    Address(usize, usize, Option<bool>),
    Metric(usize, u32),
    Mtu(usize, u32),
    Taken,
    Faults(Vec<u8>),
    StepTime(u64),
    Suspend,
    Resume,
    Resync,
    DeviceLost,
    Reconfigure(u8),
    Flood(u16),
    Noise(Vec<u8>),
}

const PREFIXES: [&str; 3] = ["64:ff9b::/96", "2001:db8:64::/96", "fd00:64::/48"];
const ADDRESSES: [&str; 3] = ["2001:db8:1:1::5", "2001:db8:1:2::5", "fd00:1::5"];

fn op() -> impl Strategy<Value = Op> {
    let link = 0..LINKS.len();
    prop_oneof![
        8 => (0u64..5000).prop_map(Op::Wait),
        1 => (0u64..2_000_000).prop_map(Op::Jump),
        3 => (link.clone(), any::<bool>()).prop_map(|(l, up)| Op::Carrier(l, up)),
        1 => link.clone().prop_map(Op::Unplug),
        2 => link.clone().prop_map(Op::Plug),
        2 => (link.clone(), any::<bool>()).prop_map(|(l, on)| Op::Native(l, on)),
        1 => (link.clone(), any::<bool>()).prop_map(|(l, on)| Op::Other(l, on)),
        3 => (link.clone(), 0..PREFIXES.len(), prop::sample::select(vec![0u16, 8, 64, 1800, 65_535]))
            .prop_map(|(l, p, s)| Op::Pref64(l, p, s)),
        1 => (link.clone(), any::<bool>()).prop_map(|(l, on)| Op::Dns(l, on)),
        2 => (link.clone(), 0..ADDRESSES.len(), any::<Option<bool>>()).prop_map(|(l, a, s)| Op::Address(l, a, s)),
        1 => (link.clone(), 0u32..5).prop_map(|(l, m)| Op::Metric(l, m)),
        1 => (link, prop::sample::select(vec![0u32, 1280, 1400, 9000, 65_535])).prop_map(|(l, m)| Op::Mtu(l, m)),
        1 => Just(Op::Taken),
        2 => prop::collection::vec(0u8..8, 0..12).prop_map(Op::Faults),
        1 => (0u64..300).prop_map(Op::StepTime),
        1 => Just(Op::Suspend),
        2 => Just(Op::Resume),
        1 => Just(Op::Resync),
        1 => Just(Op::DeviceLost),
        1 => any::<u8>().prop_map(Op::Reconfigure),
        1 => (0u16..300).prop_map(Op::Flood),
        1 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Op::Noise),
    ]
}

fn link(index: usize) -> SimLink {
    let mut router = Router::new("fe80::1").with_pref64(PREFIXES[index], 1800);
    router.pio = (index == 0).then(|| "2001:db8:1:1::".parse().unwrap());
    let mut link = SimLink::new(&["2001:db8:1:1::"], router).with_dns64(&["64:ff9b::/96"], 60);
    link.routers[0].metric = 100 + index as u32;
    link
}

fn variant(bits: u8) -> Config {
    let mut config = config();
    config.return_path = [ReturnPath::Proxy, ReturnPath::Announce, ReturnPath::Frames][usize::from(bits % 3)];
    config.force = bits & 0x10 != 0;
    config.pref64 = (bits & 0x60 == 0x60).then(|| "2001:db8:64::/96".parse().unwrap());
    config.clat_v4 = (bits & 0x80 != 0).then(|| "192.0.0.4".parse().unwrap());
    config
}

fn faults(numbers: &[u8]) -> Vec<Option<StepErrorKind>> {
    let fault = |n: &u8| match n {
        0 => Some(StepErrorKind::Conflict),
        1 => Some(StepErrorKind::Unsupported),
        2 => Some(StepErrorKind::Denied),
        3 | 4 => Some(StepErrorKind::Transient),
        _ => None,
    };
    numbers.iter().map(fault).collect()
}

fn strike(world: &mut World, op: Op) {
    match op {
        Op::Wait(ms) => world.run(ms),
        Op::Jump(ms) => world.jump(ms),
        Op::Carrier(l, up) => world.carrier(LINKS[l], up),
        Op::Unplug(l) => world.unplug(LINKS[l]),
        Op::Plug(l) => {
            world.unplug(LINKS[l]);
            world.plug(LINKS[l], link(l));
        }
        Op::Native(l, on) => world.native_v4(LINKS[l], on),
        Op::Other(l, on) => {
            world.tell(Input::OtherClat { ifindex: LINKS[l], other: on.then_some(OtherClat::Networkd) });
        }
        Op::Pref64(l, p, lifetime) => world.announce_pref64(LINKS[l], &[(PREFIXES[p], lifetime)]),
        Op::Dns(l, on) => {
            if let Some(link) = world.links.get_mut(&LINKS[l]) {
                link.dns64 = on.then(Vec::new);
            }
        }
        Op::Address(l, a, state) => {
            let state = state.map(|p| if p { AddressState::Preferred } else { AddressState::Deprecated });
            world.address(LINKS[l], ADDRESSES[a], state);
        }
        Op::Metric(l, metric) => world.metric(LINKS[l], metric),
        Op::Mtu(l, mtu) => world.mtu(LINKS[l], mtu),
        Op::Taken => {
            if let Some(addr) = world.clat_v6() {
                for link in world.links.values_mut() {
                    link.taken.insert(addr);
                }
            }
        }
        Op::Faults(numbers) => world.faults = faults(&numbers),
        Op::StepTime(ms) => world.step_time = ms,
        Op::Suspend => world.tell(Input::Suspend),
        Op::Resume => {
            world.tell(Input::Resume);
            world.resync();
        }
        Op::Resync => world.resync(),
        Op::DeviceLost => world.tell(Input::DeviceLost),
        Op::Reconfigure(bits) => world.reconfigure(variant(bits)),
        Op::Flood(n) => flood(world, n),
        Op::Noise(bytes) => noise(world, &bytes),
    }
}

/// Advertisements of routers that nobody knows.
fn flood(world: &mut World, n: u16) {
    for i in 0..n {
        let mut router = Router::new("fe80::bad").with_pref64("2001:db8:bad::/96", 65_535);
        router.addr = format!("fe80::bad:{i:x}").parse().unwrap();
        world.advertise(LINKS[0], &router);
    }
}

/// Bytes that are hardly a message.
fn noise(world: &mut World, bytes: &[u8]) {
    let (source, group) = ("fe80::1".parse().unwrap(), "ff02::1".parse().unwrap());
    world.icmpv6(LINKS[0], source, group, None, bytes);
    let mut sealed = bytes.to_vec();
    if let [kind, _, _, _, ..] = sealed.as_mut_slice() {
        *kind = 133 + *kind % 4;
        sim::net::seal(source, group, &mut sealed);
    }
    world.icmpv6(LINKS[0], source, group, Some([2, 0, 0, 0, 1, 1]), &sealed);
    world.tell(Input::DnsReply { server: "2001:db8:1:1::53".parse().unwrap(), message: bytes });
    world.tell(Input::Pref64Option { ifindex: LINKS[0], router: source, option: bytes });
}

/// The trouble is over: one good link, nothing in the way.
fn mend(world: &mut World) {
    world.faults.clear();
    world.step_time = 0;
    for ifindex in LINKS {
        world.unplug(ifindex);
        world.tell(Input::OtherClat { ifindex, other: None });
    }
    world.reconfigure(config());
    world.tell(Input::Resume);
    world.resync();
    world.plug(LINKS[0], link(0));
}

fn laws() -> ProptestConfig {
    let file = FileFailurePersistence::Direct("tests/laws.proptest-regressions");
    ProptestConfig { cases: 200, failure_persistence: Some(Box::new(file)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn no_step_is_left_behind_and_it_recovers(bits: u8, ops in prop::collection::vec(op(), 0..60)) {
        let mut world = World::started(variant(bits));
        world.plug(LINKS[0], link(0));
        for op in ops {
            strike(&mut world, op);
        }
        mend(&mut world);
        // What was in hand when the trouble ended is finished first.
        world.run(10_000);
        world.run_until(State::Active, 60_000);
        prop_assert!(world.host.has_default_route());
        world.tell(Input::Stop);
        world.run(10_000);
        prop_assert!(world.finished);
    }

    #[test]
    fn stop_ends_it_at_any_moment(bits: u8, ops in prop::collection::vec(op(), 0..30), wait in 0u64..3000) {
        let mut world = World::started(variant(bits));
        world.plug(LINKS[0], link(0));
        for op in ops {
            strike(&mut world, op);
        }
        world.run(wait);
        world.tell(Input::Stop);
        world.run(30_000);
        prop_assert!(world.finished, "{}", world.lines());
    }
}
