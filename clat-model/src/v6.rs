//! An IPv6 packet with its extension headers as an owned structure (RFC 8200 sections 3 and 4).

use std::net::Ipv6Addr;

/// RFC 8504 section 5.3 lets a node limit them.
const MOST_HEADERS: usize = 8;

#[derive(Clone, Debug)]
pub(crate) struct Ipv6 {
    pub(crate) traffic_class: u8,
    pub(crate) hop_limit: u8,
    pub(crate) src: Ipv6Addr,
    pub(crate) dst: Ipv6Addr,
    pub(crate) fragment: Option<Fragment>,
    /// The protocol behind the extension headers.
    pub(crate) next: u8,
    /// Length of what lies behind the extension headers as the headers have it, in bytes.
    pub(crate) payload_len: usize,
    /// What is there of it.
    pub(crate) payload: Vec<u8>,
    /// Offset of the Segments Left octet of a routing header that is not used up.
    pub(crate) segments_left_at: Option<usize>,
    /// An extension header stands behind the Fragment Header.
    pub(crate) extension_after_fragment: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment {
    pub(crate) ident: u32,
    /// In bytes.
    pub(crate) offset: usize,
    pub(crate) more: bool,
}

impl Fragment {
    /// The low 16 bits of the Identification.
    pub(crate) fn low_ident(self) -> u16 {
        let [_, _, hi, lo] = self.ident.to_be_bytes();
        u16::from_be_bytes([hi, lo])
    }
}

impl Ipv6 {
    /// A whole packet; bytes behind its payload length are link padding.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let len = bytes.get(4..6).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
        if bytes.len() < 40 + len {
            return Err("truncated");
        }
        Self::parse_quoted(&bytes[..40 + len])
    }

    /// A packet of which only the first bytes are there.
    pub(crate) fn parse_quoted(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() < 40 {
            return Err("truncated");
        }
        if bytes[0] >> 4 != 6 {
            return Err("bad_version");
        }
        let octets = |at: usize| <[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap_or_default();
        let claimed = 40 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        let mut packet = Self {
            traffic_class: bytes[0] << 4 | bytes[1] >> 4,
            hop_limit: bytes[7],
            src: octets(8).into(),
            dst: octets(24).into(),
            fragment: None,
            next: bytes[6],
            payload_len: 0,
            payload: Vec::new(),
            segments_left_at: None,
            extension_after_fragment: false,
        };
        let end = packet.walk(&bytes[..claimed.min(bytes.len())])?;
        packet.payload_len = claimed.checked_sub(end).ok_or("extension_chain")?;
        packet.payload = bytes[end..].to_vec();
        Ok(packet)
    }

    /// Follows the extension headers; returns where the payload starts.
    fn walk(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let (mut at, mut headers) = (40, 0);
        while is_skipped(self.next) || self.next == 44 {
            if self.fragment.is_some() {
                break;
            }
            headers += 1;
            if self.next == 0 && at != 40 {
                return Err("extension_chain");
            }
            let header = bytes.get(at..at + 8).ok_or("extension_chain")?;
            let len = if self.next == 44 { 8 } else { 8 + usize::from(header[1]) * 8 };
            if bytes.len() < at + len {
                return Err("extension_chain");
            }
            if self.next == 43 && header[3] != 0 {
                self.segments_left_at.get_or_insert(at + 3);
            }
            if self.next == 44 {
                let word = u16::from_be_bytes([header[2], header[3]]);
                let ident = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                let offset = usize::from(word & 0xfff8);
                self.fragment = Some(Fragment { ident, offset, more: word & 1 == 1 });
            }
            self.next = header[0];
            at += len;
        }
        let more = is_skipped(self.next) || matches!(self.next, 44 | 51 | 135 | 139 | 140);
        if headers > MOST_HEADERS || (headers == MOST_HEADERS && more && self.fragment.is_none()) {
            return Err("extension_chain");
        }
        self.extension_after_fragment = self.fragment.is_some() && more;
        Ok(at)
    }

    /// A fragment of something larger: neither without Fragment Header nor atomic (RFC 6946).
    pub(crate) fn is_fragment(&self) -> bool {
        self.fragment.is_some_and(|f| f.more || f.offset != 0)
    }

    pub(crate) fn offset(&self) -> usize {
        self.fragment.map_or(0, |f| f.offset)
    }

    /// The bytes; extension headers other than the Fragment Header are not written.
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let len = self.payload_len + if self.fragment.is_some() { 8 } else { 0 };
        let mut out = vec![0x60 | self.traffic_class >> 4, self.traffic_class << 4, 0, 0];
        out.extend((len as u16).to_be_bytes());
        out.extend([if self.fragment.is_some() { 44 } else { self.next }, self.hop_limit]);
        out.extend(self.src.octets());
        out.extend(self.dst.octets());
        if let Some(f) = self.fragment {
            out.extend([self.next, 0]);
            out.extend((f.offset as u16 | u16::from(f.more)).to_be_bytes());
            out.extend(f.ident.to_be_bytes());
        }
        out.extend(&self.payload);
        out
    }
}

/// Hop-by-Hop, Routing, Destination Options: left out by RFC 7915 section 5.1.
fn is_skipped(next: u8) -> bool {
    matches!(next, 0 | 43 | 60)
}
