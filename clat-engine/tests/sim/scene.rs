//! The networks that most scenes begin with.

use super::net::{Router, SimLink};
use super::{World, config};
use clat_engine::{Config, ReturnPath, State};

pub(crate) const ETH: u32 = 2;
pub(crate) const WIFI: u32 = 3;
pub(crate) const P1: &str = "2001:db8:1:1::";
pub(crate) const P2: &str = "2001:db8:1:2::";

pub(crate) fn ra_link() -> SimLink {
    SimLink::new(&[P1], Router::new("fe80::1").with_pref64("64:ff9b::/96", 1800))
}

pub(crate) fn dns_link() -> SimLink {
    SimLink::new(&[P1], Router::new("fe80::1")).with_dns64(&["64:ff9b::/96"], 600)
}

pub(crate) fn active(config: Config, link: SimLink) -> World {
    let mut world = World::started(config);
    world.plug(ETH, link);
    world.run_until(State::Active, 10_000);
    world
}

pub(crate) fn frames() -> Config {
    let mut config = config();
    config.return_path = ReturnPath::Frames;
    config
}

pub(crate) fn announce() -> Config {
    let mut config = config();
    config.return_path = ReturnPath::Announce;
    config
}
