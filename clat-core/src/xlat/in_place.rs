//! Translation in the packet's own buffer: the head is written over the old one, the tail stays.

use super::fast::{self, Fast};
use super::{Outcome, Translator, v4_to_v6, v6_to_v4};
use crate::parts::Rewrite;
use crate::{AddressMap, DropReason, InPlace, Offload, QueueState};
use core::ops::Range;

#[inline]
pub(super) fn translate<'b, M: AddressMap>(
    translator: &Translator<M>,
    buf: &'b mut [u8],
    packet: Range<usize>,
    offload: Offload,
    state: &mut QueueState,
) -> InPlace<'b> {
    let bytes = buf.get(packet.clone()).unwrap_or_default();
    let written = match bytes.first().map(|b| b >> 4) {
        Some(4) => fast::v4_to_v6(translator, bytes, offload)
            .and_then(|fast| Some((patch(&fast, packet.start, buf)?, fast.offload))),
        Some(6) => fast::v6_to_v4(translator, bytes, offload, state)
            .and_then(|fast| Some((patch(&fast, packet.start, buf)?, fast.offload))),
        _ => None,
    };
    match written {
        Some((range, offload)) => InPlace::Forward(range, offload),
        None => general(translator, buf, packet, offload, state),
    }
}

/// Puts the header right before the payload and the front of the payload over its old one.
#[inline(always)]
fn patch<const H: usize>(fast: &Fast<H>, start: usize, buf: &mut [u8]) -> Option<Range<usize>> {
    let payload = start.checked_add(fast.payload.start())?;
    let end = payload.checked_add(fast.payload.len())?;
    let (before, behind) = buf.split_at_mut_checked(payload)?;
    let header = before.last_chunk_mut::<H>()?;
    fast.front.patch(behind)?;
    *header = fast.header;
    Some(payload.saturating_sub(H)..end)
}

#[cold]
fn general<'b, M: AddressMap>(
    translator: &Translator<M>,
    buf: &'b mut [u8],
    packet: Range<usize>,
    offload: Offload,
    state: &mut QueueState,
) -> InPlace<'b> {
    let bytes = buf.get(packet.clone()).unwrap_or_default();
    let outcome = match bytes.first().map(|b| b >> 4) {
        Some(4) => v4_to_v6::outcome(translator, bytes, offload, state),
        Some(6) => v6_to_v4::outcome(translator, bytes, offload, state),
        Some(_) => Outcome::Drop(DropReason::BadVersion),
        None => Outcome::Drop(DropReason::Truncated),
    };
    if let Outcome::Forward(rewrite) = &outcome
        && let Some(range) = write(rewrite, packet.start, buf)
    {
        return InPlace::Forward(range, rewrite.offload);
    }
    let bytes = buf.get(packet).unwrap_or_default();
    InPlace::Other(outcome.of(bytes))
}

/// Puts the head right before the tail. `None`, and nothing written, where that cannot be.
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
