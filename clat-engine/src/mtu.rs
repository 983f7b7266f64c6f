//! What fits: the MTU of each side from that of the link and of the path.
//!
//! An IPv6 packet is 20 bytes longer than the IPv4 packet it was, and 8 more when it needs a Fragment
//! Header. The IPv4 side is offered 28 less, so that a fragment fits too.

use crate::Instant;
use clat_core::Pref64;
use core::net::Ipv6Addr;
use core::time::Duration;
use heapless::Vec;

/// The least IPv6 MTU in bytes (RFC 8200 section 5).
pub(crate) const V6_MIN: u32 = 1280;
/// What a packet grows by at most, in bytes.
pub(crate) const GROWTH: u32 = 28;
/// The least IPv4 MTU that an operator can ask for, in bytes (RFC 791: every host takes 576).
const V4_MIN: u32 = 576;
/// How long a learnt path MTU counts (RFC 8201 section 4).
const LEARNT_FOR: Duration = Duration::from_secs(600);

/// The MTU of the IPv4 side in bytes for an IPv6 MTU and the operator's limit.
pub(crate) fn v4_mtu(v6: u32, limit: Option<u32>) -> u32 {
    let derived = v6.max(V6_MIN) - GROWTH;
    limit.map_or(derived, |limit| derived.min(limit.max(V4_MIN)))
}

/// The TCP MSS that an IPv4 MTU allows, in bytes.
pub(crate) const fn mss(v4_mtu: u32) -> u32 {
    v4_mtu.saturating_sub(40)
}

#[derive(Clone, Copy, Debug)]
struct Learnt {
    destination: Ipv6Addr,
    mtu: u32,
    until: Instant,
}

/// Path MTUs that were learnt. One destination speaks for itself, and the IPv4 host hears of it by an
/// ICMPv4 error; two speak for the path to the PLAT that they share.
#[derive(Debug)]
pub(crate) struct PathMtus(Vec<Learnt, 8>);

impl PathMtus {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn learn(&mut self, now: Instant, destination: Ipv6Addr, mtu: u32) {
        let learnt = Learnt { destination, mtu: mtu.max(V6_MIN), until: now + LEARNT_FOR };
        if let Some(old) = self.0.iter_mut().find(|l| l.destination == destination) {
            *old = learnt;
            return;
        }
        if self.0.is_full() {
            self.0.remove(0);
        }
        self.0.push(learnt).ok();
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        self.0.retain(|l| l.until > now);
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.0.iter().map(|l| l.until).min()
    }

    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }

    /// The smallest MTU that at least two destinations under the PREF64 do not exceed.
    pub(crate) fn of_path(&self, pref64: Pref64) -> Option<u32> {
        let through = self.0.iter().filter(|l| pref64.contains(l.destination)).map(|l| l.mtu);
        let (_, second) = through.fold((None, None), |(least, second), mtu| match least {
            Some(least) if mtu >= least => (Some(least), Some(second.map_or(mtu, |s: u32| s.min(mtu)))),
            _ => (Some(mtu), least),
        });
        second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_side_is_28_less_and_never_below_1252() {
        assert_eq!(v4_mtu(1500, None), 1472);
        assert_eq!(v4_mtu(1280, None), 1252);
        assert_eq!(v4_mtu(0, None), 1252);
        assert_eq!(v4_mtu(1500, Some(1400)), 1400);
        assert_eq!(v4_mtu(1500, Some(9000)), 1472);
        assert_eq!(v4_mtu(1500, Some(0)), 576);
        assert_eq!(mss(1472), 1432);
    }

    #[test]
    fn two_destinations_speak_for_the_path_and_only_for_ten_minutes() {
        let mut mtus = PathMtus::new();
        let to = |last: u16| Pref64::WELL_KNOWN.embed([192, 0, 2, last.to_be_bytes()[1]].into());
        let start = Instant::from_millis(0);
        mtus.learn(start, to(1), 1300);
        assert_eq!(mtus.of_path(Pref64::WELL_KNOWN), None);
        mtus.learn(start, to(1), 1400);
        assert_eq!(mtus.of_path(Pref64::WELL_KNOWN), None, "the same destination again");
        mtus.learn(start, "2001:db8::1".parse().unwrap(), 1300);
        assert_eq!(mtus.of_path(Pref64::WELL_KNOWN), None, "not through the PLAT");
        mtus.learn(start, to(2), 600);
        assert_eq!(mtus.of_path(Pref64::WELL_KNOWN), Some(1400));
        mtus.expire(start + LEARNT_FOR);
        assert_eq!(mtus.of_path(Pref64::WELL_KNOWN), None);
    }
}
