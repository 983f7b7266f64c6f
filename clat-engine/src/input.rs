//! What the shell sees and tells.

use crate::wire::icmp6::kind;
use crate::{Config, IfIndex, Mac, Returned, StepId};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the shell sees and tells.
///
/// The engine acts only after the first [`Input::Synced`]: until then the facts are incomplete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// Time has passed; nothing else. Any other input tells the time as well.
    Timer,

    /// All facts about links, addresses and routes follow anew, up to [`Input::Synced`]. What is not
    /// repeated by then is gone. For the start and for when notifications were lost.
    Resync,
    /// The facts are complete.
    Synced,
    /// A link appeared or changed.
    Link(Link),
    /// A link disappeared, and with it its addresses, routes and routers.
    LinkGone(IfIndex),
    /// An IPv6 address appeared or changed.
    Address6(Address6),
    /// An IPv6 address disappeared.
    Address6Gone {
        /// Where it was.
        ifindex: IfIndex,
        /// The address.
        addr: Ipv6Addr,
    },
    /// An IPv4 address appeared. Those of our own device may be told or not.
    Address4 {
        /// Where it is.
        ifindex: IfIndex,
        /// The address.
        addr: Ipv4Addr,
    },
    /// An IPv4 address disappeared.
    Address4Gone {
        /// Where it was.
        ifindex: IfIndex,
        /// The address.
        addr: Ipv4Addr,
    },
    /// An IPv4 default route of the main table appeared. The one of our own device may be told or not.
    Default4(DefaultRoute4),
    /// An IPv4 default route disappeared.
    Default4Gone(DefaultRoute4),
    /// An IPv6 default route appeared. One whose metric changed is gone and comes anew.
    Default6(DefaultRoute6),
    /// An IPv6 default route disappeared.
    Default6Gone(DefaultRoute6),
    /// The recursive resolvers of a link, all of them, best first.
    Resolvers {
        /// The link.
        ifindex: IfIndex,
        /// Addresses; the first four count.
        servers: &'a [IpAddr],
    },

    /// An ICMPv6 message was received: Router Advertisement, Neighbour Solicitation or Advertisement,
    /// echo reply. Any other is ignored.
    Icmpv6(Icmpv6In<'a>),
    /// The operating system reported the PREF64 option of a valid Router Advertisement.
    Pref64Option {
        /// Where it was received.
        ifindex: IfIndex,
        /// The router's link-local address; the unspecified address where it is not told.
        router: Ipv6Addr,
        /// The option, type and length octets included.
        option: &'a [u8],
    },
    /// A DNS message was received in answer to [`Action::QueryDns`](crate::Action::QueryDns).
    DnsReply {
        /// The server that was asked.
        server: IpAddr,
        /// The whole message.
        message: &'a [u8],
    },
    /// The answer to [`Action::QueryDns`](crate::Action::QueryDns) from a resolver library that shows no messages.
    DnsRecords {
        /// The identifier of the query.
        id: u16,
        /// What came of it.
        outcome: DnsOutcome<'a>,
    },

    /// A step was done or undone.
    StepDone(StepId),
    /// A step could not be done or undone. A step whose undoing finds nothing to undo is done.
    StepFailed(StepId, StepError),
    /// The host has a step that was done no more: somebody took it away, or it fell with something else. Optional.
    StepLost(StepId),
    /// Our device disappeared without being closed, and with it all that was set on it.
    DeviceLost,
    /// The outcome of duplicate address detection where [`Input::Address6`] does not tell it.
    Dad {
        /// Where the address is.
        ifindex: IfIndex,
        /// The address.
        addr: Ipv6Addr,
        /// The outcome.
        outcome: DadOutcome,
    },
    /// An answer to [`Action::Probe`](crate::Action::Probe).
    ProbeAnswer(ProbeAnswer),
    /// The MTU of the path to an IPv6 destination was learnt from a Packet Too Big message.
    PathMtu {
        /// The destination.
        destination: Ipv6Addr,
        /// The IPv6 MTU in bytes.
        mtu: u32,
    },
    /// What came back from under the PREF64 while a translator was in force. Optional; to be told before
    /// [`Input::Timer`], since it may be the answer that the self-test is about to miss.
    Returned(Returned),
    /// Another program's CLAT is translating on a link, or, with `None`, is not any more.
    OtherClat {
        /// The link.
        ifindex: IfIndex,
        /// Whose it is.
        other: Option<OtherClat>,
    },
    /// The DHCPv4 client of the system was granted option 108 (RFC 8925); `None` when the lease has none.
    V6OnlyPreferred {
        /// The link.
        ifindex: IfIndex,
        /// V6ONLY_WAIT in seconds; less than MIN_V6ONLY_WAIT counts as that (RFC 8925 section 3.4).
        wait_s: Option<u32>,
    },

    /// A message of a DHCPv4 server was heard on a link: the UDP payload. What it says to this host's own client
    /// of option 108 is taken as [`Input::V6OnlyPreferred`]; nothing is ever asked for.
    Dhcp4 {
        /// The link.
        ifindex: IfIndex,
        /// The message from its `op` octet on.
        message: &'a [u8],
    },
    /// What the system's DHCPv4 client keeps of its last lease on a link, in the layout of Windows' registry value
    /// `DhcpInterfaceOptions`; empty where there is no lease. It is taken as [`Input::V6OnlyPreferred`].
    Dhcp4Lease {
        /// The link.
        ifindex: IfIndex,
        /// The value.
        options: &'a [u8],
        /// Seconds since 1970: a lease that has ended tells nothing.
        unix_s: u64,
    },

    /// The host is about to sleep.
    Suspend,
    /// The host woke up. Facts follow between [`Input::Resync`] and [`Input::Synced`].
    Resume,
    /// The configuration changed. What it does not touch keeps running.
    Reconfigure(&'a Config),
    /// Undo everything; [`Action::Finished`](crate::Action::Finished) is the last action.
    Stop,
}

/// What is known of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The link.
    pub ifindex: IfIndex,
    /// Whether it is up with carrier.
    pub up: bool,
    /// Its IPv6 MTU in bytes.
    pub mtu: u32,
    /// What sort of link it is.
    pub kind: LinkKind,
    /// Its link-layer address, where it has one of six octets.
    pub mac: Option<Mac>,
    /// A number for the network it is attached to (for example a hash of the SSID), so that the CLAT
    /// address differs from network to network (RFC 7217 Network_ID); zero where nothing is known.
    pub network: u64,
}

/// What sort of link it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkKind {
    /// Ethernet, Wi-Fi or the like: several neighbours.
    #[default]
    Broadcast,
    /// One neighbour and no Neighbour Discovery to answer: mobile broadband, PPP.
    PointToPoint,
    /// A VPN or another tunnel: never chosen by itself as the uplink.
    Tunnel,
    /// Our own device, loopback, a bridge port: never the uplink.
    Never,
}

/// An IPv6 address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address6 {
    /// Where it is.
    pub ifindex: IfIndex,
    /// The address.
    pub addr: Ipv6Addr,
    /// The length of its on-link prefix in bits.
    pub prefix_len: u8,
    /// Its state (RFC 4862 sections 2 and 5.4).
    pub state: AddressState,
    /// Whether it is temporary (RFC 8981).
    pub temporary: bool,
}

/// The state of an address (RFC 4862).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Duplicate address detection is running.
    Tentative,
    /// In use.
    Preferred,
    /// Valid, and not for anything new.
    Deprecated,
    /// Duplicate address detection found another owner.
    Duplicate,
}

/// The outcome of duplicate address detection (RFC 4862 section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DadOutcome {
    /// Nobody else has the address.
    Unique,
    /// Somebody else has it.
    Duplicate,
}

/// An IPv4 default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRoute4 {
    /// Where it leads.
    pub ifindex: IfIndex,
    /// Its metric; small wins.
    pub metric: u32,
}

/// An IPv6 default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRoute6 {
    /// Where it leads.
    pub ifindex: IfIndex,
    /// The router, usually link-local; `None` on links without one.
    pub router: Option<Ipv6Addr>,
    /// Its metric; small wins.
    pub metric: u32,
}

/// An ICMPv6 message as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmpv6In<'a> {
    /// Where it was received.
    pub ifindex: IfIndex,
    /// The IPv6 source.
    pub source: Ipv6Addr,
    /// The IPv6 destination: the checksum is verified with it.
    pub destination: Ipv6Addr,
    /// The hop limit on arrival.
    pub hop_limit: u8,
    /// The link-layer source, where frames are seen.
    pub source_mac: Option<Mac>,
    /// The message from its type octet on.
    pub message: &'a [u8],
}

impl Icmpv6In<'_> {
    /// Whether it calls itself a router advertisement (RFC 4861 section 4.2).
    #[must_use]
    pub fn is_router_advertisement(&self) -> bool {
        self.message.first() == Some(&kind::ROUTER_ADVERTISEMENT)
    }
}

/// What a resolver library made of the query for `ipv4only.arpa`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsOutcome<'a> {
    /// AAAA records, perhaps none.
    Records {
        /// The addresses.
        addresses: &'a [Ipv6Addr],
        /// The smallest time to live in seconds.
        ttl_s: u32,
    },
    /// The name does not exist or has no AAAA record: there is no DNS64.
    None,
    /// No answer.
    Failed,
}

/// Why a step could not be done or undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepError {
    /// What the engine needs to know.
    pub kind: StepErrorKind,
    /// The operating system's code: `errno` or the Windows error, for people.
    pub code: i32,
}

/// What sort of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepErrorKind {
    /// May work later: the interface is not ready, no memory, a timeout.
    Transient,
    /// The object is there already and is somebody else's: left alone.
    Conflict,
    /// This host has no such facility; the engine does without where it can.
    Unsupported,
    /// The right to do it is missing.
    Denied,
}

/// An answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// The sequence number of [`Probe`](crate::Probe).
    pub sequence: u16,
    /// The IPv4 source of the answer.
    pub from: Ipv4Addr,
    /// Whether it is the echo reply; otherwise it is an ICMP error that quotes the probe.
    pub echo_reply: bool,
}

/// Whose CLAT it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtherClat {
    /// NetworkManager's.
    NetworkManager,
    /// systemd-networkd's.
    Networkd,
    /// Microsoft's own (Windows 11, or mobile broadband).
    Microsoft,
    /// Another program's: clatd, tayga, a second instance of ours.
    Other,
}

impl OtherClat {
    /// Its name for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NetworkManager => "NetworkManager",
            Self::Networkd => "systemd-networkd",
            Self::Microsoft => "Windows",
            Self::Other => "another program",
        }
    }
}

impl StepErrorKind {
    /// What it means, for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Transient => "it may work later",
            Self::Conflict => "it is there already and belongs to something else",
            Self::Unsupported => "this host has no such facility",
            Self::Denied => "the right to do it is missing",
        }
    }
}

impl core::fmt::Display for StepError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (code {})", self.kind.describe(), self.code)
    }
}
