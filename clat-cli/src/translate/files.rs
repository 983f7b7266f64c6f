//! The two captures: found, opened, and never the same.

use crate::exit::usage;
use crate::pcap::writer::Writer;
use crate::pcap::{Precision, Reader, link};
use same_file::Handle;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

/// A capture that is read, wherever it comes from.
pub(crate) type BoxRead = Box<dyn Read + Send>;
type BoxWrite = BufWriter<Box<dyn Write>>;

const WRITE_BUFFER: usize = 256 << 10;

/// Opens a capture, and says how long it is in bytes where that is known.
pub(crate) fn open_input(path: &Path) -> anyhow::Result<(Reader<BoxRead>, Option<u64>)> {
    let refuse = |why: &dyn std::fmt::Display| {
        usage(format!("{}: {why}. Name a capture made by tcpdump or Wireshark", path.display()))
    };
    let (input, size): (BoxRead, _) = if is_dash(path) {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path).map_err(|e| refuse(&format_args!("it cannot be opened: {e}")))?;
        let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
        (Box::new(file), size)
    };
    let reader = Reader::open(input).map_err(|e| refuse(&e))?;
    match reader.link() {
        Some(link) if !link::is_known(link) => Err(refuse(&format_args!(
            "its link type {link} is none of raw IP, Ethernet, Linux cooked and loopback"
        ))),
        _ => Ok((reader, size)),
    }
}

/// The capture that is written. Its header waits for the first packet, which tells how fine the times are.
pub(super) struct Output {
    /// Taken when the header is written.
    waiting: Option<BoxWrite>,
    writer: Option<Writer<BoxWrite>>,
    is_ng: bool,
}

impl Output {
    /// Creates the file. It is pcapng when the name ends so.
    pub(super) fn create(path: &Path, input: &Path) -> anyhow::Result<Self> {
        let is_ng = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("pcapng"));
        let out: Box<dyn Write> = if is_dash(path) {
            Box::new(io::stdout())
        } else {
            refuse_same(path, input)?;
            let file = File::create(path)
                .map_err(|e| usage(format!("{}: it cannot be written: {e}", path.display())))?;
            Box::new(file)
        };
        Ok(Self { waiting: Some(BufWriter::with_capacity(WRITE_BUFFER, out)), writer: None, is_ng })
    }

    /// Writes the header unless it is written already.
    pub(super) fn start(&mut self, precision: Precision) -> io::Result<()> {
        let Some(out) = self.waiting.take() else { return Ok(()) };
        let writer = if self.is_ng { Writer::ng(out) } else { Writer::classic(out, precision) };
        self.writer = Some(writer?);
        Ok(())
    }

    /// Writes a packet that is given in pieces.
    pub(super) fn packet(&mut self, time: Duration, pieces: &[&[u8]]) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), |writer| writer.packet(time, pieces))
    }

    /// Hands everything to the operating system; a capture without packets has its header too.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.start(Precision::Micro)?;
        self.writer.as_mut().map_or(Ok(()), Writer::finish)
    }
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Creating OUT would empty IN, by whatever name or link it goes.
pub(crate) fn refuse_same(output: &Path, input: &Path) -> anyhow::Result<()> {
    let Ok(output_handle) = Handle::from_path(output) else { return Ok(()) };
    let input_handle = if is_dash(input) { Handle::stdin() } else { Handle::from_path(input) };
    if input_handle.is_ok_and(|input| input == output_handle) && output.is_file() {
        return Err(usage(format!("{} is the input too; name another output", output.display())));
    }
    Ok(())
}
