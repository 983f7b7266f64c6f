//! Delay, loss and reordering.

use smoltcp::time::Duration;

/// A link between two neighbours, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// How long every packet takes.
    pub delay: Duration,
    /// Packets lost, in thousandths.
    pub loss: u16,
    /// Packets held back so that later ones overtake them, in thousandths.
    pub reorder: u16,
}

impl Link {
    /// A link that loses nothing.
    #[must_use]
    pub const fn perfect(delay: Duration) -> Self {
        Self { delay, loss: 0, reorder: 0 }
    }

    /// When a packet sent at this moment arrives, after the given wait; `None` when it is lost.
    pub(crate) fn deliver(&self, rng: &mut Rng) -> Option<Duration> {
        if rng.below(1000) < self.loss {
            return None;
        }
        let held = if rng.below(1000) < self.reorder { self.delay * 3 } else { Duration::ZERO };
        Some(self.delay + held)
    }
}

/// xorshift64*: repeatable, and good enough to lose packets by.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u16) -> u16 {
        u16::try_from((self.next() >> 32) % u64::from(limit)).unwrap_or_default()
    }
}
