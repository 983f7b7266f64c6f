//! What each input changes in what is known. What follows from it is decided in [`super::states`].

use super::{Engine, Phase, Stage};
use crate::plan::Failure;
use crate::wire::dhcp4::{self, Told};
use crate::wire::lease4;
use crate::{
    Action, AddressRole, Config, DadOutcome, IfIndex, Iface, Input, Link, Reason, Step, StepError,
    StepErrorKind, StepId, Warning,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

/// So many losses, each soon after the one before, are put right at once.
const REPAIRS: u8 = 8;
const REPAIRS_APART: Duration = Duration::from_secs(5);

impl Engine {
    /// Takes an input.
    pub(super) fn take(&mut self, input: Input<'_>) {
        match input {
            Input::Timer => {}
            Input::Resync => self.facts.resync(),
            Input::Synced => self.synced(),
            Input::Link(link) => self.link(link),
            Input::LinkGone(ifindex) => self.link_gone(ifindex),
            Input::Address6(addr) => self.facts.put_address6(addr),
            Input::Address6Gone { ifindex, addr } => self.facts.lose_address6(ifindex, addr),
            Input::Address4 { ifindex, addr } => self.facts.put_address4(ifindex, addr),
            Input::Address4Gone { ifindex, addr } => self.facts.remove_address4(ifindex, addr),
            Input::Default4(route) => self.facts.put_default4(route),
            Input::Default4Gone(route) => self.facts.remove_default4(route),
            Input::Default6(route) => self.facts.put_default6(route),
            Input::Default6Gone(route) => self.facts.remove_default6(route),
            Input::Resolvers { ifindex, servers } => self.resolvers(ifindex, servers),
            Input::Icmpv6(received) => self.icmpv6(&received),
            Input::Pref64Option { ifindex, router, option } => self.pref64_option(ifindex, router, option),
            Input::DnsReply { server, message } => self.dns_reply(server, message),
            Input::DnsRecords { id, outcome } => self.dns_records(id, &outcome),
            Input::StepDone(id) => self.plan.done(id),
            Input::StepFailed(id, error) => self.step_failed(id, error),
            Input::StepLost(id) => self.step_lost(id),
            Input::DeviceLost => self.device_lost(),
            Input::Dad { ifindex, addr, outcome } => self.dad(ifindex, addr, outcome),
            Input::ProbeAnswer(answer) => self.probe_answer(&answer),
            Input::PathMtu { destination, mtu } => self.paths.learn(self.now, destination, mtu),
            Input::Returned(returned) => self.returned(returned),
            Input::OtherClat { ifindex, other } => self.facts.put_other(ifindex, other),
            Input::V6OnlyPreferred { ifindex, wait_s } => self.facts.put_v6_only(ifindex, wait_s),
            Input::Dhcp4 { ifindex, message } => self.dhcp4(ifindex, message),
            Input::Dhcp4Lease { ifindex, options, unix_s } => {
                self.facts.put_v6_only(ifindex, lease4::v6_only_wait_s(options, unix_s));
            }
            Input::Suspend => self.asleep = true,
            Input::Resume => self.resume(),
            Input::Reconfigure(config) => self.reconfigure(config),
            Input::Stop => self.stopping = true,
        }
        if let Some(what) = self.facts.overflow.take() {
            self.outbox.warn(Warning::TableFull(what));
        }
        self.follow_uplink();
    }

    fn dhcp4(&mut self, ifindex: IfIndex, message: &[u8]) {
        let Some(mac) = self.facts.link(ifindex).and_then(|link| link.mac) else { return };
        match dhcp4::read(message, mac) {
            Some(Told::V6Only(wait_s)) => self.facts.put_v6_only(ifindex, Some(wait_s)),
            Some(Told::Lease) => self.facts.put_v6_only(ifindex, None),
            None => {}
        }
    }

    fn synced(&mut self) {
        self.facts.complete();
        if let Some(gone) = self.held.map(|h| h.uplink).filter(|u| self.facts.link(*u).is_none()) {
            self.link_gone(gone);
        }
    }

    fn link(&mut self, link: Link) {
        if !link.up {
            self.doubt(link.ifindex);
        }
        let known = self.facts.link(link.ifindex);
        let came_up = link.up && !known.is_some_and(|known| known.up);
        self.facts.put_link(link);
        if came_up && known.is_some() {
            self.doubt_network(link.ifindex);
        }
        // Frames are sent on the chosen uplink only, which is asked as such.
        if came_up && self.follows_uplink() && !self.speaks_frames() {
            self.greet(link);
        }
    }

    fn link_gone(&mut self, ifindex: IfIndex) {
        self.doubt(ifindex);
        self.facts.remove_link(ifindex);
        self.prefixes.forget_link(ifindex);
    }

    /// The link was down: somebody else may have taken the address meanwhile (RFC 4862 section 5.4).
    fn doubt(&mut self, ifindex: IfIndex) {
        if let Some(held) = self.held.as_mut().filter(|h| h.uplink == ifindex) {
            held.proven = false;
        }
    }

    /// The link may lead to another network than before it was down. What was learnt there is asked for again, and
    /// counts for as long as that may take (RFC 4861 section 10: three questions, four seconds between them).
    fn doubt_network(&mut self, ifindex: IfIndex) {
        const ASKING: Duration = Duration::from_secs(12);
        let until = self.now + ASKING;
        self.came_up = Some((ifindex, self.now));
        self.prefixes.doubt(ifindex, until);
        self.facts.doubt(ifindex, until);
    }

    /// Whether the facts are there to choose an uplink by.
    pub(super) fn follows_uplink(&self) -> bool {
        self.facts.synced && !self.asleep
    }

    /// Chooses the uplink anew, and asks a new one for its PREF64.
    fn follow_uplink(&mut self) {
        if self.follows_uplink() && self.uplinks.update(self.now, &self.facts, &self.config) {
            self.hold = None;
            self.failures = 0;
            (self.had_native_v4, self.native_v4_until) = (false, None);
            self.paths.forget();
            self.change_link();
            self.ask_around();
        }
        self.follow_native_v4();
    }

    fn resume(&mut self) {
        self.asleep = false;
        if let Some(held) = &mut self.held {
            held.proven = false;
        }
        if let Phase::Stale(None) = self.phase {
            self.phase = Phase::Stale(Some(self.now + super::states::GRACE));
        }
        self.hold = None;
        self.ask_around();
    }

    fn reconfigure(&mut self, config: &Config) {
        self.config = *config;
        self.hold = None;
        self.failures = 0;
        self.outbox.forget_warnings();
    }

    fn dad(&mut self, ifindex: IfIndex, addr: Ipv6Addr, outcome: DadOutcome) {
        let claimed = self.held.is_some_and(|h| (h.uplink, h.clat_v6) == (ifindex, addr));
        if claimed && matches!(self.phase, Phase::Claiming(Stage::Place | Stage::Detect(_))) {
            self.dad = Some(outcome);
        }
    }

    fn step_failed(&mut self, id: StepId, error: StepError) {
        match self.plan.failed(self.now, id, error) {
            Failure::None => {}
            Failure::Skipped(warning) => self.outbox.warn(warning),
            Failure::Left(warning) => self.outbox.push(Action::Warn(warning)),
            Failure::Fatal(step, error) => self.step_fatal(step, error),
        }
    }

    /// It is done again at once; where it is lost again and again, after a pause: somebody else wants it otherwise.
    /// What was set on the uplink falls with its link, as often as that goes.
    fn step_lost(&mut self, id: StepId) {
        let Some(step) = self.plan.lose(id) else { return };
        let (before, count) = self.lost_step.unwrap_or((self.now, 0));
        if step.iface() != Iface::Device || (before == self.now && count > 0) {
            return;
        }
        let count = if self.now.since(before) < REPAIRS_APART { count + 1 } else { 1 };
        self.lost_step = Some((self.now, count));
        if count > REPAIRS {
            self.lost_step = None;
            self.pause(Reason::StepFailed);
        }
    }

    fn step_fatal(&mut self, step: Step, error: StepError) {
        let conflict = error.kind == StepErrorKind::Conflict;
        if let Step::AddAddress { addr, role, .. } = step
            && conflict
        {
            let handled = match (role, addr) {
                (AddressRole::Claim, _) => {
                    self.dad = Some(DadOutcome::Duplicate);
                    self.next_candidate()
                }
                (AddressRole::Host, IpAddr::V4(addr)) => self.try_next_v4(addr),
                (AddressRole::Host, IpAddr::V6(_)) => false,
            };
            if handled {
                return;
            }
        }
        self.fail(step, error);
    }

    /// Takes the next IPv4 address; false when there is none to try.
    fn try_next_v4(&mut self, taken: Ipv4Addr) -> bool {
        let [_, _, _, last] = taken.octets();
        self.taken_v4 |= 1 << (last & 7);
        let next = self.pick_v4();
        let fresh = next != taken;
        if let Some(held) = self.held.as_mut().filter(|_| fresh) {
            held.clat_v4 = next;
        }
        fresh
    }

    fn device_lost(&mut self) {
        if self.plan.iter().any(|(_, step)| step.iface() == Iface::Device) {
            self.pause(Reason::DeviceLost);
        }
    }
}
