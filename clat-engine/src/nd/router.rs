//! The link-layer address of the next hop where we speak Ethernet ourselves, and whether it still answers
//! (RFC 4861 sections 7.2 and 7.3, Appendix C).
//!
//! ```text
//! Incomplete --NA--> Reachable --30 s--> Stale --packet--> Delay --5 s--> Probe --3 s--> lost
//!      |  3 s                ^------------- NA with S -----------------------/
//!      v
//!     lost: another router is tried, this one later
//! ```
//!
//! Frames of the router from another card than the known one lead to Probe at once, and the group is asked first:
//! the entry of a router that was replaced would take 38 s to age. Packets that come back prove nothing of the way
//! there: answers to what an old router took may come through a new one.

use super::constants::{DELAY_FIRST_PROBE_TIME, MAX_SOLICIT, REACHABLE_TIME, RETRANS_TIMER};
use crate::{Instant, Mac};
use core::net::Ipv6Addr;

/// Reachability of the router (RFC 4861 section 7.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Incomplete { sent: u8, next: Instant },
    Reachable { until: Instant },
    Stale,
    Delay { until: Instant },
    Probe { sent: u8, next: Instant },
}

/// The next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextHop {
    pub(crate) router: Ipv6Addr,
    mac: Option<Mac>,
    reach: Reach,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A Neighbour Solicitation: to this link-layer address, or to the solicited-node group.
    Solicit(Option<Mac>),
    /// The router does not answer.
    Lost,
}

impl NextHop {
    /// A router whose link-layer address is to be found.
    pub(crate) fn new(now: Instant, router: Ipv6Addr) -> Self {
        Self { router, mac: None, reach: Reach::Incomplete { sent: 0, next: now } }
    }

    /// Where packets go, once it is known.
    pub(crate) const fn mac(&self) -> Option<Mac> {
        self.mac
    }

    /// A Router Advertisement or a Neighbour Solicitation of the router told its link-layer address
    /// (RFC 4861 sections 6.3.4 and 7.2.3): known, and not yet proved.
    pub(crate) fn told(&mut self, mac: Mac) {
        if self.mac != Some(mac) {
            self.mac = Some(mac);
            self.reach = Reach::Stale;
        }
    }

    /// A frame of the router came from this card. The address is not taken from it, but doubted.
    pub(crate) fn seen(&mut self, now: Instant, mac: Mac) {
        let asking = matches!(self.reach, Reach::Incomplete { .. } | Reach::Probe { .. });
        if self.mac.is_some_and(|known| known != mac) && !asking {
            self.reach = Reach::Probe { sent: 0, next: now };
        }
    }

    /// A Neighbour Advertisement of the router (RFC 4861 section 7.2.5).
    pub(crate) fn advertised(&mut self, now: Instant, mac: Option<Mac>, solicited: bool, overrides: bool) {
        let changes = mac.is_some() && mac != self.mac;
        if self.mac.is_none() && mac.is_none() {
            return;
        }
        if changes && self.mac.is_some() && !overrides {
            if matches!(self.reach, Reach::Reachable { .. }) {
                self.reach = Reach::Stale;
            }
            return;
        }
        self.mac = mac.or(self.mac);
        if solicited {
            self.confirmed(now);
        } else if changes {
            self.reach = Reach::Stale;
        }
    }

    /// It has what is sent to it (RFC 4861 section 7.3.1).
    fn confirmed(&mut self, now: Instant) {
        if self.mac.is_some() {
            self.reach = Reach::Reachable { until: now + REACHABLE_TIME };
        }
    }

    /// Packets are sent through it.
    pub(crate) fn used(&mut self, now: Instant) {
        if self.reach == Reach::Stale {
            self.reach = Reach::Delay { until: now + DELAY_FIRST_PROBE_TIME };
        }
    }

    pub(crate) const fn next_timer(&self) -> Option<Instant> {
        match self.reach {
            Reach::Incomplete { next, .. } | Reach::Probe { next, .. } => Some(next),
            Reach::Reachable { until } | Reach::Delay { until } => Some(until),
            Reach::Stale => None,
        }
    }

    /// What to do at `now`; call until `None`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Due> {
        if self.next_timer().is_none_or(|at| at > now) {
            return None;
        }
        let next = now + RETRANS_TIMER;
        match self.reach {
            Reach::Incomplete { sent: MAX_SOLICIT.., .. } | Reach::Probe { sent: MAX_SOLICIT.., .. } => {
                *self = Self::new(next, self.router);
                Some(Due::Lost)
            }
            Reach::Incomplete { sent, .. } => {
                self.reach = Reach::Incomplete { sent: sent + 1, next };
                Some(Due::Solicit(None))
            }
            Reach::Probe { sent, .. } => {
                self.reach = Reach::Probe { sent: sent + 1, next };
                Some(Due::Solicit(self.mac.filter(|_| sent > 0)))
            }
            Reach::Reachable { .. } => {
                self.reach = Reach::Stale;
                None
            }
            Reach::Delay { .. } => {
                self.reach = Reach::Probe { sent: 1, next };
                Some(Due::Solicit(self.mac))
            }
            Reach::Stale => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 1];
    const OTHER: Mac = [2, 0, 0, 0, 0, 2];

    fn at(s: u64) -> Instant {
        Instant::from_millis(s * 1000)
    }

    fn next_hop() -> NextHop {
        NextHop::new(at(0), "fe80::1".parse().unwrap())
    }

    #[test]
    fn rfc4861_section_7_2_2_three_questions_and_then_lost() {
        let mut hop = next_hop();
        let due: std::vec::Vec<_> = (0..4).map(|s| hop.poll(at(s))).collect();
        let ask = Some(Due::Solicit(None));
        assert_eq!(due, [ask, ask, ask, Some(Due::Lost)]);
    }

    #[test]
    fn rfc4861_section_7_3_3_probed_only_when_used_and_stale() {
        let mut hop = next_hop();
        assert_eq!(hop.poll(at(0)), Some(Due::Solicit(None)));
        hop.advertised(at(0), Some(MAC), true, true);
        assert_eq!((hop.mac(), hop.poll(at(29))), (Some(MAC), None));
        assert_eq!(hop.poll(at(30)), None);
        assert_eq!(hop.next_timer(), None, "stale and idle: nothing is asked");
        hop.used(at(100));
        assert_eq!(hop.poll(at(104)), None);
        assert_eq!(hop.poll(at(105)), Some(Due::Solicit(Some(MAC))));
        hop.advertised(at(105), None, true, false);
        assert_eq!(hop.poll(at(106)), None);
        hop.poll(at(135));
        hop.used(at(140));
        let due: std::vec::Vec<_> = (145..149).map(|s| hop.poll(at(s))).collect();
        let probe = Some(Due::Solicit(Some(MAC)));
        assert_eq!(due, [probe, probe, probe, Some(Due::Lost)]);
        assert_eq!(hop.mac(), None);
    }

    #[test]
    fn a_frame_from_another_card_is_doubt_and_the_group_is_asked_at_once() {
        let mut hop = next_hop();
        hop.poll(at(0));
        hop.advertised(at(0), Some(MAC), true, true);
        hop.seen(at(1), MAC);
        assert_eq!(hop.poll(at(1)), None, "no doubt");
        hop.seen(at(2), OTHER);
        assert_eq!((hop.mac(), hop.poll(at(2))), (Some(MAC), Some(Due::Solicit(None))));
        hop.seen(at(2), OTHER);
        assert_eq!(hop.poll(at(2)), None, "asked already");
        assert_eq!(hop.poll(at(3)), Some(Due::Solicit(Some(MAC))));
        hop.advertised(at(3), Some(OTHER), true, true);
        assert_eq!((hop.mac(), hop.poll(at(4))), (Some(OTHER), None));
    }

    #[test]
    fn rfc4861_section_7_2_5_without_override_another_address_is_only_doubt() {
        let mut hop = next_hop();
        hop.told(MAC);
        hop.advertised(at(0), Some(MAC), true, false);
        hop.advertised(at(1), Some(OTHER), true, false);
        assert_eq!((hop.mac(), hop.next_timer()), (Some(MAC), None));
        hop.advertised(at(2), Some(OTHER), false, true);
        assert_eq!(hop.mac(), Some(OTHER));
    }
}
