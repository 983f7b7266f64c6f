//! What the operator decides.

use crate::IfIndex;
use clat_core::Pref64;
use core::net::{Ipv4Addr, Ipv6Addr};

/// What the operator decides. Start from [`Config::new`] and set the fields that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Translate on this interface only; `None` takes the best one.
    pub uplink: Option<IfIndex>,
    /// The PREF64 by hand: beats every other source, nothing is asked.
    pub pref64: Option<Pref64>,
    /// The IPv4 address of the host behind the CLAT; `None` takes the first of 192.0.0.0/29 (RFC 7335)
    /// that no other interface has.
    pub clat_v4: Option<Ipv4Addr>,
    /// Where the CLAT's IPv6 address comes from.
    pub clat_v6: ClatV6,
    /// Upper limit of the IPv4 MTU in bytes; `None` derives it from the uplink.
    pub v4_mtu: Option<u32>,
    /// Metric of the IPv4 default route: so high that native IPv4 wins.
    pub v4_metric: u32,
    /// How packets for the CLAT address find their way to us.
    pub return_path: ReturnPath,
    /// Whether the IPv4 default route advertises a TCP MSS that fits.
    pub clamp_mss: bool,
    /// Translate although there is native IPv4 or another CLAT on the uplink.
    pub force: bool,
    /// Whether DNS is asked for a PREF64 (RFC 7050) where no router announces one.
    pub ask_dns: bool,
    /// Whether the path is tested after each activation.
    pub self_test: bool,
    /// Where the self-test's echo goes on the IPv4 side; `None` takes the well-known addresses
    /// 192.0.0.170 and 192.0.0.171 (RFC 7050).
    pub probe_target: Option<Ipv4Addr>,
    /// The key of stable addresses (RFC 7217): random, kept over restarts, known to nobody else.
    pub secret: [u8; 16],
    /// Random at each start: identifiers of DNS queries and probes.
    pub seed: u64,
}

/// Where the CLAT's IPv6 address comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClatV6 {
    /// One of its own in a /64 of the uplink, claimed by duplicate address detection.
    #[default]
    Auto,
    /// This one, claimed where it is on the uplink's link.
    Fixed(Ipv6Addr),
    /// One in a prefix that is routed to this host (RFC 6877 section 6.3, RFC 9663): nothing to claim.
    Delegated {
        /// The prefix; bits beyond the length count as zero.
        prefix: Ipv6Addr,
        /// Its length in bits, at most 120.
        len: u8,
    },
}

/// How packets for the CLAT address find their way from the link to the translator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnPath {
    /// The operating system forwards and answers Neighbour Solicitations for us (a proxy entry; Linux).
    #[default]
    Proxy,
    /// The operating system forwards; we answer the solicitations that we hear and keep the routers'
    /// entries alive with periodic advertisements (Windows).
    Announce,
    /// We speak Ethernet ourselves (libpcap, Npcap): nothing is forwarded by the operating system.
    Frames,
}

impl Config {
    /// The metric of the IPv4 default route: above what network managers give to native ones.
    pub const V4_METRIC: u32 = 1_000_000;

    /// Everything by itself.
    #[must_use]
    pub const fn new(secret: [u8; 16], seed: u64) -> Self {
        Self {
            uplink: None,
            pref64: None,
            clat_v4: None,
            clat_v6: ClatV6::Auto,
            v4_mtu: None,
            v4_metric: Self::V4_METRIC,
            return_path: ReturnPath::Proxy,
            clamp_mss: false,
            force: false,
            ask_dns: true,
            self_test: true,
            probe_target: None,
            secret,
            seed,
        }
    }
}
