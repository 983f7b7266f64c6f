//! Translation in the packet's own buffer: the head is written over the old one, the tail stays.

use super::{Fate, Translator, fast, v4_to_v6, v6_to_v4};
use crate::parts::Rewrite;
use crate::{AddressMap, DropReason, InPlace, Offload, QueueState};
use core::ops::Range;

#[inline]
pub(super) fn translate<'b, M: AddressMap>(
    translator: &Translator<M>,
    buf: &'b mut [u8],
    packet: Range<usize>,
    mut offload: Offload,
    state: &mut QueueState,
) -> InPlace<'b> {
    let written = match (buf.get(packet.start).map(|b| b >> 4), &translator.fast) {
        (Some(4), Some(pair)) => fast::in_place_v4_to_v6(pair, buf, &packet, &mut offload),
        (Some(6), Some(pair)) => fast::in_place_v6_to_v4(pair, buf, &packet, &mut offload, state),
        _ => None,
    };
    match written {
        Some(range) => InPlace::Forward(range, offload),
        None => general(translator, buf, packet, offload, state),
    }
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
    let mut rewrite = Rewrite::default();
    let fate = match bytes.first().map(|b| b >> 4) {
        Some(4) => v4_to_v6::fate(translator, bytes, offload, state, &mut rewrite),
        Some(6) => v6_to_v4::fate(translator, bytes, offload, state, &mut rewrite),
        Some(_) => Fate::Drop(DropReason::BadVersion),
        None => Fate::Drop(DropReason::Truncated),
    };
    if let Fate::Forward = &fate
        && let Some(range) = write(&rewrite, packet.start, buf)
    {
        return InPlace::Forward(range, rewrite.offload);
    }
    let bytes = buf.get(packet).unwrap_or_default();
    InPlace::Other(fate.of(bytes, rewrite))
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
