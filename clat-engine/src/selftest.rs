//! The self-test: does the whole path work, and if not, which leg.
//!
//! Three legs, each an ICMPv4 echo from the CLAT's IPv4 address through the translator:
//!
//! 1. to die at the first router: its answer to the CLAT address proves that neighbours find us;
//! 2. to the other side of the NAT64: any answer from an IPv4 address proves the NAT64. Echoes that die a
//!    few hops later answer for targets that do not;
//! 3. of the full size, where the second leg got an echo reply. Most hosts answer without Don't Fragment, and a NAT64
//!    cuts what then exceeds 1280 bytes (RFC 7915 section 4). Fragments of an ICMP message pass no translator (sections
//!    4.2 and 5.2), so that their arrival is the answer.
//!
//! A silent first leg alone proves nothing (routers may not answer): it names the culprit when the second
//! is silent too. Packets that come back from under the PREF64 are as good as an answer of the second.

use crate::evidence::{Growth, Returned};
use crate::{Instant, Probe, ProbeAnswer, SelfTest, SelfTestLeg};
use core::net::Ipv4Addr;
use core::time::Duration;

/// The well-known addresses (RFC 7050 section 8.2).
const TARGETS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];
const START: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(1);
const SMALL: u16 = 64;
/// After a failure; doubled up to the last.
const RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// After a success; doubled up to the last.
const REPEAT: Duration = Duration::from_secs(300);
const LONGEST_REPEAT: Duration = Duration::from_secs(3600);
/// Time to live beyond the first router for targets that do not answer themselves.
const LADDER: [u8; 3] = [2, 4, 8];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    Router,
    Nat64,
    FullSize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Off,
    Waiting(Instant),
    Testing {
        leg: Leg,
        sent: u8,
        until: Instant,
    },
}

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) target: Option<Ipv4Addr>,
    /// Hops between the IPv4 stack and the first router: ours, and the host's where it forwards.
    pub(crate) own_hops: u8,
    pub(crate) v4_mtu: u32,
    /// The source of translated errors from routers without IPv4 address: not from beyond the NAT64.
    pub(crate) dummy: Ipv4Addr,
}

/// The self-test of one activation.
#[derive(Debug, Default)]
pub(crate) struct SelfTester {
    phase: Phase,
    sequence: u16,
    /// The first sequence number of this run: older answers do not count.
    first: u16,
    router_answered: bool,
    echo_replied: bool,
    /// Packets that came back since the last result.
    returned: Growth,
    /// Fragments of ICMPv6 messages that came since the leg of the full size began.
    fragments: Growth,
    failures: u8,
    successes: u8,
    pub(crate) last: Option<SelfTest>,
}

impl SelfTester {
    pub(crate) const fn new() -> Self {
        Self {
            phase: Phase::Off,
            sequence: 0,
            first: 0,
            router_answered: false,
            echo_replied: false,
            returned: Growth::new(),
            fragments: Growth::new(),
            failures: 0,
            successes: 0,
            last: None,
        }
    }

    /// Translation began, or its parameters changed.
    pub(crate) fn start(&mut self, now: Instant) {
        self.phase = Phase::Waiting(now + START);
        (self.failures, self.successes) = (0, 0);
        self.last = None;
        self.returned.begin();
    }

    /// Translation ended.
    pub(crate) fn stop(&mut self) {
        self.phase = Phase::Off;
        self.last = None;
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        match self.phase {
            Phase::Off => None,
            Phase::Waiting(at) | Phase::Testing { until: at, .. } => Some(at),
        }
    }

    /// What to send at `now`, or what was found.
    pub(crate) fn poll(&mut self, now: Instant, subject: &Subject) -> Option<Result<Probe, SelfTest>> {
        match self.phase {
            Phase::Waiting(at) if at <= now => {
                (self.router_answered, self.echo_replied) = (false, false);
                self.first = self.sequence.wrapping_add(1);
                Some(Ok(self.send(now, Leg::Router, 0, subject)))
            }
            Phase::Testing { leg, sent, until } if until <= now => Some(self.silent(now, leg, sent, subject)),
            Phase::Off | Phase::Waiting(_) | Phase::Testing { .. } => None,
        }
    }

    /// A probe had no answer: the next try, the next leg, or the end.
    fn silent(&mut self, now: Instant, leg: Leg, sent: u8, subject: &Subject) -> Result<Probe, SelfTest> {
        let tries = match leg {
            Leg::Router => 2,
            Leg::Nat64 => 5,
            Leg::FullSize => 3,
        };
        if sent < tries {
            return Ok(self.send(now, leg, sent, subject));
        }
        match leg {
            Leg::Router => Ok(self.send(now, Leg::Nat64, 0, subject)),
            Leg::Nat64 if self.returned.grew() => Err(self.end(now, None)),
            Leg::Nat64 if self.router_answered => Err(self.end(now, Some(SelfTestLeg::Nat64Silent))),
            Leg::Nat64 => Err(self.end(now, Some(SelfTestLeg::NoNdAnswer))),
            Leg::FullSize => Err(self.end(now, Some(SelfTestLeg::MtuBlackHole))),
        }
    }

    fn send(&mut self, now: Instant, leg: Leg, sent: u8, subject: &Subject) -> Probe {
        self.sequence = self.sequence.wrapping_add(1);
        self.phase = Phase::Testing { leg, sent: sent + 1, until: now + TIMEOUT };
        let [first, second] = TARGETS;
        let well_known = if sent.is_multiple_of(2) { first } else { second };
        let first_router = subject.own_hops + 1;
        let ttl = match leg {
            Leg::Router => first_router,
            Leg::Nat64 => {
                LADDER.get(usize::from(sent).wrapping_sub(2)).map_or(64, |more| first_router + more)
            }
            Leg::FullSize => 64,
        };
        let full = u16::try_from(subject.v4_mtu).unwrap_or(u16::MAX);
        let size = if leg == Leg::FullSize { full } else { SMALL };
        if leg == Leg::FullSize && sent == 0 {
            self.fragments.begin();
        }
        Probe { sequence: self.sequence, target: subject.target.unwrap_or(well_known), ttl, size }
    }

    /// An answer to a probe; returns what to send next or what was found.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        answer: &ProbeAnswer,
        subject: &Subject,
    ) -> Option<Result<Probe, SelfTest>> {
        let Phase::Testing { leg, .. } = self.phase else { return None };
        let of_this_run = answer.sequence.wrapping_sub(self.first) <= self.sequence.wrapping_sub(self.first);
        if !of_this_run {
            return None;
        }
        self.router_answered = true;
        self.echo_replied |= answer.echo_reply;
        let beyond = answer.echo_reply || answer.from != subject.dummy;
        match leg {
            Leg::FullSize if answer.sequence == self.sequence => Some(Err(self.end(now, None))),
            Leg::FullSize => None,
            _ if answer.echo_reply => Some(Ok(self.send(now, Leg::FullSize, 0, subject))),
            _ if beyond => Some(Err(self.end(now, None))),
            Leg::Router => Some(Ok(self.send(now, Leg::Nat64, 0, subject))),
            Leg::Nat64 => None,
        }
    }

    /// What came back since the start: growth refutes silence, and answers an echo of the full size.
    pub(crate) fn returned(&mut self, now: Instant, returned: Returned) -> Option<SelfTest> {
        self.returned.tell(returned.packets);
        self.fragments.tell(returned.icmp_fragments);
        let silent = |leg| matches!(leg, Some(SelfTestLeg::Nat64Silent | SelfTestLeg::NoNdAnswer));
        let refuted = self.last.is_some_and(|l| silent(l.failed)) && self.returned.grew();
        let waits = matches!(self.phase, Phase::Testing { leg: Leg::FullSize, .. });
        (refuted || waits && self.fragments.grew()).then(|| self.end(now, None))
    }

    fn end(&mut self, now: Instant, failed: Option<SelfTestLeg>) -> SelfTest {
        let grow = |base: Duration, n: u8, most: Duration| base.saturating_mul(1 << n.min(8)).min(most);
        let pause = if failed.is_some() {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            grow(RETRY, self.failures - 1, LONGEST_RETRY)
        } else {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            grow(REPEAT, self.successes - 1, LONGEST_REPEAT)
        };
        self.phase = Phase::Waiting(now + pause);
        self.returned.begin();
        let result = SelfTest { at: now, failed };
        self.last = Some(result);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const DUMMY: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

    fn subject() -> Subject {
        Subject { target: None, own_hops: 2, v4_mtu: 1472, dummy: DUMMY }
    }

    /// Runs the test for `seconds` against a network that answers probes.
    fn run(
        seconds: u64,
        network: impl Fn(&Probe) -> Option<(Ipv4Addr, bool)>,
    ) -> Vec<(u64, Option<SelfTestLeg>)> {
        let mut tester = SelfTester::new();
        tester.start(Instant::default());
        let mut found = Vec::new();
        for ms in (0..seconds * 1000).step_by(50) {
            let now = Instant::from_millis(ms);
            let mut next = tester.poll(now, &subject());
            while let Some(Ok(probe)) = next {
                let answer = network(&probe);
                next = answer.and_then(|(from, echo_reply)| {
                    tester.answered(
                        now,
                        &ProbeAnswer { sequence: probe.sequence, from, echo_reply },
                        &subject(),
                    )
                });
            }
            if let Some(Err(result)) = next {
                found.push((ms, result.failed));
            }
        }
        found
    }

    #[test]
    fn the_whole_path_works() {
        let network = |p: &Probe| match p.ttl {
            3 => Some((DUMMY, false)),
            _ => Some((p.target, true)),
        };
        assert_eq!(run(10, network), [(100, None)]);
    }

    #[test]
    fn a_target_that_is_silent_is_no_failure_when_a_hop_beyond_answers() {
        let network = |p: &Probe| (p.ttl < 64).then_some((Ipv4Addr::new(198, 51, 100, 1), false));
        assert_eq!(run(10, network)[0].1, None);
    }

    #[test]
    fn no_nd_answer_when_nothing_comes_back() {
        let found = run(60, |_| None);
        assert!(found.iter().all(|(_, leg)| *leg == Some(SelfTestLeg::NoNdAnswer)), "{found:?}");
        let starts: Vec<u64> = found.windows(2).map(|w| w[1].0 - w[0].0).collect();
        assert!(starts.windows(2).all(|w| w[1] > w[0]), "the pauses grow: {found:?}");
    }

    #[test]
    fn nat64_silent_when_only_the_router_answers() {
        let found = run(10, |p| (p.ttl == 3).then_some((DUMMY, false)));
        assert_eq!(found[0].1, Some(SelfTestLeg::Nat64Silent));
    }

    #[test]
    fn mtu_black_hole_when_only_small_packets_come_back() {
        let found = run(10, |p| (p.size < 1000).then_some((p.target, true)));
        assert_eq!(found[0].1, Some(SelfTestLeg::MtuBlackHole));
    }

    #[test]
    fn rfc7915_section_4_an_answer_that_the_nat64_cuts_is_an_answer() {
        let mut tester = SelfTester::new();
        tester.start(Instant::default());
        let cut = |icmp_fragments| Returned { packets: 0, icmp_fragments };
        assert_eq!(tester.returned(Instant::default(), cut(7)), None, "nothing was asked");
        let Some(Ok(small)) = tester.poll(Instant::from_millis(100), &subject()) else { panic!() };
        assert_eq!(tester.returned(Instant::from_millis(110), cut(9)), None, "a small echo comes back whole");
        let reply = ProbeAnswer { sequence: small.sequence, from: small.target, echo_reply: true };
        let Some(Ok(full)) = tester.answered(Instant::from_millis(120), &reply, &subject()) else { panic!() };
        assert_eq!(full.size, 1472);
        assert_eq!(tester.returned(Instant::from_millis(130), cut(9)), None, "those came before");
        assert_eq!(tester.returned(Instant::from_millis(140), cut(10)).map(|r| r.failed), Some(None));
    }

    #[test]
    fn packets_that_come_back_refute_a_silent_nat64() {
        let mut tester = SelfTester::new();
        tester.start(Instant::default());
        let until_a_result = |tester: &mut SelfTester| {
            (0..20_000).step_by(50).find_map(|ms| {
                let now = Instant::from_millis(tester.last.map_or(0, |l| l.at.as_millis()) + ms);
                tester.poll(now, &subject())?.err().map(|result| result.failed)
            })
        };
        assert_eq!(tester.returned(Instant::default(), Returned::default()), None);
        assert_eq!(until_a_result(&mut tester), Some(Some(SelfTestLeg::NoNdAnswer)));
        let came = |packets| Returned { packets, icmp_fragments: 0 };
        let now = tester.last.unwrap().at;
        assert_eq!(tester.returned(now, came(0)), None, "nothing came back");
        assert_eq!(tester.returned(now, came(5)).map(|r| r.failed), Some(None));
        assert_eq!(tester.returned(now, came(9)), None, "nothing to refute");
    }

    #[test]
    fn packets_that_come_back_end_no_test_early() {
        let mut tester = SelfTester::new();
        tester.start(Instant::default());
        assert!(matches!(tester.poll(Instant::from_millis(100), &subject()), Some(Ok(_))));
        let five = Returned { packets: 5, icmp_fragments: 0 };
        assert_eq!(
            tester.returned(Instant::from_millis(200), five),
            None,
            "the full size is still to be tested"
        );
    }

    #[test]
    fn an_answer_of_an_earlier_run_does_not_count() {
        let mut tester = SelfTester::new();
        tester.start(Instant::default());
        let Some(Ok(probe)) = tester.poll(Instant::from_millis(100), &subject()) else { panic!() };
        let stale =
            ProbeAnswer { sequence: probe.sequence.wrapping_sub(1), from: probe.target, echo_reply: true };
        assert_eq!(tester.answered(Instant::from_millis(110), &stale, &subject()), None);
    }
}
