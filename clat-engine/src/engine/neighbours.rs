//! Neighbour Discovery for the CLAT address: answering, announcing, defending, and the next hop of raw
//! frames. The messages and rules are in [`crate::nd`].

use super::{Engine, Held, Phase, Stage};
use crate::nd::announcer;
use crate::nd::messages::{self, ALL_NODES, Membership, Route, flag};
use crate::nd::responder::{Advertisement, Owned, Solicitation};
use crate::nd::router::{self, NextHop};
use crate::selftest::Subject;
use crate::wire::icmp6::{checksum_is_valid, kind, solicited_node};
use crate::{
    Action, DadOutcome, Icmpv6In, Icmpv6Out, IfIndex, Mac, Probe, ProbeAnswer, ReturnPath, Returned,
    SelfTest, Warning,
};
use clat_core::Policy;
use core::net::Ipv6Addr;
use core::time::Duration;

/// How long a contested address is defended before it is given up (RFC 5227 section 2.4 in spirit).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// How long a router that did not answer is passed over.
const PASS_OVER: Duration = Duration::from_secs(30);

impl Engine {
    pub(super) fn icmpv6(&mut self, received: &Icmpv6In<'_>) {
        match received.message.first() {
            Some(&kind::ROUTER_ADVERTISEMENT) => self.router_advert(received),
            Some(&kind::NEIGHBOUR_SOLICITATION) => self.solicited(received),
            Some(&kind::NEIGHBOUR_ADVERTISEMENT) => self.advertised(received),
            Some(&kind::ECHO_REPLY) => self.greeted(received),
            Some(&kind::MLD_QUERY) => self.listener_queried(received),
            _ => {}
        }
    }

    /// Whether the claimed address is ours for good.
    fn owns(&self) -> bool {
        matches!(self.phase, Phase::Claiming(Stage::SetUp) | Phase::Active | Phase::Stale(_))
    }

    pub(super) fn speaks_frames(&self) -> bool {
        self.config.return_path == ReturnPath::Frames
    }

    fn mac(&self, ifindex: IfIndex) -> Option<Mac> {
        self.facts.link(ifindex).and_then(|l| l.mac)
    }

    /// The address that we answer for.
    fn owned(&self, ifindex: IfIndex) -> Option<Owned> {
        let held = self.held.filter(|h| h.uplink == ifindex && self.must_be_found(h))?;
        let mac = self.mac(ifindex).filter(|_| self.owns())?;
        Some(Owned { addr: held.clat_v6, speaker: self.speaker(&held), mac })
    }

    /// Whether an operating system that answers for the address would keep silent or wait. A question to
    /// the group it answers up to a second later (RFC 4861 section 7.2.8), and none while its own
    /// link-local address is not known to be unique: it has no source then, and the router asks once a second.
    fn system_is_slow(&self, received: &Icmpv6In<'_>) -> bool {
        received.destination.is_multicast() || self.facts.link_local(received.ifindex).is_none()
    }

    /// From which address we advertise: as the CLAT where we may, else as the uplink.
    fn speaker(&self, held: &Held) -> Ipv6Addr {
        let own = if self.speaks_frames() { None } else { self.facts.speaker(held.uplink, held.clat_v6) };
        own.unwrap_or(held.clat_v6)
    }

    fn solicited(&mut self, received: &Icmpv6In<'_>) {
        let Some(solicitation) = Solicitation::parse(received) else { return };
        match solicitation.source_mac {
            Some(mac) => self.router_told(received.ifindex, solicitation.source, mac),
            None => self.router_seen(received.ifindex, solicitation.source, received.source_mac),
        }
        if let Some(owned) = self.owned(received.ifindex) {
            let ours = self.config.return_path != ReturnPath::Proxy || self.system_is_slow(received);
            if let Some(answer) = solicitation.answer(received, &owned).filter(|_| ours) {
                self.outbox.send(Action::SendIcmpv6(answer));
            }
            return;
        }
        // Somebody else claims the same address at the same time (RFC 4862 section 5.4.3).
        let own_mac = self.mac(received.ifindex);
        let own = received.source_mac.is_some() && received.source_mac == own_mac;
        if solicitation.is_probe() && !own && self.detects_itself(received.ifindex, solicitation.target) {
            self.dad = Some(DadOutcome::Duplicate);
        }
    }

    /// Whether we are detecting duplicates of the address ourselves.
    fn detects_itself(&self, ifindex: IfIndex, addr: Ipv6Addr) -> bool {
        let ours = self.held.is_some_and(|h| (h.uplink, h.clat_v6) == (ifindex, addr));
        ours && self.speaks_frames() && matches!(self.phase, Phase::Claiming(Stage::Detect(_)))
    }

    fn advertised(&mut self, received: &Icmpv6In<'_>) {
        let Some(advertisement) = Advertisement::parse(received) else { return };
        let now = self.now;
        if let Some(hop) = self.next_hop(received.ifindex, advertisement.target) {
            let mac = advertisement.target_mac.or(received.source_mac);
            hop.advertised(now, mac, advertisement.solicited, advertisement.overrides);
        }
        let Some(held) = self.held.filter(|h| h.uplink == received.ifindex) else { return };
        if !advertisement.contests(received, held.clat_v6, self.mac(held.uplink)) {
            return;
        }
        if self.detects_itself(held.uplink, held.clat_v6) {
            self.dad = Some(DadOutcome::Duplicate);
        } else if self.owns() {
            self.contested();
        }
    }

    /// Another host says that it has our address: it is defended once, and given up the second time.
    fn contested(&mut self) {
        let again = self.contested.is_some_and(|at| self.now.since(at) < DEFEND_INTERVAL);
        self.contested = Some(self.now);
        self.outbox.warn(Warning::AddressConflict);
        let Some(held) = self.held else { return };
        if again {
            self.settled_on = Some((held.source.prefix, (held.attempt + 1) % crate::address::CANDIDATES));
            if let Some(held) = &mut self.held {
                held.proven = false;
            }
        } else {
            self.announce(&held, announcer::Due::News);
        }
    }

    /// An answer to the greeting: the router knows the address.
    fn greeted(&mut self, received: &Icmpv6In<'_>) {
        let ours = self.held.is_some_and(|h| h.clat_v6 == received.destination);
        if let Phase::Claiming(Stage::Greet(_)) = self.phase
            && ours
        {
            self.phase = Phase::Claiming(Stage::Greet(self.now));
        }
    }

    /// Echo requests from the claimed address, while the operating system answers for it: so each router
    /// asks for the address and makes its entry.
    pub(super) fn greet_routers(&mut self) {
        let Some(held) = self.held else { return };
        let id = self.draw16();
        for router in self.facts.routers(held.uplink) {
            let route = Route { ifindex: held.uplink, source: held.clat_v6, destination: router, mac: None };
            self.outbox.send(Action::SendIcmpv6(messages::echo_request(route, id, 1)));
        }
    }

    /// Questions for the routers, asked as the CLAT. Each router notes our link-layer address with the question
    /// (RFC 4861 section 7.2.3) and need not ask for it. The answers tell the operating system theirs where
    /// advertisements did not, and where it cannot ask yet since its own addresses are not known to be unique.
    fn introduce(&mut self, held: &Held) {
        for router in self.facts.routers(held.uplink) {
            let destination = solicited_node(router);
            let route = Route { ifindex: held.uplink, source: held.clat_v6, destination, mac: None };
            let question = messages::solicitation(route, router, self.mac(held.uplink));
            self.outbox.send(Action::SendIcmpv6(question));
        }
    }

    /// Duplicate address detection by ourselves: the group is joined, then its members are asked
    /// (RFC 4862 section 5.4.2).
    pub(super) fn ask_whether_taken(&mut self, held: &Held) {
        let group = solicited_node(held.clat_v6);
        self.report_membership(held, Membership::ToExclude);
        let route =
            Route { ifindex: held.uplink, source: Ipv6Addr::UNSPECIFIED, destination: group, mac: None };
        self.outbox.send(Action::SendIcmpv6(messages::solicitation(route, held.clat_v6, None)));
    }

    /// Nobody need send us what is for the address (RFC 3810 section 6.1).
    pub(super) fn leave_group(&mut self) {
        if let Some(held) = self.held.filter(|h| self.speaks_frames() && self.must_be_found(h)) {
            self.report_membership(&held, Membership::ToInclude);
        }
    }

    fn report_membership(&mut self, held: &Held, membership: Membership) {
        let source = self.facts.link_local(held.uplink).unwrap_or(Ipv6Addr::UNSPECIFIED);
        let group = solicited_node(held.clat_v6);
        self.outbox.send(Action::SendIcmpv6(messages::mld2_report(held.uplink, source, group, membership)));
    }

    fn listener_queried(&mut self, received: &Icmpv6In<'_>) {
        let held = self.held.filter(|h| h.uplink == received.ifindex && self.must_be_found(h));
        // RFC 3810 section 5.1.14.
        let valid = received.source.is_unicast_link_local()
            && received.hop_limit == 1
            && checksum_is_valid(received.source, received.destination, received.message);
        if let Some(held) = held.filter(|_| valid && self.speaks_frames()) {
            self.report_membership(&held, Membership::IsExclude);
        }
    }

    /// The address is ours: neighbours hear of it.
    pub(super) fn start_announcing(&mut self) {
        let Some(held) = self.held.filter(|h| self.must_be_found(h)) else { return };
        let keep_alive = self.config.return_path == ReturnPath::Announce;
        self.announcer.start(self.now, keep_alive);
        self.contested = None;
        if self.config.return_path == ReturnPath::Proxy {
            self.introduce(&held);
        }
    }

    fn announce(&mut self, held: &Held, due: announcer::Due) {
        let Some(mac) = self.mac(held.uplink) else { return };
        let source = self.speaker(held);
        let to = |destination| Route { ifindex: held.uplink, source, destination, mac: None };
        let (ifindex, addr) = (held.uplink, held.clat_v6);
        match due {
            announcer::Due::News => {
                let news = messages::advertisement(to(ALL_NODES), addr, flag::OVERRIDE, Some(mac));
                self.outbox.send(Action::SendIcmpv6(news));
            }
            announcer::Due::KeepAlive => {
                for router in self.facts.routers(ifindex) {
                    let flags = flag::SOLICITED | flag::OVERRIDE;
                    let news = messages::advertisement(to(router), addr, flags, Some(mac));
                    self.outbox.send(Action::SendIcmpv6(news));
                }
            }
        }
    }

    /// The next hop, where it is this router.
    fn next_hop(&mut self, ifindex: IfIndex, router: Ipv6Addr) -> Option<&mut NextHop> {
        let here = self.uplinks.current == Some(ifindex);
        self.next_hop.as_mut().filter(|hop| here && hop.router == router)
    }

    /// Raw frames go by another link from now on, or by none. A router there may have the same address.
    pub(super) fn change_link(&mut self) {
        if !self.speaks_frames() {
            return;
        }
        let uplink = self.uplinks.current;
        if self.held.is_some_and(|held| Some(held.uplink) != uplink) {
            self.leave_group();
        }
        // Back on that link, it has to be claimed again.
        if let Some(held) = self.held.as_mut().filter(|held| Some(held.uplink) != uplink) {
            held.proven = false;
        }
        (self.next_hop, self.lost_router) = (None, None);
        self.outbox.push(Action::Uplink(uplink));
    }

    /// A router told its link-layer address.
    pub(super) fn router_told(&mut self, ifindex: IfIndex, router: Ipv6Addr, mac: Mac) {
        if let Some(hop) = self.next_hop(ifindex, router) {
            hop.told(mac);
        }
    }

    /// A frame of a router came from this card, where that is known.
    pub(super) fn router_seen(&mut self, ifindex: IfIndex, router: Ipv6Addr, mac: Option<Mac>) {
        let now = self.now;
        if let (Some(hop), Some(mac)) = (self.next_hop(ifindex, router), mac) {
            hop.seen(now, mac);
        }
    }

    /// Sends what is due, and takes what follows from the time alone.
    pub(super) fn serve_timers(&mut self) {
        self.serve_discovery();
        while let (Some(held), Some(due)) = (self.held, self.announcer.poll(self.now)) {
            self.announce(&held, due);
        }
        self.serve_next_hop();
        let Some(held) = self.held else { return };
        let subject = self.subject(&held);
        let due = self.tester.poll(self.now, &subject);
        self.tested(due);
    }

    /// The next hop of raw frames: the best router that answers.
    fn serve_next_hop(&mut self) {
        let held = self.held.filter(|h| self.speaks_frames() && self.uplinks.current == Some(h.uplink));
        let routers = held.map(|h| self.facts.routers(h.uplink)).unwrap_or_default();
        let lost = self.lost_router.map(|l| l.0);
        let best = routers.iter().find(|r| Some(**r) != lost).or(routers.first()).copied();
        if self.next_hop.map(|h| h.router) != best {
            self.next_hop = best.map(|router| NextHop::new(self.now, router));
        }
        if let (Some(held), Some(mut hop)) = (held, self.next_hop) {
            while let Some(due) = hop.poll(self.now) {
                match due {
                    router::Due::Solicit(mac) => self.solicit_router(&held, hop.router, mac),
                    router::Due::Lost => self.lost_router = Some((hop.router, self.now + PASS_OVER)),
                }
            }
            // A CLAT that is up is in use: the router is probed before a packet finds it gone.
            if self.phase == Phase::Active {
                hop.used(self.now);
            }
            self.next_hop = Some(hop);
        }
        let mac = self.next_hop.and_then(|hop| hop.mac());
        if mac != self.next_hop_mac {
            self.next_hop_mac = mac;
            self.outbox.push(Action::NextHop(mac));
        }
    }

    fn solicit_router(&mut self, held: &Held, router: Ipv6Addr, mac: Option<Mac>) {
        let Some(source) = self.facts.link_local(held.uplink) else { return };
        let destination = if mac.is_some() { router } else { solicited_node(router) };
        let route = Route { ifindex: held.uplink, source, destination, mac };
        let question: Icmpv6Out = messages::solicitation(route, router, self.mac(held.uplink));
        self.outbox.send(Action::SendIcmpv6(question));
    }

    fn subject(&self, held: &Held) -> Subject {
        Subject {
            target: self.config.probe_target,
            own_hops: if self.speaks_frames() { 1 } else { 2 },
            v4_mtu: held.v4_mtu,
            dummy: Policy::DUMMY_V4,
        }
    }

    pub(super) fn probe_answer(&mut self, answer: &ProbeAnswer) {
        let Some(held) = self.held else { return };
        let subject = self.subject(&held);
        let due = self.tester.answered(self.now, answer, &subject);
        self.tested(due);
    }

    pub(super) fn returned(&mut self, returned: Returned) {
        let found = self.tester.returned(self.now, returned);
        self.tested(found.map(Err));
    }

    fn tested(&mut self, due: Option<Result<Probe, SelfTest>>) {
        match due {
            Some(Ok(probe)) => self.outbox.send(Action::Probe(probe)),
            Some(Err(result)) => self.outbox.send(Action::SelfTest(result)),
            None => {}
        }
    }
}
