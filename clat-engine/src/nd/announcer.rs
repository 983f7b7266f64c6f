//! What is sent without being asked: the news that the address is here (RFC 4861 section 7.2.6,
//! RFC 9131), and advertisements that keep the routers' entries alive where questions are not heard.
//!
//! A router takes an advertisement with the S flag as a confirmation of reachability whether it asked or
//! not (RFC 4861 section 7.2.5). One every five seconds keeps its entry REACHABLE without one question.

use super::constants::{MAX_NEIGHBOR_ADVERTISEMENT, RETRANS_TIMER};
use crate::Instant;
use core::time::Duration;

/// Below DELAY_FIRST_PROBE_TIME and far below the least ReachableTime of half of 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The timers of one address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Announcer {
    news_left: u8,
    news: Option<Instant>,
    keep_alive: Option<Instant>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// An unsolicited advertisement to all nodes, S=0 and O=1.
    News,
    /// An advertisement to each default router, S=1 and O=1.
    KeepAlive,
}

impl Announcer {
    pub(crate) const fn new() -> Self {
        Self { news_left: 0, news: None, keep_alive: None }
    }

    /// The address is ours from `now` on.
    pub(crate) fn start(&mut self, now: Instant, keep_alive: bool) {
        *self = Self {
            news_left: MAX_NEIGHBOR_ADVERTISEMENT,
            news: Some(now),
            keep_alive: keep_alive.then_some(now),
        };
    }

    /// The address is ours no more.
    pub(crate) fn stop(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.news.into_iter().chain(self.keep_alive).min()
    }

    /// What to send at `now`; call until `None`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Due> {
        if self.news.is_some_and(|at| at <= now) {
            self.news_left = self.news_left.saturating_sub(1);
            self.news = (self.news_left > 0).then(|| now + RETRANS_TIMER);
            return Some(Due::News);
        }
        if self.keep_alive.is_some_and(|at| at <= now) {
            self.keep_alive = Some(now + KEEP_ALIVE);
            return Some(Due::KeepAlive);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4861_section_7_2_6_three_times_and_then_silence() {
        let mut announcer = Announcer::new();
        announcer.start(Instant::from_millis(0), false);
        let sent: std::vec::Vec<u64> = (0..100)
            .map(|tick| tick * 100)
            .filter(|ms| announcer.poll(Instant::from_millis(*ms)) == Some(Due::News))
            .collect();
        assert_eq!(sent, [0, 1000, 2000]);
        assert_eq!(announcer.next_timer(), None);
    }

    #[test]
    fn routers_hear_every_five_seconds() {
        let mut announcer = Announcer::new();
        announcer.start(Instant::from_millis(0), true);
        let mut sent = std::vec::Vec::new();
        for ms in (0..20_000).step_by(100) {
            while let Some(due) = announcer.poll(Instant::from_millis(ms)) {
                sent.push((ms, due));
            }
        }
        sent.retain(|(_, due)| *due == Due::KeepAlive);
        assert_eq!(sent.iter().map(|(ms, _)| *ms).collect::<std::vec::Vec<_>>(), [0, 5000, 10_000, 15_000]);
        announcer.stop();
        assert_eq!(announcer.next_timer(), None);
    }
}
