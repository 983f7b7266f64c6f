//! An IPv4 packet as an owned structure (RFC 791 section 3.1).

use crate::sum::{header_checksum, residue};
use std::net::Ipv4Addr;

#[derive(Clone, Debug)]
pub(crate) struct Ipv4 {
    pub(crate) tos: u8,
    /// As written in the header, in bytes.
    pub(crate) total_len: usize,
    pub(crate) ident: u16,
    pub(crate) df: bool,
    pub(crate) mf: bool,
    /// In bytes.
    pub(crate) offset: usize,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) src: Ipv4Addr,
    pub(crate) dst: Ipv4Addr,
    pub(crate) options: Vec<u8>,
    /// What is there of it; in a quoted packet it may end early.
    pub(crate) payload: Vec<u8>,
}

impl Ipv4 {
    /// A whole packet; bytes behind its total length are link padding.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut packet = Self::parse_quoted(bytes)?;
        if packet.total_len > bytes.len() {
            return Err("truncated");
        }
        packet.payload.truncate(packet.payload_len());
        let header = &bytes[..20 + packet.options.len()];
        if residue(header) != 0 {
            return Err("bad_header_checksum");
        }
        Ok(packet)
    }

    /// A packet of which only the first bytes are there. Its checksum does not matter.
    pub(crate) fn parse_quoted(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() < 20 {
            return Err("truncated");
        }
        if bytes[0] >> 4 != 4 {
            return Err("bad_version");
        }
        let header_len = usize::from(bytes[0] & 15) * 4;
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let total_len = usize::from(word(2));
        if header_len < 20 || total_len < header_len {
            return Err("bad_header_length");
        }
        if bytes.len() < header_len {
            return Err("truncated");
        }
        let address = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
        Ok(Self {
            tos: bytes[1],
            total_len,
            ident: word(4),
            df: word(6) & 0x4000 != 0,
            mf: word(6) & 0x2000 != 0,
            offset: usize::from(word(6) & 0x1fff) * 8,
            ttl: bytes[8],
            protocol: bytes[9],
            src: address(12),
            dst: address(16),
            options: bytes[20..header_len].to_vec(),
            payload: bytes[header_len..].to_vec(),
        })
    }

    pub(crate) fn is_fragment(&self) -> bool {
        self.mf || self.offset != 0
    }

    /// Length of the payload as the header has it, in bytes.
    pub(crate) fn payload_len(&self) -> usize {
        self.total_len - 20 - self.options.len()
    }

    /// The bytes, with the total length as it stands and a right checksum.
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0x45 + (self.options.len() / 4) as u8, self.tos];
        out.extend((self.total_len as u16).to_be_bytes());
        out.extend(self.ident.to_be_bytes());
        let flags = u16::from(self.df) << 14 | u16::from(self.mf) << 13;
        out.extend((flags | (self.offset / 8) as u16).to_be_bytes());
        out.extend([self.ttl, self.protocol, 0, 0]);
        out.extend(self.src.octets());
        out.extend(self.dst.octets());
        out.extend(&self.options);
        let checksum = header_checksum(&out);
        out[10..12].copy_from_slice(&checksum.to_be_bytes());
        out.extend(&self.payload);
        out
    }

    /// What is wrong with the options: malformed ones, a source route that is not used up.
    pub(crate) fn options_faults(&self) -> Vec<&'static str> {
        let mut rest = self.options.as_slice();
        let mut faults = Vec::new();
        while let [kind, tail @ ..] = rest {
            match kind {
                0 => break,
                1 => rest = tail,
                _ => {
                    let len = tail.first().map_or(0, |l| usize::from(*l));
                    let is_route = matches!(kind, 131 | 137);
                    if len < if is_route { 3 } else { 2 } || len > rest.len() {
                        faults.push("bad_option");
                        return faults;
                    }
                    // RFC 791: "If the pointer is greater than the length, the source route is empty".
                    if is_route && usize::from(rest[2]) <= len {
                        faults.push("source_route");
                    }
                    rest = &rest[len..];
                }
            }
        }
        faults
    }
}
