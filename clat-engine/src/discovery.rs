//! Asking for the PREF64: Router Solicitations (RFC 4861 section 6.3.7), then DNS (RFC 7050), which waits
//! for the routers to speak first (RFC 9872).

use crate::wire::dns;
use crate::{DnsQuery, IfIndex, Instant};
use core::net::IpAddr;
use core::time::Duration;

/// RFC 4861 section 10.
const MAX_RTR_SOLICITATIONS: u8 = 3;
const RTR_SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);

/// How long the routers have before DNS is asked: a solicited advertisement comes within half a second
/// (RFC 4861 section 6.2.6, MAX_RA_DELAY_TIME).
const RA_FIRST: Duration = Duration::from_millis(700);
const DNS_TIMEOUT: Duration = Duration::from_secs(1);
/// After every resolver was silent; doubled up to the last.
const DNS_PAUSE: Duration = Duration::from_secs(1);
const DNS_LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After a negative answer: networks change without telling.
const DNS_NEGATIVE: Duration = Duration::from_secs(300);
/// RFC 7050 section 3: the query is repeated ten seconds before the time to live ends.
const DNS_REFRESH_BEFORE: Duration = Duration::from_secs(10);
/// What a time to live is held to, so that neither a zero nor a century does harm.
const DNS_TTL: (u32, u32) = (15, 86_400);

/// Router Solicitations on a new uplink.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Solicitor {
    left: u8,
    next: Option<Instant>,
}

impl Solicitor {
    pub(crate) const fn new() -> Self {
        Self { left: 0, next: None }
    }

    pub(crate) fn start(&mut self, now: Instant) {
        *self = Self { left: MAX_RTR_SOLICITATIONS, next: Some(now) };
    }

    /// A router spoke.
    pub(crate) fn heard(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.next
    }

    /// Whether to solicit.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|at| at > now) {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.next = (self.left > 0).then(|| now + RTR_SOLICITATION_INTERVAL);
        true
    }
}

/// The query for `ipv4only.arpa` on one link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asker {
    ifindex: IfIndex,
    asked: Option<Asked>,
    /// When to ask; `None` while an answer is awaited or nothing is to be asked.
    next: Option<Instant>,
    /// How many rounds through the resolvers were in vain.
    rounds: u8,
    /// Which resolver comes next.
    resolver: usize,
    /// Whether the first query waits for the routers to speak.
    waits_for_routers: bool,
    /// Whether the last answer had addresses.
    knows: bool,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u16,
    server: IpAddr,
    until: Instant,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "lives for one input; there is no heap to box it in")]
pub(crate) enum Learnt {
    /// These addresses, for so long; none where there is no DNS64.
    Answer(dns::Answer, Duration),
    /// Nothing.
    Nothing,
}

impl Asker {
    pub(crate) const fn new() -> Self {
        Self {
            ifindex: 0,
            asked: None,
            next: None,
            rounds: 0,
            resolver: 0,
            waits_for_routers: false,
            knows: false,
        }
    }

    /// A new uplink, or one that came back: asked soon, after the routers.
    pub(crate) fn start(&mut self, now: Instant, ifindex: IfIndex) {
        *self = Self { ifindex, next: Some(now + RA_FIRST), waits_for_routers: true, ..Self::new() };
    }

    /// The routers have spoken and announce no PREF64: no need to wait for them.
    pub(crate) fn routers_silent(&mut self, now: Instant) {
        if self.waits_for_routers {
            self.waits_for_routers = false;
            self.next = Some(now);
        }
    }

    /// There are other resolvers: what the old ones did not know, they may.
    pub(crate) fn resolvers_changed(&mut self, now: Instant) {
        if !self.knows && !self.waits_for_routers {
            *self = Self { ifindex: self.ifindex, next: Some(now), ..Self::new() };
        }
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.asked.map(|a| a.until).or(self.next)
    }

    /// The query to send, if it is time. `Err` tells that there is nobody to ask.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        id: u16,
        servers: &[IpAddr],
    ) -> Result<Option<DnsQuery>, NobodyToAsk> {
        if self.asked.is_some_and(|a| a.until <= now) {
            self.asked = None;
            self.failed(now, servers.len());
        }
        if self.asked.is_some() || self.next.is_none_or(|at| at > now) {
            return Ok(None);
        }
        let Some(server) = servers.get(self.resolver).or(servers.first()).copied() else {
            self.next = Some(now + DNS_LONGEST_PAUSE);
            self.waits_for_routers = false;
            return Err(NobodyToAsk);
        };
        self.waits_for_routers = false;
        self.asked = Some(Asked { id, server, until: now + DNS_TIMEOUT });
        self.next = None;
        Ok(Some(DnsQuery { ifindex: self.ifindex, server, id, message: dns::query(id) }))
    }

    /// The resolver was silent or helpless: the next one, or a pause after the last.
    fn failed(&mut self, now: Instant, servers: usize) {
        self.resolver += 1;
        if self.resolver < servers {
            self.next = Some(now);
            return;
        }
        self.resolver = 0;
        let pause = DNS_PAUSE.saturating_mul(1 << self.rounds.min(6)).min(DNS_LONGEST_PAUSE);
        self.rounds = self.rounds.saturating_add(1);
        self.next = Some(now + pause);
    }

    /// A message came from a resolver.
    pub(crate) fn heard(&mut self, now: Instant, server: IpAddr, message: &[u8], servers: usize) -> Learnt {
        let Some(asked) = self.asked.filter(|a| a.server == server) else { return Learnt::Nothing };
        match dns::read_reply(asked.id, message) {
            Some(reply) => self.take(now, reply, servers),
            None => Learnt::Nothing,
        }
    }

    /// A resolver library answered.
    pub(crate) fn told(&mut self, now: Instant, id: u16, reply: dns::Reply, servers: usize) -> Learnt {
        match self.asked {
            Some(asked) if asked.id == id => self.take(now, reply, servers),
            _ => Learnt::Nothing,
        }
    }

    fn take(&mut self, now: Instant, reply: dns::Reply, servers: usize) -> Learnt {
        self.asked = None;
        self.knows = matches!(reply, dns::Reply::Records(_));
        match reply {
            dns::Reply::Records(answer) => {
                (self.rounds, self.resolver) = (0, 0);
                let ttl_s = answer.ttl_s.clamp(DNS_TTL.0, DNS_TTL.1);
                let ttl = Duration::from_secs(ttl_s.into());
                self.next = Some(now + ttl.saturating_sub(DNS_REFRESH_BEFORE));
                Learnt::Answer(answer, ttl)
            }
            dns::Reply::None => {
                (self.rounds, self.resolver) = (0, 0);
                self.next = Some(now + DNS_NEGATIVE);
                Learnt::Answer(dns::Answer::default(), Duration::ZERO)
            }
            dns::Reply::Failed => {
                self.failed(now, servers);
                Learnt::Nothing
            }
        }
    }
}

/// The link has no resolvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NobodyToAsk;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dns::tests::reply;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn servers() -> [IpAddr; 2] {
        ["2001:db8::53".parse().unwrap(), "fe80::53".parse().unwrap()]
    }

    fn started() -> Asker {
        let mut asker = Asker::new();
        asker.start(at(0), 2);
        asker
    }

    #[test]
    fn rfc9872_the_routers_speak_first() {
        let mut asker = started();
        assert_eq!(asker.poll(at(600), 1, &servers()), Ok(None));
        assert_eq!(asker.next_timer(), Some(at(700)));
        let query = asker.poll(at(700), 1, &servers()).unwrap().unwrap();
        assert_eq!((query.ifindex, query.server), (2, servers()[0]));
        let mut hurried = started();

        hurried.routers_silent(at(100));
        assert!(hurried.poll(at(100), 1, &servers()).unwrap().is_some());
    }

    #[test]
    fn rfc7050_section_3_repeated_ten_seconds_before_the_end() {
        let mut asker = started();
        asker.poll(at(700), 9, &servers()).unwrap();
        let answer = reply(9, 0, &[("64:ff9b::c000:aa", 300)]);
        let Learnt::Answer(_, ttl) = asker.heard(at(750), servers()[0], &answer, 2) else { panic!() };
        assert_eq!(ttl, Duration::from_secs(300));
        assert_eq!(asker.next_timer(), Some(at(750 + 290_000)));
        assert!(asker.poll(at(750 + 290_000), 10, &servers()).unwrap().is_some());
    }

    #[test]
    fn every_resolver_is_asked_and_then_a_growing_pause() {
        let mut asker = started();
        let mut asked = std::vec::Vec::new();
        for s in 0..40 {
            if let Ok(Some(query)) = asker.poll(at(700 + s * 1000), 1, &servers()) {
                asked.push((s, query.server));
            }
        }
        let [a, b] = servers();
        assert_eq!(
            asked,
            [(0, a), (1, b), (3, a), (4, b), (7, a), (8, b), (13, a), (14, b), (23, a), (24, b)]
        );
    }

    #[test]
    fn only_the_server_that_was_asked_is_heard() {
        let mut asker = started();
        asker.poll(at(700), 9, &servers()).unwrap();
        let answer = reply(9, 0, &[("64:ff9b::c000:aa", 300)]);
        assert_eq!(asker.heard(at(750), servers()[1], &answer, 2), Learnt::Nothing);
        assert_eq!(asker.told(at(750), 8, dns::Reply::None, 2), Learnt::Nothing);
        assert!(
            matches!(asker.told(at(750), 9, dns::Reply::None, 2), Learnt::Answer(a, _) if a.addresses.is_empty())
        );
        assert_eq!(asker.next_timer(), Some(at(300_750)), "a negative answer is not for ever");
    }

    #[test]
    fn nobody_to_ask_is_said() {
        assert_eq!(started().poll(at(700), 1, &[]), Err(NobodyToAsk));
    }

    #[test]
    fn rfc4861_section_6_3_7_three_solicitations() {
        let mut solicitor = Solicitor::new();
        solicitor.start(at(0));
        let sent: std::vec::Vec<_> = (0..30).filter(|s| solicitor.poll(at(s * 1000))).collect();
        assert_eq!(sent, [0, 4, 8]);
        solicitor.start(at(0));
        solicitor.heard();
        assert_eq!(solicitor.next_timer(), None);
    }
}
