//! What was counted, and how it is said on standard error.

use crate::pcap::{ReadError, Record, link};
use clat_core::{DropReason, Parts};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// Counters of one run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Packets read.
    pub(super) packets: u64,
    /// Packets that became several.
    pub(super) fragmented: u64,
    /// ICMP errors made.
    pub(super) replies: u64,
    /// Frames without an IP packet.
    pub(crate) not_ip: u64,
    /// Blocks of a pcapng that contradict themselves.
    pub(crate) malformed_blocks: u64,
    /// Packets that concern nobody beyond the link.
    pub(crate) link_chatter: u64,
    /// Packets that a device did not take.
    pub(crate) not_written: u64,
    v4_to_v6: u64,
    v6_to_v4: u64,
    pieces: u64,
    cut_short: u64,
    unknown_links: BTreeMap<u16, u64>,
    drops: BTreeMap<DropReason, u64>,
}

impl Tally {
    /// Counts a packet that was read.
    pub(crate) fn record(&mut self, record: &Record<'_>) {
        self.packets += 1;
        self.cut_short += u64::from(record.is_cut());
        if !link::is_known(record.link) && self.unknown_links.len() < 16 {
            *self.unknown_links.entry(record.link).or_default() += 1;
        }
    }

    /// Counts a translation.
    pub(super) fn forward(&mut self, parts: &Parts<'_>) {
        match parts.head().first().map(|b| b >> 4) {
            Some(6) => self.v4_to_v6 += 1,
            _ => self.v6_to_v4 += 1,
        }
    }

    /// Counts one of several packets that a packet became.
    pub(super) fn piece(&mut self, parts: &Parts<'_>, is_first: bool) {
        self.pieces += 1;
        if is_first {
            self.forward(parts);
        }
    }

    /// Counts a packet that was not translated.
    pub(super) fn drop(&mut self, reason: DropReason) {
        *self.drops.entry(reason).or_default() += 1;
    }

    /// Takes over what a data path counted.
    #[cfg(any(target_os = "linux", windows))]
    pub(crate) fn translated(&mut self, v4_to_v6: u64, v6_to_v4: u64, replies: u64) {
        (self.v4_to_v6, self.v6_to_v4, self.replies) = (v4_to_v6, v6_to_v4, replies);
    }

    /// Takes over what a data path dropped.
    #[cfg(any(target_os = "linux", windows))]
    pub(crate) fn dropped(&mut self, drops: impl Iterator<Item = (DropReason, u64)>) {
        self.drops = drops.collect();
    }

    /// Says all of it on standard error.
    pub(crate) fn report(&self, input: &Path, ended: Option<&ReadError>) {
        let mut lines = self.lines();
        if let Some(error) = ended {
            lines.push(format!("warning: {}: {error}; what came before it was translated", input.display()));
        }
        // A reader that had enough of it (`2>&1 | head`) is no failure.
        let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
    }

    fn lines(&self) -> Vec<String> {
        let dropped: u64 = self.drops.values().sum();
        let mut lines = vec![format!(
            "{} packets: {} IPv4 to IPv6, {} IPv6 to IPv4, {dropped} dropped, {} answered with an ICMP error",
            self.packets, self.v4_to_v6, self.v6_to_v4, self.replies
        )];
        if self.fragmented > 0 {
            lines.push(format!("{} packets left in {} fragments", self.fragmented, self.pieces));
        }
        for (reason, count) in &self.drops {
            lines.push(format!("drop {}: {count} ({})", reason.as_str(), reason.section()));
        }
        if self.not_ip > 0 {
            lines.push(format!("skipped: {} frames without an IP packet", self.not_ip));
        }
        if self.link_chatter > 0 {
            lines.push(format!("skipped: {} packets of the link itself", self.link_chatter));
        }
        lines.extend(self.warnings());
        lines
    }

    fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (link, count) in &self.unknown_links {
            lines.push(format!("warning: {count} packets are of link type {link}, which is not read here"));
        }
        if self.cut_short > 0 {
            let count = self.cut_short;
            lines.push(format!(
                "warning: {count} packets were cut short when they were captured; capture with -s 0 to have them whole"
            ));
        }
        if self.not_written > 0 {
            lines.push(format!("warning: {} packets were not taken by the device", self.not_written));
        }
        if self.malformed_blocks > 0 {
            lines.push(format!(
                "warning: {} blocks contradict themselves and were left out",
                self.malformed_blocks
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_contract() {
        let mut tally = Tally { packets: 9, replies: 1, not_ip: 2, ..Tally::default() };
        tally.drop(DropReason::TooBig);
        tally.drop(DropReason::HopLimit);
        tally.drop(DropReason::HopLimit);
        assert_eq!(
            tally.lines(),
            [
                "9 packets: 0 IPv4 to IPv6, 0 IPv6 to IPv4, 3 dropped, 1 answered with an ICMP error",
                "drop hop_limit: 2 (RFC 7915 sections 4.1 and 5.1)",
                "drop too_big: 1 (RFC 7915 sections 4.1 and 5.1)",
                "skipped: 2 frames without an IP packet",
            ]
        );
    }

    #[test]
    fn what_the_capture_lacks_is_said() {
        let mut tally = Tally { malformed_blocks: 1, ..Tally::default() };
        let (time, precision) = (std::time::Duration::ZERO, crate::pcap::Precision::Micro);
        tally.record(&Record { link: 147, time, precision, wire_len: 9, data: &[0; 8] });
        let lines = tally.lines().join("\n");
        for part in ["1 packets are of link type 147", "1 packets were cut short", "1 blocks contradict"] {
            assert!(lines.contains(part), "{lines}");
        }
    }
}
