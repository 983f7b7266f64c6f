//! Captures out: raw IP packets in the classic format or in pcapng, as a stream.

use super::Precision;
use super::classic::{MAGIC_MICRO, MAGIC_NANO};
use super::link::RAW;
use super::ng::{BYTE_ORDER_MAGIC, ENHANCED_PACKET, INTERFACE_DESCRIPTION, OPTION_TSRESOL, SECTION_HEADER};
use std::io::{self, Write};
use std::time::Duration;

/// The snapshot length that tcpdump writes; no IP packet is longer.
const SNAPLEN: u32 = 262_144;

const OPTION_COMMENT: u16 = 1;
const OPTION_EPB_FLAGS: u16 = 2;
const OPTION_IF_NAME: u16 = 2;
const OPTION_IF_DESCRIPTION: u16 = 3;
const OPTION_SHB_USERAPPL: u16 = 4;

/// A capture being written.
#[derive(Debug)]
pub(crate) enum Writer<W> {
    /// pcap
    Classic(ClassicWriter<W>),
    /// pcapng with one interface
    Ng(NgWriter<W>),
}

impl<W: Write> Writer<W> {
    /// Writes the file header of a pcap.
    pub(crate) fn classic(out: W, precision: Precision) -> io::Result<Self> {
        ClassicWriter::new(out, precision).map(Self::Classic)
    }

    /// Writes the section header of a pcapng and the description of its interface.
    pub(crate) fn ng(out: W) -> io::Result<Self> {
        let mut writer = NgWriter::new(out)?;
        writer.interface("clat", "packets that the translator emits, to either side")?;
        Ok(Self::Ng(writer))
    }

    /// Writes a packet that is given in pieces.
    pub(crate) fn packet(&mut self, time: Duration, pieces: &[&[u8]]) -> io::Result<()> {
        match self {
            Self::Classic(writer) => writer.packet(time, pieces),
            Self::Ng(writer) => writer.packet(0, time, pieces, Notes::default()),
        }
    }

    /// Hands everything to the operating system.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Classic(writer) => writer.out.flush(),
            Self::Ng(writer) => writer.flush(),
        }
    }
}

/// The classic format, little endian.
#[derive(Debug)]
pub(crate) struct ClassicWriter<W> {
    out: W,
    precision: Precision,
}

impl<W: Write> ClassicWriter<W> {
    fn new(mut out: W, precision: Precision) -> io::Result<Self> {
        let magic = match precision {
            Precision::Micro => MAGIC_MICRO,
            Precision::Nano => MAGIC_NANO,
        };
        out.write_all(&magic.to_le_bytes())?;
        out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        out.write_all(&SNAPLEN.to_le_bytes())?;
        out.write_all(&u32::from(RAW).to_le_bytes())?;
        Ok(Self { out, precision })
    }

    fn packet(&mut self, time: Duration, pieces: &[&[u8]]) -> io::Result<()> {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let fraction = match self.precision {
            Precision::Micro => time.subsec_micros(),
            Precision::Nano => time.subsec_nanos(),
        };
        let len = total(pieces)?;
        let mut header = [0; 16];
        for (field, value) in header.chunks_exact_mut(4).zip([seconds, fraction, len, len]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        self.out.write_all(&header)?;
        pieces.iter().try_for_each(|piece| self.out.write_all(piece))
    }
}

/// What is said about a packet beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes<'a> {
    /// For a person.
    pub(crate) comment: Option<&'a str>,
    /// Which way it went.
    pub(crate) direction: Option<Direction>,
}

/// Bits 0 and 1 of `epb_flags`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// Towards whoever captures.
    Inbound = 1,
    /// From whoever captures.
    Outbound = 2,
}

/// pcapng, little endian, times in nanoseconds.
#[derive(Debug)]
pub(crate) struct NgWriter<W> {
    out: W,
    interfaces: u32,
    packets: u64,
    /// Bytes written so far.
    written: u64,
}

impl<W: Write> NgWriter<W> {
    /// Writes the section header.
    pub(crate) fn new(out: W) -> io::Result<Self> {
        let mut writer = Self { out, interfaces: 0, packets: 0, written: 0 };
        let mut body = Vec::new();
        body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        // The length of the section is not known.
        body.extend(u64::MAX.to_le_bytes());
        let program = concat!("clat-cli ", env!("CARGO_PKG_VERSION"));
        push_option(&mut body, OPTION_SHB_USERAPPL, program.as_bytes());
        push_option(&mut body, 0, &[]);
        writer.block(SECTION_HEADER, &[&body])?;
        Ok(writer)
    }

    /// Describes one more interface of raw IP packets, and returns its number.
    pub(crate) fn interface(&mut self, name: &str, description: &str) -> io::Result<u32> {
        let mut body = Vec::new();
        body.extend(RAW.to_le_bytes());
        body.extend([0, 0]);
        body.extend(SNAPLEN.to_le_bytes());
        push_option(&mut body, OPTION_IF_NAME, name.as_bytes());
        push_option(&mut body, OPTION_IF_DESCRIPTION, description.as_bytes());
        push_option(&mut body, OPTION_TSRESOL, &[9]);
        push_option(&mut body, 0, &[]);
        self.block(INTERFACE_DESCRIPTION, &[&body])?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Writes a packet that is given in pieces.
    pub(crate) fn packet(
        &mut self,
        interface: u32,
        time: Duration,
        pieces: &[&[u8]],
        notes: Notes<'_>,
    ) -> io::Result<()> {
        let ticks = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let len = total(pieces)?;
        let mut head = [0; 20];
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the ticks")]
        let fields = [interface, (ticks >> 32) as u32, ticks as u32, len, len];
        for (field, value) in head.chunks_exact_mut(4).zip(fields) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        let padding = &[0; 3][..len.next_multiple_of(4).wrapping_sub(len) as usize];
        let mut options = Vec::new();
        if let Some(comment) = notes.comment {
            push_option(&mut options, OPTION_COMMENT, comment.as_bytes());
        }
        if let Some(direction) = notes.direction {
            push_option(&mut options, OPTION_EPB_FLAGS, &(direction as u32).to_le_bytes());
        }
        if !options.is_empty() {
            push_option(&mut options, 0, &[]);
        }
        let runs: Vec<&[u8]> =
            [&head[..]].into_iter().chain(pieces.iter().copied()).chain([padding, &options]).collect();
        self.packets += 1;
        self.block(ENHANCED_PACKET, &runs)
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Whether a packet was written so far.
    pub(crate) fn has_packets(&self) -> bool {
        self.packets > 0
    }

    /// Where it is written to.
    pub(crate) fn get_ref(&self) -> &W {
        &self.out
    }

    /// Hands everything to the operating system.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn block(&mut self, block_type: u32, body: &[&[u8]]) -> io::Result<()> {
        let len = total(body)?.saturating_add(12);
        self.out.write_all(&block_type.to_le_bytes())?;
        self.out.write_all(&len.to_le_bytes())?;
        body.iter().try_for_each(|run| self.out.write_all(run))?;
        self.out.write_all(&len.to_le_bytes())?;
        self.written += u64::from(len);
        Ok(())
    }
}

fn total(pieces: &[&[u8]]) -> io::Result<u32> {
    let len: usize = pieces.iter().map(|piece| piece.len()).sum();
    u32::try_from(len).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a record of more than 4 GiB"))
}

/// Code, length, value, padding to four bytes. A value that is too long is cut.
fn push_option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(&value[..usize::from(len)]);
    body.resize(body.len().next_multiple_of(4), 0);
}
