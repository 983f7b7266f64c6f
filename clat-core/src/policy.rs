//! What the standards leave to the operator.

use core::net::{Ipv4Addr, Ipv6Addr};

/// What the standards leave to the operator. Start from [`Policy::new`] and set the fields that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// MTU of the next hop towards the PLAT, in bytes. Below 1280 it counts as 1280.
    pub v6_mtu: u32,
    /// MTU of the next hop towards the IPv4 host, in bytes. Below 68 it counts as 68, above 65535 as 65535.
    pub v4_mtu: u32,
    /// `lowest-ipv6-mtu` of RFC 7915 section 4, in bytes: IPv4 packets that may be fragmented leave
    /// in IPv6 packets of at most this size. Below 1280 it counts as 1280.
    pub lowest_v6_mtu: u32,
    /// IPv4 UDP datagrams without checksum (RFC 7915 section 4.5).
    pub udp_zero: UdpZero,
    /// Type of service and traffic class (RFC 7915 sections 4.1 and 5.1).
    pub tos: Tos,
    /// Private IPv4 destinations under 64:ff9b::/96 (RFC 6052 section 3.1, draft-ietf-v6ops-nat64-wkp-1918).
    pub private_v4: PrivateV4,
    /// ICMPv6 errors from a source that no mapping covers (draft-ietf-v6ops-icmpext-xlat-v6only-source).
    pub native_source: NativeSource,
    /// Whether packets that cannot be translated are answered (RFC 7915 sections 4.4 and 5.4).
    pub errors: Errors,
    /// Source of the ICMPv4 errors that the translator makes; never an address of the client.
    pub v4_error_source: Ipv4Addr,
    /// Source of the ICMPv6 errors that the translator makes; `None` is the destination of the packet in error.
    pub v6_error_source: Option<Ipv6Addr>,
}

/// IPv4 UDP datagrams without checksum that are not fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UdpZero {
    /// Compute the checksum.
    #[default]
    Compute,
    /// Drop, as [`DropReason::UdpZeroChecksum`](crate::DropReason::UdpZeroChecksum).
    Drop,
}

/// The type of service octet on its way to the other family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tos {
    /// All eight bits are copied.
    #[default]
    Copy,
    /// This octet is written.
    Fixed(u8),
}

impl Tos {
    /// The octet that goes out for the one that came in.
    #[inline]
    pub(crate) const fn of(self, incoming: u8) -> u8 {
        match self {
            Self::Copy => incoming,
            Self::Fixed(tos) => tos,
        }
    }
}

/// Private IPv4 destinations under 64:ff9b::/96.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivateV4 {
    /// Translate like any other.
    #[default]
    Translate,
    /// Drop, as [`DropReason::PrivateAddress`](crate::DropReason::PrivateAddress).
    Drop,
}

/// ICMPv6 errors from routers that have no IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeSource {
    /// They come from this IPv4 address, with a Node Identification object where RFC 4884 allows one.
    Dummy(Ipv4Addr),
    /// Drop, as [`DropReason::SourceNotMapped`](crate::DropReason::SourceNotMapped).
    Drop,
}

/// Whether the translator makes ICMP errors of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Errors {
    /// Yes, as often as the [`RateLimit`](crate::RateLimit) of the queue allows.
    #[default]
    Send,
    /// Never.
    Off,
}

impl Policy {
    /// The dummy IPv4 address (RFC 7600 section 4.8, RFC 7335): source of errors that have no other.
    pub const DUMMY_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

    /// The defaults: both MTUs 1500, everything that may be translated is.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            v6_mtu: 1500,
            v4_mtu: 1500,
            lowest_v6_mtu: 1280,
            udp_zero: UdpZero::Compute,
            tos: Tos::Copy,
            private_v4: PrivateV4::Translate,
            native_source: NativeSource::Dummy(Self::DUMMY_V4),
            errors: Errors::Send,
            v4_error_source: Self::DUMMY_V4,
            v6_error_source: None,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}
