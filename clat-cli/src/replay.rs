//! `--source pcap:FILE`: a capture in place of a network.
//!
//! Nothing of the host is changed. Without a device (`--capture` alone) no privileges are needed. What is played and what
//! is said of it is the same on every platform; the data path that plays it is the platform's.

use crate::cli::{Source, Speed};
use crate::config::Settings;
use crate::pcap::link::{self, Payload};
use crate::pcap::{ReadError, Reader};
use crate::translate::{BoxRead, Tally, open_input};
use clat_core::DropReason;
use clat_offload::recording::{Pace, Recording};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The capture that is played.
pub(crate) struct Recorded {
    reader: Reader<BoxRead>,
    seen: Arc<Mutex<Seen>>,
}

/// What was found in it so far.
#[derive(Debug, Default)]
struct Seen {
    tally: Tally,
    ended: Option<ReadError>,
}

/// What is said of it at the end.
#[derive(Debug)]
pub(crate) struct Summary {
    path: PathBuf,
    seen: Arc<Mutex<Seen>>,
}

/// Opens the capture that the settings name, if any.
pub(crate) fn open(settings: &Settings) -> anyhow::Result<Option<(Recorded, Summary)>> {
    let Source::Replay(path) = &settings.source else { return Ok(None) };
    let (reader, _) = open_input(path)?;
    let seen = Arc::default();
    Ok(Some((Recorded { reader, seen: Arc::clone(&seen) }, Summary { path: path.clone(), seen })))
}

/// How fast the settings want it played.
pub(crate) fn pace(settings: &Settings) -> Pace {
    match settings.speed {
        Speed::Real => Pace::Real,
        Speed::Max => Pace::Max,
    }
}

impl Recording for Recorded {
    fn next(&mut self, packet: &mut Vec<u8>) -> Option<Duration> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match self.reader.next() {
                Ok(Some(record)) => {
                    seen.tally.record(&record);
                    if let Some(found) = ip(link::payload(record.link, record.data)) {
                        packet.clear();
                        packet.extend_from_slice(found);
                        return Some(record.time);
                    }
                    seen.tally.not_ip += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    seen.ended = Some(error);
                    break;
                }
            }
        }
        seen.tally.malformed_blocks = self.reader.malformed_blocks();
        None
    }
}

/// The packet, where it is what its frame says.
fn ip(payload: Payload<'_>) -> Option<&[u8]> {
    let version = |packet: &[u8]| packet.first().map_or(0, |b| b >> 4);
    match payload {
        Payload::Ip(packet) => Some(packet),
        Payload::V4(packet) => Some(packet).filter(|packet| version(packet) == 4),
        Payload::V6(packet) => Some(packet).filter(|packet| version(packet) == 6),
        Payload::NotIp => None,
    }
}

/// What a data path counted of it, in packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<D> {
    pub(crate) v4_to_v6: u64,
    pub(crate) v6_to_v4: u64,
    /// ICMP errors made.
    pub(crate) replies: u64,
    /// Dropped, by reason.
    pub(crate) drops: D,
    /// Concerned nobody beyond the link.
    pub(crate) noise: u64,
    /// Not taken by the device.
    pub(crate) not_written: u64,
}

impl Summary {
    /// Says what became of the packets.
    pub(crate) fn tell(&self, counted: Counted<impl Iterator<Item = (DropReason, u64)>>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { tally, ended } = &mut *seen;
        tally.translated(counted.v4_to_v6, counted.v6_to_v4, counted.replies);
        tally.dropped(counted.drops);
        tally.link_chatter = counted.noise;
        tally.not_written = counted.not_written;
        tally.report(&self.path, ended.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_what_its_frame_says() {
        assert_eq!(ip(Payload::V4(&[0x45, 0])), Some(&[0x45, 0][..]));
        assert_eq!(ip(Payload::V4(&[0x60, 0])), None);
        assert_eq!(ip(Payload::V6(&[0x45, 0])), None);
        assert_eq!(ip(Payload::Ip(&[0x60])), Some(&[0x60][..]));
        assert_eq!(ip(Payload::NotIp), None);
    }
}
