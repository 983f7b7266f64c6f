//! All that changes from packet to packet: one [`QueueState`] a queue, so that threads share nothing.

use core::net::Ipv4Addr;

/// Identification generator and rate limit of one queue.
///
/// Randomness and time come from outside: a seed at the start, [`tick`](Self::tick) once a batch.
#[derive(Clone, Debug)]
pub struct QueueState {
    ident: Ident,
    limit: Limiter,
}

/// How many ICMP errors a queue may make (RFC 7915 section 4.4, RFC 4443 section 2.4 (f)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Errors a second in the long run.
    pub per_second: u16,
    /// Errors in one burst.
    pub burst: u16,
}

impl RateLimit {
    /// 100 a second, 50 at once.
    pub const DEFAULT: Self = Self { per_second: 100, burst: 50 };
}

impl QueueState {
    /// A queue with [`RateLimit::DEFAULT`]. The seed should not be guessable from outside. Who never calls
    /// [`tick`](Self::tick) gets one burst of ICMP errors and no more.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self::with_limit(seed, Some(RateLimit::DEFAULT))
    }

    /// A queue with this limit, or with none.
    #[must_use]
    pub const fn with_limit(seed: u64, limit: Option<RateLimit>) -> Self {
        Self { ident: Ident::new(seed), limit: Limiter::new(limit) }
    }

    /// Tells the time, in milliseconds of any clock that does not go back. It may wrap.
    pub fn tick(&mut self, now_ms: u32) {
        self.limit.tick(now_ms);
    }

    /// How many errors the rate limit kept back.
    #[must_use]
    pub const fn errors_suppressed(&self) -> u32 {
        self.limit.suppressed
    }

    pub(crate) fn may_send_error(&mut self) -> bool {
        self.limit.take()
    }

    #[inline(always)]
    pub(crate) fn next_ident(&mut self, src: Ipv4Addr, dst: Ipv4Addr, protocol: u8) -> u16 {
        self.ident.next(src.to_bits(), dst.to_bits(), protocol)
    }
}

/// Identification values: a counter a bucket of (source, destination, protocol), each advanced by a
/// random step (RFC 7739 section 5.3 in spirit), so that neither the value nor the traffic can be guessed.
#[derive(Clone, Debug)]
struct Ident {
    key: u32,
    random: u32,
    counters: [u16; Self::BUCKETS],
}

impl Ident {
    const BUCKETS: usize = 64;

    #[allow(clippy::cast_possible_truncation)]
    const fn new(seed: u64) -> Self {
        let mut random = (seed as u32) | 1;
        let mut counters = [0; Self::BUCKETS];
        let mut i = 0;
        while i < Self::BUCKETS {
            random = xorshift(random);
            counters[i] = (random >> 8) as u16;
            i += 1;
        }
        Self { key: (seed >> 32) as u32 ^ random, random, counters }
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)]
    fn next(&mut self, src: u32, dst: u32, protocol: u8) -> u16 {
        let mixed = (dst ^ self.key).wrapping_mul(0x9e37_79b1) ^ src.rotate_left(7) ^ u32::from(protocol);
        let bucket = mixed.wrapping_mul(0x85eb_ca6b) >> 26;
        self.random = xorshift(self.random);
        let step = (self.random >> 28) as u16 + 1;
        let Some(counter) = self.counters.get_mut(bucket as usize) else { return 0 };
        *counter = counter.wrapping_add(step);
        *counter
    }
}

#[inline]
const fn xorshift(mut x: u32) -> u32 {
    x ^= x << 13;
    x ^= x >> 17;
    x ^ (x << 5)
}

/// A token bucket in units of 1/1000 error.
#[derive(Clone, Debug)]
struct Limiter {
    limit: Option<RateLimit>,
    tokens: u32,
    last_ms: Option<u32>,
    suppressed: u32,
}

impl Limiter {
    const UNIT: u32 = 1000;

    const fn new(limit: Option<RateLimit>) -> Self {
        let tokens = match limit {
            Some(l) => l.burst as u32 * Self::UNIT,
            None => 0,
        };
        Self { limit, tokens, last_ms: None, suppressed: 0 }
    }

    fn tick(&mut self, now_ms: u32) {
        let Some(limit) = self.limit else { return };
        let elapsed = now_ms.wrapping_sub(self.last_ms.unwrap_or(now_ms));
        self.last_ms = Some(now_ms);
        let earned = elapsed.saturating_mul(u32::from(limit.per_second));
        let full = u32::from(limit.burst) * Self::UNIT;
        self.tokens = self.tokens.saturating_add(earned).min(full);
    }

    fn take(&mut self) -> bool {
        if self.limit.is_none() {
            return true;
        }
        if let Some(left) = self.tokens.checked_sub(Self::UNIT) {
            self.tokens = left;
            return true;
        }
        self.suppressed = self.suppressed.saturating_add(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4443_section_2_4_f_errors_are_limited_and_the_budget_comes_back() {
        let mut q = QueueState::with_limit(1, Some(RateLimit { per_second: 10, burst: 3 }));
        q.tick(u32::MAX - 50);
        assert_eq!((0..10).filter(|_| q.may_send_error()).count(), 3);
        assert_eq!(q.errors_suppressed(), 7);
        q.tick(49);
        assert_eq!((0..10).filter(|_| q.may_send_error()).count(), 1, "100 ms across the wrap");
        q.tick(1_000_000);
        assert_eq!((0..10).filter(|_| q.may_send_error()).count(), 3, "never above the burst");
    }

    #[test]
    fn identification_differs_within_a_flow_and_between_seeds() {
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 0, 1));
        let sequence = |seed| -> Vec<u16> {
            let mut q = QueueState::new(seed);
            (0..2000).map(|_| q.next_ident(a, b, 17)).collect()
        };
        let one = sequence(0x1234_5678_9abc_def0);
        let mut seen = one.clone();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), one.len(), "no repeat within 2000 packets of a flow");
        assert_ne!(one, sequence(2));
        assert_eq!(one, sequence(0x1234_5678_9abc_def0), "the same seed, the same values");
    }

    extern crate std;
    use std::vec::Vec;
}
