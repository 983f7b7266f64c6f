//! What is shown.

use crate::{IfIndex, Instant, OtherClat, Reason, State};
use clat_core::Pref64;
use core::net::{Ipv4Addr, Ipv6Addr};

/// What is shown of the engine at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where the engine is.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Since when it is there for this reason.
    pub since: Instant,
    /// The uplink.
    pub uplink: Option<Uplink>,
    /// The PREF64 in use or to be used.
    pub pref64: Option<Pref64Status>,
    /// The CLAT's IPv6 address, claimed or being claimed.
    pub clat_v6: Option<Ipv6Addr>,
    /// The CLAT's IPv4 address.
    pub clat_v4: Option<Ipv4Addr>,
    /// MTU towards the PLAT in bytes.
    pub v6_mtu: u32,
    /// MTU towards the IPv4 host in bytes.
    pub v4_mtu: u32,
    /// The last self-test.
    pub self_test: Option<SelfTest>,
    /// Whether the uplink has an IPv4 default route of its own.
    pub native_v4: bool,
    /// Whose CLAT is on the uplink.
    pub other_clat: Option<OtherClat>,
    /// V6ONLY_WAIT in seconds where DHCPv4 granted option 108 on the uplink (RFC 8925).
    pub v6_only_wait_s: Option<u32>,
}

/// The uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The interface.
    pub ifindex: IfIndex,
    /// The router of its best IPv6 default route.
    pub router: Option<Ipv6Addr>,
    /// The metric of that route.
    pub metric: u32,
    /// The IPv6 MTU in bytes.
    pub mtu: u32,
}

/// A PREF64 that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pref64Status {
    /// The prefix.
    pub prefix: Pref64,
    /// Where it was learnt.
    pub ifindex: IfIndex,
    /// From whom.
    pub source: Provenance,
    /// When it was last told.
    pub learnt: Instant,
    /// When it ends; `None` is never.
    pub expires: Option<Instant>,
    /// Whether it is the one in use or to be used.
    pub chosen: bool,
}

/// From whom a PREF64 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// From the operator.
    Manual,
    /// From this router's advertisements (RFC 8781).
    Ra {
        /// The router's link-local address.
        router: Ipv6Addr,
    },
    /// From the answer of a resolver of the link (RFC 7050).
    Dns,
}

impl Provenance {
    /// The name in `status --json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Ra { .. } => "ra",
            Self::Dns => "dns",
        }
    }

    /// The router, where it is from one.
    #[must_use]
    pub const fn router(self) -> Option<Ipv6Addr> {
        match self {
            Self::Ra { router } => Some(router),
            Self::Manual | Self::Dns => None,
        }
    }
}

/// What a self-test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfTest {
    /// When it ended.
    pub at: Instant,
    /// The first leg that failed, or `None` when the whole path works.
    pub failed: Option<SelfTestLeg>,
}

/// A leg of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SelfTestLeg {
    /// There is no PREF64.
    NoPref64,
    /// There is no IPv6 default route.
    NoRoute,
    /// Every candidate for the CLAT address belongs to somebody else.
    DadClash,
    /// Packets for the CLAT address do not come back from the first router: nobody answers its
    /// Neighbour Solicitations, or the link filters.
    NoNdAnswer,
    /// The first router answers, and nothing from beyond the NAT64 does.
    Nat64Silent,
    /// Small packets come back, packets of the full size do not.
    MtuBlackHole,
}

impl SelfTestLeg {
    /// The name in `status --json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPref64 => "no-pref64",
            Self::NoRoute => "no-route",
            Self::DadClash => "dad-clash",
            Self::NoNdAnswer => "no-nd-answer",
            Self::Nat64Silent => "nat64-silent",
            Self::MtuBlackHole => "mtu-black-hole",
        }
    }

    /// What it means and what to do.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::NoPref64 => {
                "the network announces no NAT64 prefix: ask its operator, or give one with --pref64"
            }
            Self::NoRoute => "there is no IPv6 default route on the uplink: check the router",
            Self::DadClash => {
                "every CLAT address that was tried belongs to another host: give one with --clat-v6"
            }
            Self::NoNdAnswer => {
                "no answer reaches the CLAT address from the first router: a firewall or the access point may filter neighbour discovery"
            }
            Self::Nat64Silent => {
                "the first router answers, nothing beyond the NAT64 does: the NAT64 may be down"
            }
            Self::MtuBlackHole => "large packets get lost on the way: try a smaller MTU with --mtu",
        }
    }
}
