//! Transport checksums (RFC 7915 sections 4.5 and 5.5): by the difference of the pseudo-headers.

use crate::parts::Head;
use crate::wire::checksum::{self, Sum};
use crate::wire::protocol;
use crate::{Csum, DropReason};

/// A transport whose checksum covers a pseudo-header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
    /// UDP-Lite (RFC 3828), whose zero is no checksum either.
    UdpLite,
    Dccp,
    /// Anything else is carried untouched.
    Opaque,
}

/// The front of a transport header, up to and with its checksum.
#[derive(Clone, Copy, Debug)]
pub(super) enum L4 {
    None,
    /// UDP, UDP-Lite, DCCP, ICMP.
    Short([u8; 8]),
    /// TCP up to the checksum.
    Tcp([u8; 18]),
}

impl L4 {
    #[inline]
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Short(_) => 8,
            Self::Tcp(_) => 18,
        }
    }

    #[inline]
    pub(super) fn push_to(&self, head: &mut Head) {
        match self {
            Self::None => {}
            Self::Short(bytes) => head.push(bytes),
            Self::Tcp(bytes) => head.push(bytes),
        }
    }

    const fn checksum_field(&self) -> u16 {
        match self {
            Self::None => 0,
            Self::Short(b) => u16::from_be_bytes([b[6], b[7]]),
            Self::Tcp(b) => u16::from_be_bytes([b[16], b[17]]),
        }
    }

    pub(super) fn with_checksum(self, checksum: u16) -> Self {
        let [hi, lo] = checksum.to_be_bytes();
        match self {
            Self::None => Self::None,
            Self::Short([a, b, c, d, e, f, _, _]) => Self::Short([a, b, c, d, e, f, hi, lo]),
            Self::Tcp(mut bytes) => {
                [bytes[16], bytes[17]] = [hi, lo];
                Self::Tcp(bytes)
            }
        }
    }
}

impl Transport {
    /// The transport of a payload. UDP-Lite and DCCP without their checksum field are carried untouched: RFC
    /// 7915 section 4.5 has all transports forwarded, and asks for the checksums of TCP and UDP only.
    #[inline]
    pub(super) const fn of(number: u8, payload: &[u8]) -> Self {
        match number {
            protocol::TCP => Self::Tcp,
            protocol::UDP => Self::Udp,
            protocol::UDP_LITE if payload.len() >= 8 => Self::UdpLite,
            protocol::DCCP if payload.len() >= 8 => Self::Dccp,
            _ => Self::Opaque,
        }
    }

    /// Bytes of the header without which a packet is dropped.
    #[inline]
    const fn header_len(self) -> usize {
        match self {
            Self::Tcp => 20,
            Self::Udp | Self::UdpLite | Self::Dccp => 8,
            Self::Opaque => 0,
        }
    }

    /// The front of the header, where the bytes reach to the checksum.
    #[inline]
    pub(super) fn front(self, payload: &[u8]) -> Option<L4> {
        match self {
            Self::Tcp => payload.first_chunk().map(|b| L4::Tcp(*b)),
            Self::Udp | Self::UdpLite | Self::Dccp => payload.first_chunk().map(|b| L4::Short(*b)),
            Self::Opaque => Some(L4::None),
        }
    }

    /// The header after the pseudo-header has changed by `delta`. A UDP checksum of zero stays.
    #[inline]
    pub(super) fn adjusted(self, l4: L4, delta: Sum, csum: Csum) -> L4 {
        let field = l4.checksum_field();
        let partial = matches!(csum, Csum::Partial { .. });
        let checksum = match self {
            Self::Opaque => return l4,
            _ if partial => checksum::update_partial(field, delta),
            Self::Udp if field == 0 => return l4,
            Self::Udp | Self::UdpLite => checksum::update_nonzero(field, delta),
            Self::Tcp | Self::Dccp => checksum::update(field, delta),
        };
        l4.with_checksum(checksum)
    }

    /// The header with the checksum complete, where a device was to complete it. `payload` is what came in, of
    /// which `l4` replaces the front.
    pub(super) fn completed(self, l4: L4, payload: &[u8], csum: Csum) -> L4 {
        if !matches!(csum, Csum::Partial { .. }) {
            return l4;
        }
        let rest = payload.get(l4.len()..).unwrap_or_default();
        let sum = match &l4 {
            L4::None => return l4,
            L4::Short(bytes) => Sum::ZERO.bytes(bytes),
            L4::Tcp(bytes) => Sum::ZERO.bytes(bytes),
        };
        l4.with_checksum(match (self, sum.bytes(rest).checksum()) {
            (Self::Udp | Self::UdpLite, 0) => 0xffff,
            (_, checksum) => checksum,
        })
    }
}

/// The header of a whole packet or of a first fragment, checked and adjusted.
#[inline]
pub(super) fn rewrite(
    transport: Transport,
    payload: &[u8],
    delta: Sum,
    csum: Csum,
    first_fragment: bool,
) -> Result<L4, DropReason> {
    if payload.len() < transport.header_len() {
        // RFC 1858 section 3: a first fragment without the whole header evades filters.
        return Err(if first_fragment { DropReason::TinyFragment } else { DropReason::TruncatedTransport });
    }
    let l4 = transport.front(payload).ok_or(DropReason::TruncatedTransport)?;
    Ok(transport.adjusted(l4, delta, csum))
}

/// Whether a later fragment could overlap the checksum or flags of the first (RFC 1858 section 3.2).
#[inline]
pub(super) const fn overlaps_header(transport: Transport, offset: u16) -> bool {
    matches!(transport, Transport::Tcp) && offset == 1
}

/// The length field of a UDP header, where it agrees with the packet.
#[inline]
pub(super) fn udp_len(payload: &[u8]) -> Result<usize, DropReason> {
    let [_, _, _, _, hi, lo, ..] = payload else { return Err(DropReason::TruncatedTransport) };
    let len = usize::from(u16::from_be_bytes([*hi, *lo]));
    if (8..=payload.len()).contains(&len) { Ok(len) } else { Err(DropReason::BadUdpLength) }
}

/// The front of an ICMP message with another type (code zero) and its checksum adjusted.
#[inline]
pub(super) fn echo(front: [u8; 8], new_type: u8, pseudo: Sum) -> L4 {
    let [old_type, code, hi, lo, i0, i1, s0, s1] = front;
    let old = Sum::ZERO.word(u32::from(u16::from_be_bytes([old_type, code])));
    let delta = pseudo.word(u32::from(new_type) << 8).sub(old);
    let [hi, lo] = checksum::update(u16::from_be_bytes([hi, lo]), delta).to_be_bytes();
    L4::Short([new_type, 0, hi, lo, i0, i1, s0, s1])
}

/// Bytes of the transport header that every segment of a super-packet starts with.
pub(super) fn super_header_len(transport: Transport, payload: &[u8]) -> Option<usize> {
    match transport {
        Transport::Tcp => {
            let len = usize::from(payload.get(12)? >> 4) * 4;
            (20..=payload.len()).contains(&len).then_some(len)
        }
        Transport::Udp => Some(8),
        Transport::UdpLite | Transport::Dccp | Transport::Opaque => None,
    }
}
