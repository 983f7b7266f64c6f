//! The packets that were dropped last, with the reason, for whoever asks why something does not work.

use clat_core::DropReason;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// So many are kept.
const KEPT: usize = 16;

/// So many bytes of each: the network header.
const HEAD: usize = 40;

/// A packet that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub reason: DropReason,
    head: [u8; HEAD],
    len: usize,
}

/// The last drops. The data thread never waits for a reader: a drop that meets one is not kept.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    slots: [Option<Dropped>; KEPT],
    next: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Self { slots: [None; KEPT], next: 0 }
    }
}

impl Recent {
    pub(crate) fn push(&self, packet: &[u8], reason: DropReason) {
        let Ok(mut ring) = self.0.try_lock() else { return };
        let mut head = [0; HEAD];
        head.iter_mut().zip(packet).for_each(|(to, from)| *to = *from);
        let next = ring.next;
        if let Some(slot) = ring.slots.get_mut(next) {
            *slot = Some(Dropped { at: SystemTime::now(), reason, head, len: packet.len() });
        }
        ring.next = (next + 1) % KEPT;
    }

    /// The last drops, newest at the end.
    #[must_use]
    pub fn list(&self) -> Vec<Dropped> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (newer, older) = ring.slots.split_at(ring.next);
        older.iter().chain(newer).copied().flatten().collect()
    }
}

impl fmt::Display for Dropped {
    /// Source, destination, protocol number and length, as far as they are there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let h = &self.head;
        let at = |i: usize| h.get(i..).unwrap_or_default();
        match (h.first().map(|b| b >> 4), self.len) {
            (Some(4), 20..) => {
                let v4 = |i| at(i).first_chunk::<4>().map_or(Ipv4Addr::UNSPECIFIED, |b| Ipv4Addr::from(*b));
                write!(
                    f,
                    "{} > {} protocol {}, {} bytes",
                    v4(12),
                    v4(16),
                    at(9).first().unwrap_or(&0),
                    self.len
                )
            }
            (Some(6), 40..) => {
                let v6 = |i| at(i).first_chunk::<16>().map_or(Ipv6Addr::UNSPECIFIED, |b| Ipv6Addr::from(*b));
                write!(
                    f,
                    "{} > {} next header {}, {} bytes",
                    v6(8),
                    v6(24),
                    at(6).first().unwrap_or(&0),
                    self.len
                )
            }
            (_, len) => write!(f, "{len} bytes without an IP header"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_sixteen_are_kept_in_order() {
        let recent = Recent::default();
        for len in 0..20 {
            recent.push(&vec![0; len], DropReason::Truncated);
        }
        let lengths: Vec<usize> = recent.list().iter().map(|d| d.len).collect();
        assert_eq!(lengths, (4..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_packet_in_a_few_words() {
        let recent = Recent::default();
        let mut v4 = [0; 28];
        (v4[0], v4[9]) = (0x45, 17);
        v4[12..20].copy_from_slice(&[192, 0, 0, 1, 192, 0, 2, 1]);
        recent.push(&v4, DropReason::HopLimit);
        let mut v6 = [0; 48];
        (v6[0], v6[6], v6[23], v6[39]) = (0x60, 58, 1, 2);
        recent.push(&v6, DropReason::HopLimit);
        recent.push(&v6[..10], DropReason::Truncated);
        let words: Vec<String> = recent.list().iter().map(Dropped::to_string).collect();
        assert_eq!(
            words,
            [
                "192.0.0.1 > 192.0.2.1 protocol 17, 28 bytes",
                "::1 > ::2 next header 58, 48 bytes",
                "10 bytes without an IP header"
            ]
        );
    }
}
