//! What there should be, made of the facts alone.

use super::states::same_place;
use super::{Engine, Held};
use crate::choose::{Choice, Chooser, InUse, Source};
use crate::plan::Blueprint;
use crate::prefixes::Entry;
use crate::{IfIndex, Reason, mtu};
use core::net::Ipv4Addr;
use core::time::Duration;

/// How long native IPv4 counts after its route went: a renewed lease is no loss.
const NATIVE_V4_LINGERS: Duration = Duration::from_secs(1);

/// What there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Nothing.
    Off(Reason),
    /// A CLAT, when something is known that is not yet.
    Wait(Reason),
    /// A CLAT.
    On(Wish),
}

/// The CLAT that there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) uplink: IfIndex,
    pub(super) pref64: Entry,
    pub(super) source: Source,
}

impl Goal {
    /// Whether nothing of a CLAT may stay, not even for a moment.
    pub(super) const fn is_strict(self) -> bool {
        matches!(
            self,
            Self::Off(
                Reason::NativeIpv4
                    | Reason::OtherClat(_)
                    | Reason::Stopped
                    | Reason::StepFailed
                    | Reason::DeviceLost
            )
        )
    }
}

impl Engine {
    /// What there should be.
    pub(super) fn goal(&self) -> Goal {
        let (off, wait) = (Goal::Off, Goal::Wait);
        if self.stopping {
            return off(Reason::Stopped);
        }
        if self.asleep {
            return off(Reason::Suspended);
        }
        if !self.facts.synced {
            return off(Reason::Started);
        }
        // Before all that may wait: what was done to a device that is gone must not pass for done.
        if self.hold.is_some_and(|h| h.reason == Reason::DeviceLost) {
            return off(Reason::DeviceLost);
        }
        let Some(uplink) = self.uplinks.current else {
            return off(if self.config.uplink.is_some() { Reason::LinkDown } else { Reason::NoUplink });
        };
        if !self.config.force {
            if self.facts.native_v4(uplink) || self.native_v4_until.is_some() {
                return off(Reason::NativeIpv4);
            }
            if let Some(other) = self.facts.other_clat(uplink) {
                return off(Reason::OtherClat(other));
            }
        }
        match self.hold.map(|h| h.reason) {
            Some(Reason::StepFailed) => return off(Reason::StepFailed),
            Some(reason) => return wait(reason),
            None => {}
        }
        match self.choice() {
            None => wait(Reason::NoPref64),
            Some(Choice { source: None, .. }) => wait(Reason::NoAddress),
            Some(Choice { entry, source: Some(source) }) => Goal::On(Wish { uplink, pref64: entry, source }),
        }
    }

    /// The best PREF64 of the uplink and where the address for it is made.
    pub(super) fn choice(&self) -> Option<Choice> {
        let running = matches!(self.phase, super::Phase::Active | super::Phase::Stale(_));
        let held = self.held.filter(|_| running);
        let chooser = Chooser {
            config: &self.config,
            facts: &self.facts,
            uplink: self.uplinks.current?,
            own: [self.held.map(|h| h.clat_v6), self.plan.claimed()],
            in_use: held.map(|h| InUse { pref64: h.pref64.prefix, prefix: h.source.prefix }),
        };
        chooser.choose(self.prefixes.iter())
    }

    /// Whether what is held is what there should be, but for the PREF64 and the MTU.
    pub(super) fn goal_agrees(&self, held: &Held) -> bool {
        let Goal::On(wish) = self.goal else { return false };
        let same_v4 = self.config.clat_v4.is_none_or(|v4| v4 == held.clat_v4);
        same_v4 && held.proven && same_place(held, &wish)
    }

    /// Follows native IPv4 on the uplink: on at once, off after a moment.
    pub(super) fn follow_native_v4(&mut self) {
        let native = self.uplinks.current.is_some_and(|u| self.facts.native_v4(u));
        if native {
            self.native_v4_until = None;
        } else if self.had_native_v4 && self.uplinks.current.is_some() {
            self.native_v4_until = Some(self.now + NATIVE_V4_LINGERS);
        }
        self.had_native_v4 = native;
    }

    /// MTU towards the PLAT and towards the IPv4 host, in bytes.
    pub(super) fn mtus(&self, uplink: IfIndex, pref64: &Entry) -> (u32, u32) {
        let link = self.facts.v6_mtu(uplink);
        let v6 = self.paths.of_path(pref64.prefix).map_or(link, |path| path.min(link));
        (v6, mtu::v4_mtu(v6, self.config.v4_mtu))
    }

    /// The IPv4 address of the host behind the CLAT (RFC 7335): the first of 192.0.0.1 to 192.0.0.6 that
    /// no other link has.
    pub(super) fn pick_v4(&self) -> Ipv4Addr {
        let free = |last: &u8| {
            let addr = Ipv4Addr::new(192, 0, 0, *last);
            self.taken_v4 & (1 << last) == 0 && !self.facts.has_address4(addr)
        };
        let last = (1..=6).find(free).unwrap_or(1);
        self.config.clat_v4.unwrap_or(Ipv4Addr::new(192, 0, 0, last))
    }

    /// The plan for what is held.
    pub(super) fn blueprint(&self, held: &Held) -> Blueprint {
        Blueprint {
            return_path: self.config.return_path,
            uplink: held.uplink,
            on_link: self.must_be_found(held),
            clat_v4: held.clat_v4,
            clat_v6: held.clat_v6,
            v4_mtu: held.v4_mtu,
            v6_mtu: held.v6_mtu,
            v4_metric: self.config.v4_metric,
            mss: if self.config.clamp_mss { mtu::mss(held.v4_mtu) } else { 0 },
        }
    }

    /// Whether neighbours have to find the CLAT address: not where there is one neighbour that sends all
    /// of the prefix here.
    pub(super) fn must_be_found(&self, held: &Held) -> bool {
        let kind = self.facts.link(held.uplink).map(|l| l.kind);
        held.source.on_link && kind != Some(crate::LinkKind::PointToPoint)
    }
}
