//! What becomes of a packet.

use crate::{DropReason, Fragments, Offload, Parts};
use core::ops::Range;

/// What becomes of a packet.
#[derive(Clone, Debug)]
#[must_use]
pub enum Verdict<'p> {
    /// It leaves in the other family.
    Forward(Parts<'p>),
    /// It leaves in the other family in several packets.
    Fragment(Fragments<'p>),
    /// It is dropped, and this ICMP error goes back to its sender.
    Reply(Parts<'p>, DropReason),
    /// It is dropped without a word.
    Drop(DropReason),
    /// The super-packet cannot leave as one: cut it into its segments of [`Gso::size`](crate::Gso)
    /// payload bytes, complete their checksums, and translate each by itself. It never happens to a
    /// packet without [`Offload::gso`].
    Segment,
}

/// What becomes of a packet that is translated in its own buffer.
#[derive(Debug)]
#[must_use]
#[allow(clippy::large_enum_variant)] // no heap to put it on
pub enum InPlace<'b> {
    /// The translated packet stands in this range of the buffer.
    Forward(Range<usize>, Offload),
    /// The result is not one packet at that place (or the room before or behind it was too small); the
    /// buffer is unchanged.
    Other(Verdict<'b>),
}
