//! One record after the other from a capture of either format.

use super::Record;
use super::classic::{self, Classic};
use super::ng::Ng;
use super::source::Source;
use std::fmt;
use std::io::{self, Read};

/// A capture being read.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    source: Source<R>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Classic(Classic),
    Ng(Ng),
}

/// Why a stream is no capture.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// It cannot be read.
    Io(io::Error),
    /// It starts like neither format.
    NotACapture,
}

/// Why reading ended before the end of the capture. What came before is good.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The stream cannot be read any further.
    Io(io::Error),
    /// The stream ends within the record that starts here.
    CutShort {
        /// Bytes from the start of the stream.
        offset: u64,
    },
    /// The record that starts here contradicts itself, so that the next one cannot be found.
    Corrupt {
        /// Bytes from the start of the stream.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl<R: Read> Reader<R> {
    /// Recognises the format.
    pub(crate) fn open(inner: R) -> Result<Self, OpenError> {
        let mut source = Source::new(inner);
        let start = source.peek(classic::FILE_HEADER).map_err(OpenError::Io)?;
        if let Some(classic) = Classic::recognise(start) {
            source.consume(classic::FILE_HEADER);
            return Ok(Self { source, format: Format::Classic(classic) });
        }
        if Ng::recognise(start) {
            return Ok(Self { source, format: Format::Ng(Ng::default()) });
        }
        Err(OpenError::NotACapture)
    }

    /// The next packet, or `None` at the end. After an error there is nothing more to be read.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        match &mut self.format {
            Format::Classic(classic) => classic.next(&mut self.source),
            Format::Ng(ng) => ng.next(&mut self.source),
        }
    }

    /// The one link type of the file; `None` where each interface has its own (pcapng).
    pub(crate) fn link(&self) -> Option<u16> {
        match &self.format {
            Format::Classic(classic) => Some(classic.link()),
            Format::Ng(_) => None,
        }
    }

    /// Packet blocks that were skipped because they contradict themselves (pcapng).
    pub(crate) fn malformed_blocks(&self) -> u64 {
        match &self.format {
            Format::Classic(_) => 0,
            Format::Ng(ng) => ng.malformed(),
        }
    }

    /// How many bytes of the stream were consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.source.offset()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "it cannot be read: {e}"),
            Self::NotACapture => f.write_str("it is neither a pcap nor a pcapng file"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "it cannot be read any further: {e}"),
            Self::CutShort { offset } => write!(f, "it ends within the record at byte {offset}"),
            Self::Corrupt { offset, what } => write!(f, "the record at byte {offset} is corrupt: {what}"),
        }
    }
}

impl std::error::Error for OpenError {}
impl std::error::Error for ReadError {}
