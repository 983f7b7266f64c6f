//! Translation in the packet's own buffer: the head is written over the old one, the tail stays.

use super::{Outcome, Translator};
use crate::parts::Rewrite;
use crate::{AddressMap, InPlace, Offload, QueueState};
use core::ops::Range;

pub(super) fn translate<'b, M: AddressMap>(
    translator: &Translator<M>,
    buf: &'b mut [u8],
    packet: Range<usize>,
    offload: Offload,
    state: &mut QueueState,
) -> InPlace<'b> {
    let start = packet.start;
    let bytes = buf.get(packet.clone()).unwrap_or_default();
    let outcome = translator.outcome(bytes, offload, state);
    if let Outcome::Forward(rewrite) = &outcome
        && let Some(range) = write(rewrite, start, buf)
    {
        return InPlace::Forward(range, rewrite.offload);
    }
    let bytes = buf.get(packet).unwrap_or_default();
    InPlace::Other(outcome.of(bytes))
}

/// Puts the head right before the tail. `None`, and nothing written, where that cannot be.
#[inline]
fn write(rewrite: &Rewrite, start: usize, buf: &mut [u8]) -> Option<Range<usize>> {
    if rewrite.extra.len() != 0 {
        return None;
    }
    let tail = start.checked_add(rewrite.tail.start())?;
    let head = tail.checked_sub(rewrite.head.len())?;
    let place = buf.get_mut(head..tail)?;
    for (to, from) in place.iter_mut().zip(rewrite.head.as_slice()) {
        *to = *from;
    }
    Some(head..tail.checked_add(rewrite.tail.len())?)
}
