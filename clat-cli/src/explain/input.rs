//! The packet to explain.

use crate::cli::ExplainArgs;
use crate::exit::usage;
use crate::pcap::link::{self, Payload};
use crate::translate::open_input;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A hex dump of the largest packet is far shorter.
const MAX_TEXT: u64 = 1 << 20;
const ETHERNET: u16 = 1;

/// A packet, and what is to be said about where it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) packet: Vec<u8>,
    pub(super) note: Option<String>,
}

/// The packet that the arguments name.
pub(super) fn packet(args: &ExplainArgs) -> anyhow::Result<Found> {
    if let Some(path) = &args.pcap {
        return from_capture(path, args.packet);
    }
    let text = match &args.file {
        Some(path) => read_text(path)?,
        None => args.hex.join(" "),
    };
    let bytes = parse_hex(&text).map_err(usage)?;
    Ok(without_ethernet(bytes))
}

fn from_capture(path: &Path, number: u64) -> anyhow::Result<Found> {
    let (mut reader, _) = open_input(path)?;
    let mut seen = 0;
    loop {
        let record = reader.next().map_err(|e| usage(format!("{}: {e}", path.display())))?;
        let Some(record) = record else {
            return Err(usage(format!("{} holds {seen} packets, none is number {number}", path.display())));
        };
        seen += 1;
        if seen < number {
            continue;
        }
        let packet = match link::payload(record.link, record.data) {
            Payload::Ip(packet) | Payload::V4(packet) | Payload::V6(packet) => packet.to_vec(),
            Payload::NotIp => {
                return Err(usage(format!("packet {number} of {} is not an IP packet", path.display())));
            }
        };
        let note = record.is_cut().then(|| {
            format!("Only {} of {} bytes of the frame were captured.", record.data.len(), record.wire_len)
        });
        return Ok(Found { packet, note });
    }
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    let refuse = |e: io::Error| usage(format!("{}: it cannot be read: {e}", path.display()));
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().take(MAX_TEXT).read_to_end(&mut bytes).map_err(refuse)?;
    } else {
        let file = File::open(path).map_err(refuse)?;
        file.take(MAX_TEXT).read_to_end(&mut bytes).map_err(refuse)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A frame copied whole: its header is taken off when no IP version can be read in it.
fn without_ethernet(bytes: Vec<u8>) -> Found {
    if matches!(bytes.first().map(|b| b >> 4), Some(4 | 6)) {
        return Found { packet: bytes, note: None };
    }
    match link::payload(ETHERNET, &bytes) {
        Payload::V4(packet) | Payload::V6(packet) => {
            let header = bytes.len() - packet.len();
            let note = Some(format!("The first {header} bytes are an Ethernet header."));
            Found { packet: packet.to_vec(), note }
        }
        Payload::Ip(_) | Payload::NotIp => Found { packet: bytes, note: None },
    }
}

/// Hex digits, also as dumped by tcpdump, xxd, hexdump or Wireshark with offsets and text beside.
fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut is_dump = None;
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let (offset, rest) = split_offset(line, bytes.len());
        match (*is_dump.get_or_insert(offset), offset) {
            (true, true) => dump_line(rest, &mut bytes),
            // The closing offset of a dump, or the headline of the next packet.
            (true, false) => break,
            (false, _) => plain_line(line, &mut bytes)?,
        }
    }
    if bytes.is_empty() {
        return Err("there are no hex digits to explain; give a packet like 4500001c...".to_owned());
    }
    Ok(bytes)
}

/// Whether a line starts with its offset, and what stands behind that.
fn split_offset(line: &str, expected: usize) -> (bool, &str) {
    let line = line.trim_start();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let digits = first.trim_end_matches(':').trim_start_matches("0x");
    let is_offset =
        digits.len() >= 4 && usize::from_str_radix(digits, 16) == Ok(expected) && !rest.is_empty();
    if is_offset { (true, rest) } else { (false, line) }
}

/// At most 16 bytes; text beside them stands behind a gap or a bar.
fn dump_line(rest: &str, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    let mut gap = 0;
    for token in rest.trim_start().split(' ') {
        let count = bytes.len() - start;
        if token.is_empty() {
            gap += 1;
            continue;
        }
        let is_text = gap > 0 && count != 8;
        let Some(more) = octets(token).filter(|o| !is_text && count + o.len() <= 16) else { return };
        bytes.extend(more);
        gap = 0;
    }
}

fn plain_line(line: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    for token in line.split(|c: char| c.is_whitespace() || c == ':' || c == ',').filter(|t| !t.is_empty()) {
        let digits = token.strip_prefix("0x").unwrap_or(token);
        bytes.extend(octets(digits).ok_or_else(|| format!("{token:?} is not a whole number of hex bytes"))?);
    }
    Ok(())
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    let is_hex = digits.len().is_multiple_of(2) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let octet = |i| u8::from_str_radix(&digits[i..i + 2], 16).ok();
    if is_hex { (0..digits.len()).step_by(2).map(octet).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_of_every_tool_are_read() {
        let expected: Vec<u8> = (0x45..0x45 + 20).collect();
        for text in [
            "45464748494a4b4c4d4e4f505152535455565758",
            "45 46 47 48 49 4a 4b 4c 4d 4e 4f 50 51 52 53 54\n55 56 57 58",
            "45:46:47:48:49:4a:4b:4c:4d:4e:4f:50:51:52:53:54:55:56:57:58",
            "0x45, 0x46, 0x4748 494A4B4C 4d4e4f505152535455565758",
            "\t0x0000:  4546 4748 494a 4b4c 4d4e 4f50 5152 5354  EFGHIJKLMNOPQRST\n\t0x0010:  5556 5758            UVWX",
            "00000000: 4546 4748 494a 4b4c 4d4e 4f50 5152 5354  EFGHIJKLMNOPQRST\n00000010: 5556 5758                 abcd",
            "00000000  45 46 47 48 49 4a 4b 4c  4d 4e 4f 50 51 52 53 54  |EFGHIJKLMNOPQRST|\n00000010  55 56 57 58                                       |UVWX|\n00000014",
            "0000   45 46 47 48 49 4a 4b 4c 4d 4e 4f 50 51 52 53 54   EFGHIJKLMNOPQRST\n0010   55 56 57 58                                       UVWX",
        ] {
            assert_eq!(parse_hex(text).as_ref(), Ok(&expected), "{text}");
        }
        for text in ["", " \n", "4", "45 zz"] {
            assert!(parse_hex(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_ethernet_header_is_taken_off() {
        let frame = [&[0xff; 12][..], &[0x08, 0x00, 0x45, 1, 2]].concat();
        let found = without_ethernet(frame);
        assert_eq!((found.packet, found.note.is_some()), (vec![0x45, 1, 2], true));
        assert_eq!(without_ethernet(vec![0x60, 1]).packet, [0x60, 1]);
    }
}
