//! Learning PREF64s, resolvers and MTUs from routers and DNS.

use super::Engine;
use crate::discovery::{Learnt, NobodyToAsk};
use crate::facts::Announced;
use crate::nd::messages;
use crate::prefixes::Refused;
use crate::wire::dns::Reply;
use crate::wire::ra::{PrefixInfo, RaOption, RouterAdvert};
use crate::{Action, DnsOutcome, Icmpv6In, IfIndex, Instant, Link, LinkKind, Reason, Warning};
use clat_core::RaPref64;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use heapless::Vec;

impl Engine {
    /// Asks a new or returned uplink: the routers at once, DNS soon.
    pub(super) fn ask_around(&mut self) {
        let Some(uplink) = self.uplinks.current else { return };
        self.solicitor.start(self.now);
        self.asker.start(self.now, uplink);
    }

    /// Asks for the routers of a link that came up. The operating system asks only when its link-local address is
    /// known to be unique, a second or two later; the question needs no address (RFC 4861 section 6.3.7).
    pub(super) fn greet(&mut self, link: Link) {
        let chosen = self.config.uplink.is_none_or(|uplink| uplink == link.ifindex);
        let kind = matches!(link.kind, LinkKind::Broadcast | LinkKind::PointToPoint);
        let alone = self.facts.routers(link.ifindex).is_empty();
        if chosen && kind && alone && !self.goal.is_strict() {
            let source = self.facts.link_local(link.ifindex).unwrap_or(Ipv6Addr::UNSPECIFIED);
            self.outbox.send(Action::SendIcmpv6(messages::router_solicitation(
                link.ifindex,
                source,
                link.mac,
            )));
        }
    }

    /// Removes what has ended.
    pub(super) fn expire(&mut self) {
        let chosen = self.held.map(|h| h.pref64.prefix);
        let known = |engine: &Self| chosen.is_some_and(|c| engine.prefixes.iter().any(|e| e.prefix == c));
        let before = known(self);
        self.prefixes.expire(self.now);
        if before && !known(self) {
            self.pref64_loss = Reason::Pref64Expired;
        }
        self.facts.expire(self.now);
        self.paths.expire(self.now);
        let now = self.now;
        self.hold = self.hold.filter(|h| h.until > now);
        self.native_v4_until = self.native_v4_until.filter(|at| *at > now);
        self.lost_router = self.lost_router.filter(|l| l.1 > now);
    }

    pub(super) fn router_advert(&mut self, received: &Icmpv6In<'_>) {
        let Some(advert) = RouterAdvert::parse(received) else { return };
        let ifindex = received.ifindex;
        if let Some((_, since)) = self.came_up.filter(|(link, _)| *link == ifindex) {
            self.prefixes.forget_before(ifindex, advert.router, since);
            self.facts.forget_before(ifindex, advert.router, since);
        }
        if !advert.options().any(|option| matches!(option, RaOption::SourceMac(_))) {
            self.router_seen(ifindex, advert.router, received.source_mac);
        }
        for option in advert.options() {
            match option {
                RaOption::Pref64(option) => self.learn_pref64(ifindex, advert.router, option),
                RaOption::Mtu(mtu) if mtu >= crate::mtu::V6_MIN => self.facts.put_mtu(ifindex, mtu),
                RaOption::Prefix(prefix) => self.prefix_announced(ifindex, advert.router, &prefix),
                RaOption::Rdnss(rdnss) => {
                    let lifetime = Duration::from_secs(rdnss.lifetime_s.into());
                    let until = (rdnss.lifetime_s > 0).then(|| self.now + lifetime);
                    rdnss.servers().for_each(|server| self.facts.announce_resolver(ifindex, server, until));
                }
                RaOption::SourceMac(mac) => self.router_told(ifindex, advert.router, mac),
                RaOption::Mtu(_) => {}
            }
        }
        if self.uplinks.current == Some(ifindex) {
            self.solicitor.heard();
            if !self.routers_announce(ifindex) {
                self.asker.routers_silent(self.now);
            }
        }
    }

    fn prefix_announced(&mut self, ifindex: IfIndex, router: Ipv6Addr, info: &PrefixInfo) {
        self.facts.announce_prefix(Announced {
            ifindex,
            prefix: info.prefix,
            len: info.len,
            on_link: info.on_link,
            autonomous: info.autonomous && info.preferred_s > 0,
            until: self.now + Duration::from_secs(info.valid_s.into()),
            router,
            heard: self.now,
        });
    }

    pub(super) fn pref64_option(&mut self, ifindex: IfIndex, router: Ipv6Addr, option: &[u8]) {
        if let Some(option) = RaPref64::parse(option) {
            self.learn_pref64(ifindex, router, option);
        }
    }

    fn learn_pref64(&mut self, ifindex: IfIndex, router: Ipv6Addr, option: RaPref64) {
        let routers = self.facts.routers(ifindex);
        let known = |router| routers.contains(&router);
        match self.prefixes.announced(self.now, ifindex, router, option, known) {
            Ok(()) if option.lifetime_s == 0 => self.pref64_loss = Reason::Pref64Withdrawn,
            Ok(()) => {}
            Err(Refused::Full) => self.outbox.warn(Warning::TableFull("NAT64 prefixes")),
            Err(Refused::Bad) => self.outbox.warn(Warning::BadPref64),
        }
    }

    fn routers_announce(&self, ifindex: IfIndex) -> bool {
        self.prefixes.announced_until(ifindex).is_some()
    }

    pub(super) fn resolvers(&mut self, ifindex: IfIndex, servers: &[IpAddr]) {
        let news = self.facts.put_resolvers(ifindex, servers);
        if news && self.uplinks.current == Some(ifindex) {
            self.asker.resolvers_changed(self.now);
        }
    }

    /// Whether DNS is to be asked: no router of the uplink announces a prefix, and none is given by hand.
    fn asks_dns(&self) -> bool {
        let uplink = self.uplinks.current.filter(|_| self.config.ask_dns && self.config.pref64.is_none());
        uplink.is_some_and(|u| !self.routers_announce(u)) && self.may_ask()
    }

    /// Whether questions make sense at present.
    fn may_ask(&self) -> bool {
        let awake = self.facts.synced && !self.asleep && self.uplinks.current.is_some();
        awake && !self.goal.is_strict()
    }

    fn servers(&self) -> Vec<IpAddr, 8> {
        let mut servers = Vec::new();
        if let Some(uplink) = self.uplinks.current {
            servers.extend(self.facts.resolvers(uplink).take(8));
        }
        servers
    }

    pub(super) fn discovery_timer(&self) -> Option<Instant> {
        let dns = self.asker.next_timer().filter(|_| self.asks_dns());
        let solicit = self.solicitor.next_timer().filter(|_| self.may_ask());
        dns.into_iter().chain(solicit).min()
    }

    /// Sends what is due.
    pub(super) fn serve_discovery(&mut self) {
        let Some(uplink) = self.uplinks.current else { return };
        if self.may_ask() && self.solicitor.poll(self.now) {
            let source = self.facts.link_local(uplink).unwrap_or(Ipv6Addr::UNSPECIFIED);
            let mac = self.facts.link(uplink).and_then(|l| l.mac);
            self.outbox.send(Action::SendIcmpv6(messages::router_solicitation(uplink, source, mac)));
        }
        if !self.asks_dns() {
            return;
        }
        let (id, servers) = (self.draw16(), self.servers());
        match self.asker.poll(self.now, id, &servers) {
            Ok(Some(query)) => self.outbox.send(Action::QueryDns(query)),
            Ok(None) => {}
            Err(NobodyToAsk) => self.outbox.warn(Warning::NoResolvers),
        }
    }

    pub(super) fn dns_reply(&mut self, server: IpAddr, message: &[u8]) {
        let servers = self.servers().len();
        let learnt = self.asker.heard(self.now, server, message, servers);
        self.dns_learnt(learnt);
    }

    pub(super) fn dns_records(&mut self, id: u16, outcome: &DnsOutcome<'_>) {
        let servers = self.servers().len();
        let learnt = self.asker.told(self.now, id, Reply::from_outcome(outcome), servers);
        self.dns_learnt(learnt);
    }

    fn dns_learnt(&mut self, learnt: Learnt) {
        let (Learnt::Answer(answer, ttl), Some(uplink)) = (learnt, self.uplinks.current) else { return };
        if self.prefixes.resolved(self.now, uplink, &answer, ttl) {
            self.outbox.warn(Warning::BadPref64);
        }
        if answer.addresses.is_empty() {
            self.pref64_loss = Reason::NoPref64;
        }
    }
}
