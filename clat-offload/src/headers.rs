//! What merging and segmentation need to know of a packet's headers.

use crate::checksum::Sum;

const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// Offset of the TCP checksum field from the start of its header.
const TCP_CSUM: u16 = 16;
/// Offset of the UDP checksum field from the start of its header.
const UDP_CSUM: u16 = 6;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The transports that can be super-packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// Bytes from the start of its header to the checksum field.
    #[must_use]
    pub const fn csum_offset(self) -> u16 {
        match self {
            Self::Tcp => TCP_CSUM,
            Self::Udp => UDP_CSUM,
        }
    }

    /// What its checksum field holds for the sum of a whole packet with its pseudo-header: zero in UDP is none (RFC 768).
    #[must_use]
    pub fn checksum(self, sum: Sum) -> u16 {
        match !sum.folded() {
            0 if self == Self::Udp => 0xffff,
            checksum => checksum,
        }
    }

    /// Its protocol number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => TCP,
            Self::Udp => UDP,
        }
    }
}

/// Where the headers of an unfragmented TCP or UDP packet without IPv4 options and without IPv6
/// extension headers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Of the network header.
    pub family: Family,
    /// Behind it.
    pub transport: Transport,
    /// Bytes before the transport header.
    pub network_len: usize,
    /// Bytes before the payload.
    pub header_len: usize,
}

impl Layout {
    /// Reads the layout from the front of a packet, or `None` for every other kind of packet and for
    /// one whose headers are not whole in `front`.
    #[inline]
    #[must_use]
    pub fn of(front: &[u8]) -> Option<Self> {
        let (family, network_len, protocol) = match front.first()? {
            0x45 => (Family::V4, IPV4_HEADER, v4_protocol(front)?),
            b if b >> 4 == 6 => (Family::V6, IPV6_HEADER, *front.get(6)?),
            _ => return None,
        };
        let transport = front.get(network_len..)?;
        let (transport, len) = match protocol {
            UDP => (Transport::Udp, 8),
            TCP => (Transport::Tcp, usize::from(*transport.get(12)? >> 4) * 4),
            _ => return None,
        };
        let least = if transport == Transport::Tcp { 20 } else { 8 };
        let header_len = network_len + len;
        (len >= least && front.len() >= header_len).then_some(Self {
            family,
            transport,
            network_len,
            header_len,
        })
    }

    /// Where in the header the addresses and ports are: what makes a flow.
    #[inline]
    #[must_use]
    pub fn flow<'p>(&self, front: &'p [u8]) -> &'p [u8] {
        let start = if self.family == Family::V4 { 12 } else { 8 };
        front.get(start..self.network_len + 4).unwrap_or_default()
    }

    /// Sum of the pseudo-header (RFC 768, RFC 9293 section 3.1, RFC 8200 section 8.1) for a transport
    /// packet of this many bytes.
    #[inline]
    #[must_use]
    pub fn pseudo(&self, front: &[u8], transport_len: usize) -> Sum {
        pseudo(front, self.family, self.transport.number(), transport_len)
    }

    /// The length that the network header states, headers included.
    #[inline]
    #[must_use]
    pub fn stated_len(&self, front: &[u8]) -> usize {
        match self.family {
            Family::V4 => usize::from(u16_at(front, 2)),
            Family::V6 => IPV6_HEADER + usize::from(u16_at(front, 4)),
        }
    }

    /// Writes the length of the whole packet into the network header, and into the UDP header where
    /// there is one, and completes the IPv4 header checksum.
    pub fn set_len(&self, front: &mut [u8], len: usize) {
        set_network_len(front, self.family, self.network_len, len);
        if self.transport == Transport::Udp {
            put_u16(front, self.network_len + 4, low16(len.saturating_sub(self.network_len)));
        }
    }

    /// The transport checksum of a packet in two runs of bytes is right.
    #[must_use]
    pub fn checksum_is_right(&self, front: &[u8], payload: &[u8]) -> bool {
        let transport = front.get(self.network_len..self.header_len).unwrap_or_default();
        let len = transport.len() + payload.len();
        self.pseudo(front, len).with(transport).with(payload).folded() == 0xffff
    }
}

/// Protocol of an IPv4 packet that is no fragment.
#[inline]
fn v4_protocol(front: &[u8]) -> Option<u8> {
    let whole = u16_at(front, 6) & 0x3fff == 0;
    if whole { front.get(9).copied() } else { None }
}

/// See [`Layout::pseudo`].
#[must_use]
pub fn pseudo(front: &[u8], family: Family, protocol: u8, transport_len: usize) -> Sum {
    let addresses = match family {
        Family::V4 => 12..20,
        Family::V6 => 8..40,
    };
    Sum::default()
        .with(front.get(addresses).unwrap_or_default())
        .with_u16(u16::from(protocol))
        .with_u16(low16(transport_len))
}

/// Writes the length of the whole packet into the network header and completes the IPv4 checksum.
pub fn set_network_len(front: &mut [u8], family: Family, network_len: usize, len: usize) {
    match family {
        Family::V6 => put_u16(front, 4, low16(len.saturating_sub(IPV6_HEADER))),
        Family::V4 => {
            put_u16(front, 2, low16(len));
            put_u16(front, 10, 0);
            let sum = Sum::default().with(front.get(..network_len).unwrap_or_default()).folded();
            put_u16(front, 10, !sum);
        }
    }
}

/// Two octets in network byte order; zero where there are none.
#[inline]
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]))
}

/// Four octets in network byte order; zero where there are none.
#[inline]
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

/// Writes two octets in network byte order; nothing where there is no room.
#[inline]
pub fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// Writes four octets in network byte order; nothing where there is no room.
#[inline]
pub fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(field) = bytes.get_mut(at..at + 4) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// The low 16 bits of a length that the callers keep below 65536.
#[inline]
#[allow(clippy::cast_possible_truncation)]
#[must_use]
pub const fn low16(len: usize) -> u16 {
    debug_assert!(len <= 0xffff);
    len as u16
}
