//! The file being written, and those before it.

use super::{Limits, Way};
use crate::pcap::writer::{Direction, NgWriter, Notes};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// The interfaces of each file, in their order.
const INTERFACES: [(&str, &str); 2] =
    [("ipv4", "the translator's IPv4 side"), ("ipv6", "the translator's IPv6 side")];

/// Bytes of a record beside its packet and comment: block and options.
const RECORD_OVERHEAD: u64 = 64;

/// A pcapng that begins anew when it is full.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    limits: Limits,
    writer: NgWriter<BufWriter<File>>,
}

impl Files {
    pub(super) fn create(path: &Path, limits: Limits) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() > 0) {
            shift(path, limits.old_files)?;
        }
        Ok(Self { path: path.to_owned(), limits, writer: begin(open(path)?)? })
    }

    /// Writes one packet, to the next file if it does not fit into this one.
    pub(super) fn packet(
        &mut self,
        time: Duration,
        way: Way,
        packet: &[u8],
        comment: Option<&str>,
    ) -> io::Result<()> {
        let len = packet.len() as u64 + comment.map_or(0, |c| c.len() as u64) + RECORD_OVERHEAD;
        if self.writer.written() + len > self.limits.file_bytes && self.writer.has_packets() {
            self.next_file()?;
        }
        let interface = u32::from(packet.first().is_some_and(|b| b >> 4 == 6));
        let direction = Some(match way {
            Way::In => Direction::Inbound,
            Way::Out => Direction::Outbound,
        });
        self.writer.packet(interface, time, &[packet], Notes { comment, direction })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn next_file(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        let next = shift(&self.path, self.limits.old_files).and_then(|()| open(&self.path));
        let file = match next {
            Ok(file) => file,
            // The folder is out of reach (privileges were given up): the newest packets matter most.
            Err(error) => {
                warn!("{}: no new file can be begun ({error}); it starts over", self.path.display());
                let mut file = self.writer.get_ref().get_ref().try_clone()?;
                file.set_len(0)?;
                file.rewind()?;
                file
            }
        };
        self.writer = begin(file)?;
        Ok(())
    }
}

fn begin(file: File) -> io::Result<NgWriter<BufWriter<File>>> {
    let mut writer = NgWriter::new(BufWriter::with_capacity(256 << 10, file))?;
    for (name, description) in INTERFACES {
        writer.interface(name, description)?;
    }
    // A file that somebody looks at right away is a capture already.
    writer.flush()?;
    Ok(writer)
}

/// Opens a file that only its owner may read: it holds what people say.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the file the first of the old ones, each old one the next, and removes the last.
fn shift(path: &Path, old_files: u32) -> io::Result<()> {
    for number in (1..old_files).rev() {
        match fs::rename(old_name(path, number), old_name(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match old_files {
        0 => fs::remove_file(path),
        _ => fs::rename(path, old_name(path, 1)),
    }
}

/// `NAME.1.pcapng` for `NAME.pcapng`.
fn old_name(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
