//! Which link is the uplink: the one of the best IPv6 default route, the lowest index among equals.
//!
//! A working uplink is left for a better one only after that has been better for a while; a lost one at
//! once. With an interface or a PREF64 given by hand, a default route is not needed. Raw frames need an Ethernet.

use crate::facts::Facts;
use crate::{Config, IfIndex, Instant, Link, LinkKind, ReturnPath, Uplink};
use core::time::Duration;

/// How long another link must be better.
const HYSTERESIS: Duration = Duration::from_secs(2);

/// The uplink and a better one that has to prove itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UplinkChooser {
    pub(crate) current: Option<IfIndex>,
    better: Option<(IfIndex, Instant)>,
}

impl UplinkChooser {
    pub(crate) const fn new() -> Self {
        Self { current: None, better: None }
    }

    /// Chooses anew. Returns whether the uplink changed.
    pub(crate) fn update(&mut self, now: Instant, facts: &Facts, config: &Config) -> bool {
        let best = best(facts, config);
        let Some(current) = self.current.filter(|c| qualifies(facts, config, *c)) else {
            return self.take(best);
        };
        match best {
            Some(best) if best != current => match self.better {
                Some((link, since)) if link == best => {
                    now.since(since) >= HYSTERESIS && self.take(Some(best))
                }
                _ => {
                    self.better = Some((best, now));
                    false
                }
            },
            _ => {
                self.better = None;
                false
            }
        }
    }

    fn take(&mut self, link: Option<IfIndex>) -> bool {
        let changed = self.current != link;
        *self = Self { current: link, better: None };
        changed
    }

    /// When the better link has proved itself.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.better.map(|(_, since)| since + HYSTERESIS)
    }
}

fn may_be_uplink(link: &Link, config: &Config) -> bool {
    let wanted = match config.uplink {
        Some(ifindex) => link.ifindex == ifindex,
        None if config.return_path == ReturnPath::Frames => {
            link.kind == LinkKind::Broadcast && link.mac.is_some()
        }
        None => matches!(link.kind, LinkKind::Broadcast | LinkKind::PointToPoint),
    };
    wanted && link.up && link.kind != LinkKind::Never
}

/// The smallest metric of a link's default routes.
fn metric(facts: &Facts, ifindex: IfIndex) -> Option<u32> {
    facts.defaults6.iter().filter(|r| r.ifindex == ifindex).map(|r| r.metric).min()
}

fn qualifies(facts: &Facts, config: &Config, ifindex: IfIndex) -> bool {
    let routed = metric(facts, ifindex).is_some();
    // Without a default route anywhere it is one as long as it would be chosen again.
    facts.link(ifindex).is_some_and(|l| may_be_uplink(&l, config))
        && (routed || best(facts, config) == Some(ifindex))
}

fn best(facts: &Facts, config: &Config) -> Option<IfIndex> {
    let eligible = || facts.links.iter().filter(|l| may_be_uplink(l, config));
    let routed = eligible().filter_map(|l| Some((metric(facts, l.ifindex)?, l.ifindex))).min();
    let by_hand = config.uplink.is_some() || config.pref64.is_some();
    let addressed = |l: &Link| {
        config.uplink.is_some()
            || facts.addresses6.iter().any(|a| a.ifindex == l.ifindex && !a.addr.is_unicast_link_local())
    };
    let unrouted = || eligible().filter(|l| by_hand && addressed(l)).map(|l| l.ifindex).min();
    routed.map(|(_, ifindex)| ifindex).or_else(unrouted)
}

/// What is shown of a link as the uplink.
pub(crate) fn show(facts: &Facts, ifindex: IfIndex) -> Uplink {
    Uplink {
        ifindex,
        router: facts.routers(ifindex).first().copied(),
        metric: metric(facts, ifindex).unwrap_or(0),
        mtu: facts.v6_mtu(ifindex),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DefaultRoute6;

    fn link(ifindex: IfIndex, kind: LinkKind) -> Link {
        Link { ifindex, up: true, mtu: 1500, kind, mac: None, network: 0 }
    }

    fn route(ifindex: IfIndex, metric: u32) -> DefaultRoute6 {
        DefaultRoute6 { ifindex, router: Some("fe80::1".parse().unwrap()), metric }
    }

    fn facts(links: &[Link], routes: &[DefaultRoute6]) -> Facts {
        let mut facts = Facts::new();
        links.iter().for_each(|l| facts.put_link(*l));
        routes.iter().for_each(|r| facts.put_default6(*r));
        facts
    }

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn best_metric_then_lowest_index_and_no_tunnels() {
        let config = Config::new([0; 16], 0);
        let two = [link(3, LinkKind::Broadcast), link(2, LinkKind::Broadcast), link(9, LinkKind::Tunnel)];
        assert_eq!(best(&facts(&two, &[route(3, 100), route(2, 100), route(9, 1)]), &config), Some(2));
        assert_eq!(best(&facts(&two, &[route(3, 50), route(2, 100)]), &config), Some(3));
        assert_eq!(best(&facts(&two, &[]), &config), None);
        let chosen = Config { uplink: Some(9), ..config };
        assert_eq!(best(&facts(&two, &[]), &chosen), Some(9), "by hand: any link that is up");
    }

    #[test]
    fn raw_frames_are_spoken_on_ethernet_only() {
        let ethernet = Link { mac: Some([2; 6]), ..link(3, LinkKind::Broadcast) };
        let links = [link(2, LinkKind::PointToPoint), link(4, LinkKind::Broadcast), ethernet];
        let facts = facts(&links, &[route(2, 1), route(3, 100), route(4, 2)]);
        let mut config = Config::new([0; 16], 0);
        assert_eq!(best(&facts, &config), Some(2));
        config.return_path = ReturnPath::Frames;
        assert_eq!(best(&facts, &config), Some(3));
    }

    #[test]
    fn a_better_link_has_to_prove_itself_and_a_lost_one_goes_at_once() {
        let config = Config::new([0; 16], 0);
        let links = [link(2, LinkKind::Broadcast), link(3, LinkKind::Broadcast)];
        let mut chooser = UplinkChooser::new();
        assert!(chooser.update(at(0), &facts(&links, &[route(3, 100)]), &config));
        let both = facts(&links, &[route(3, 100), route(2, 50)]);
        assert!(!chooser.update(at(10), &both, &config));
        assert_eq!(chooser.next_timer(), Some(at(2010)));
        assert!(!chooser.update(at(2000), &both, &config));
        assert!(chooser.update(at(2010), &both, &config));
        assert_eq!(chooser.current, Some(2));
        assert!(chooser.update(at(2011), &facts(&links, &[route(3, 100)]), &config));
        assert_eq!(chooser.current, Some(3));
    }
}
