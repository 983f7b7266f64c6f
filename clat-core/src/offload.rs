//! What a device says about a packet beside its bytes, in virtio's meaning but without its layout.

/// Checksum and segmentation state of a packet (virtio 1.2 section 5.1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// State of the transport checksum.
    pub csum: Csum,
    /// Set when the packet is a super-packet that the next device cuts into segments.
    pub gso: Option<Gso>,
}

impl Offload {
    /// An ordinary packet, complete with its checksum.
    pub const NONE: Self = Self { csum: Csum::Complete, gso: None };
}

/// State of the transport checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Csum {
    /// The field holds a checksum that nobody has verified.
    #[default]
    Complete,
    /// The field holds a checksum that the device vouches for (`VIRTIO_NET_HDR_F_DATA_VALID`).
    Verified,
    /// The field holds the sum of the pseudo-header, not complemented; the next device completes it
    /// (`VIRTIO_NET_HDR_F_NEEDS_CSUM`).
    Partial {
        /// Where the sum starts: offset of the transport header from the start of the packet, in bytes.
        start: u16,
        /// Where the field is, in bytes from `start`.
        offset: u16,
    },
}

impl Csum {
    /// With the transport header at another place.
    #[inline]
    pub(crate) const fn moved_to(self, start: u16) -> Self {
        match self {
            Self::Partial { offset, .. } => Self::Partial { start, offset },
            Self::Complete | Self::Verified => self,
        }
    }
}

/// A super-packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// What it is cut into.
    pub kind: GsoKind,
    /// Explicit congestion notification: CWR only in the first segment (`VIRTIO_NET_HDR_GSO_ECN`).
    pub ecn: bool,
    /// Payload bytes a segment.
    pub size: u16,
    /// Bytes of all headers, or 0 where the device did not say.
    pub header_len: u16,
}

/// What a super-packet is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoKind {
    /// TCP segments over IPv4.
    TcpV4,
    /// TCP segments over IPv6.
    TcpV6,
    /// UDP datagrams over either family (`VIRTIO_NET_HDR_GSO_UDP_L4`).
    Udp,
}
