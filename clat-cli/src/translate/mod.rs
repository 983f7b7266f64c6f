//! `translate`: a capture in, what the translator emits for it out.
//!
//! # Layout
//!
//! - [`files`]: the two captures, found and opened.
//! - [`tally`]: what was counted, and how it is said.
//! - [`progress`]: the line that a person waits by.

mod files;
mod progress;
mod tally;

use crate::cli::TranslateArgs;
use crate::exit::Exit;
use crate::pcap::link::{self, Payload};
use crate::pcap::{ReadError, Reader, Record};
use crate::setup::{self, OfflineTranslator};
use clat_core::{Offload, Parts, QueueState, Verdict};
#[cfg(any(target_os = "linux", windows))]
pub(crate) use files::BoxRead;
use files::Output;
pub(crate) use files::open_input;
#[cfg(any(target_os = "linux", windows))]
pub(crate) use files::refuse_same;
use progress::Progress;
use std::io::{self, Read};
use std::time::Duration;
#[cfg(any(target_os = "linux", windows))]
pub(crate) use tally::Tally;
#[cfg(not(any(target_os = "linux", windows)))]
use tally::Tally;

/// Translates one capture into the other.
pub(crate) fn run(args: &TranslateArgs) -> anyhow::Result<Exit> {
    let translator = setup::translator(args.pref64, args.clat_v4, args.clat_v6, &args.policy)?;
    let (mut reader, size) = open_input(&args.input)?;
    let output = Output::create(&args.output, &args.input)?;
    let mut job = Job { translator, queue: setup::queue(), output, tally: Tally::default() };
    let mut progress = Progress::new(size);
    let ended = job.translate_all(&mut reader, &mut progress);
    progress.clear();
    let ended = ended.and_then(|ended| job.output.finish().map(|()| ended));
    let ended =
        ended.map_err(|e| anyhow::Error::new(e).context(format!("writing {}", args.output.display())))?;
    job.tally.malformed_blocks = reader.malformed_blocks();
    job.tally.report(&args.input, ended.as_ref());
    Ok(Exit::Success)
}

struct Job {
    translator: OfflineTranslator,
    queue: QueueState,
    output: Output,
    tally: Tally,
}

impl Job {
    /// Translates until nothing more can be read, and says when that was before the capture's end.
    ///
    /// # Errors
    /// Those of the output.
    fn translate_all(
        &mut self,
        reader: &mut Reader<impl Read>,
        progress: &mut Progress,
    ) -> io::Result<Option<ReadError>> {
        loop {
            progress.tick(self.tally.packets, reader.offset());
            match reader.next() {
                Ok(Some(record)) => self.translate_one(&record)?,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            }
        }
    }

    fn translate_one(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.tally.record(record);
        self.output.start(record.precision)?;
        let (translator, queue) = (&self.translator, &mut self.queue);
        let verdict = match link::payload(record.link, record.data) {
            Payload::Ip(packet) => translator.translate(packet, queue),
            Payload::V4(packet) => translator.v4_to_v6(packet, Offload::NONE, queue),
            Payload::V6(packet) => translator.v6_to_v4(packet, Offload::NONE, queue),
            Payload::NotIp => {
                self.tally.not_ip += 1;
                return Ok(());
            }
        };
        match verdict {
            Verdict::Forward(parts) => {
                self.tally.forward(&parts);
                self.emit(record.time, &parts)
            }
            Verdict::Fragment(pieces) => {
                self.tally.fragmented += 1;
                pieces.enumerate().try_for_each(|(i, piece)| {
                    self.tally.piece(&piece, i == 0);
                    self.emit(record.time, &piece)
                })
            }
            Verdict::Reply(parts, reason) => {
                self.tally.drop(reason);
                self.tally.replies += 1;
                self.emit(record.time, &parts)
            }
            Verdict::Drop(reason) => {
                self.tally.drop(reason);
                Ok(())
            }
            // Only for packets that a device hands over as super-packets; none is handed over here.
            Verdict::Segment => Ok(()),
        }
    }

    fn emit(&mut self, time: Duration, parts: &Parts<'_>) -> io::Result<()> {
        self.output.packet(time, &parts.slices())
    }
}
