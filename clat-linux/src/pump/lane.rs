//! The way of one packet where packets are taken one by one: translated, counted, written.

use super::PumpError;
use super::worker::{Counting, seed};
use crate::counters::Counters;
use crate::shared::HostTranslator;
use crate::tap::{Passing, Tap};
use clat_core::{DropReason, Offload, Parts, QueueState, Verdict};
use clat_engine::is_chatter;
use clat_offload::MAX_PACKET;
use clat_offload::segment::Segments;
use clat_offload::unfinished::{self, Unfinished};
use std::io::IoSlice;

/// Where packets go.
pub(super) trait Outlet {
    /// Writes a packet, or keeps it for later.
    fn write(&mut self, parts: &Parts<'_>, counting: &Counting);
}

/// All of a data thread but where packets come from and go to.
#[derive(Debug)]
pub(super) struct Lane<T> {
    pub(super) counting: Counting,
    pub(super) tap: T,
    pub(super) state: QueueState,
}

impl<T: Tap> Lane<T> {
    pub(super) fn new(counters: Counters, tap: T) -> Result<Self, PumpError> {
        Ok(Self { counting: Counting::new(counters, 0), tap, state: QueueState::new(seed()?) })
    }

    /// Takes a packet that may be unfinished, seen on a link with this MTU in bytes.
    pub(super) fn finish_and_take(
        &mut self,
        translator: Option<&HostTranslator>,
        packet: &mut [u8],
        mtu: usize,
        out: &mut impl Outlet,
    ) {
        match unfinished::look(packet, mtu) {
            Some(Unfinished::Super(offload)) => self.cut(translator, packet, (offload, mtu), out),
            Some(Unfinished::Checksum) => {
                unfinished::finish(packet);
                self.packet(translator, packet, out);
            }
            None => self.packet(translator, packet, out),
        }
    }

    /// Takes a packet.
    pub(super) fn packet(
        &mut self,
        translator: Option<&HostTranslator>,
        packet: &[u8],
        out: &mut impl Outlet,
    ) {
        self.tap.packet(Passing::In, &[IoSlice::new(packet)]);
        if is_chatter(packet) {
            self.counting.get().noise.add(1);
            return;
        }
        let Some(translator) = translator else {
            self.counting.get().inactive.add(1);
            return;
        };
        match translator.translate_offloaded(packet, Offload::NONE, &mut self.state) {
            Verdict::Forward(parts) => {
                self.counting.get().forwarded(packet, 1);
                self.write(&parts, out);
            }
            Verdict::Fragment(fragments) => {
                self.counting.get().forwarded(packet, 1);
                for parts in fragments {
                    self.write(&parts, out);
                }
            }
            Verdict::Reply(parts, reason) => {
                self.dropped(reason, packet);
                self.counting.get().replies.add(1);
                self.write(&parts, out);
            }
            Verdict::Drop(reason) => self.dropped(reason, packet),
            // Only for super-packets; they are cut before.
            Verdict::Segment => self.counting.get().unreadable.add(1),
        }
    }

    #[cold]
    fn dropped(&mut self, reason: DropReason, packet: &[u8]) {
        self.counting.get().dropped(reason, packet);
        self.tap.dropped(reason);
    }

    fn cut(
        &mut self,
        translator: Option<&HostTranslator>,
        packet: &[u8],
        (how, mtu): (Offload, usize),
        out: &mut impl Outlet,
    ) {
        let Some(mut segments) = Segments::of(packet, how) else {
            self.counting.get().unreadable.add(1);
            return;
        };
        self.counting.get().segmented.add(1);
        let mut room = vec![0; mtu.clamp(1280, MAX_PACKET)];
        while let Some(len) = segments.next_into(&mut room) {
            self.packet(translator, room.get(..len).unwrap_or_default(), out);
        }
    }

    fn write(&mut self, parts: &Parts<'_>, out: &mut impl Outlet) {
        self.tap.packet(Passing::Out, &parts.slices().map(IoSlice::new));
        out.write(parts, &self.counting);
    }
}

/// Counts a packet that was written, or that was not taken.
pub(super) fn count_sent(counting: &Counting, sent: bool) {
    let counters = counting.get();
    if sent { counters.writes.add(1) } else { counters.write_errors.add(1) }
}
