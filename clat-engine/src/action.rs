//! What the shell is told to do.

use crate::{IfIndex, Mac, Reason, SelfTest, State, Step, StepId, Warning};
use clat_core::Pref64;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use heapless::Vec;

/// What the shell is told to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Change the host, journalled before it is done. Answer with
    /// [`Input::StepDone`](crate::Input::StepDone) or [`Input::StepFailed`](crate::Input::StepFailed);
    /// the next step comes after the answer.
    Apply(StepId, Step),
    /// Undo a step that was applied: only what is still as we set it. Answer as for `Apply`.
    Undo(StepId, Step),
    /// Start translating, or go on with other parameters. Flows whose addresses stay are kept.
    Activate(TranslatorParams),
    /// Stop translating.
    Deactivate,
    /// Send an ICMPv6 message. Nothing to answer; a failure to send is a warning of the shell's.
    SendIcmpv6(Icmpv6Out),
    /// Ask a resolver for the AAAA records of `ipv4only.arpa.` on this link and no other.
    QueryDns(DnsQuery),
    /// Send an ICMPv4 echo request through the translator.
    Probe(Probe),
    /// Raw frames: the router's link-layer address, to which IPv6 packets are sent; `None` holds them.
    NextHop(Option<Mac>),
    /// The state changed. For logs and status.
    Transition {
        /// The state before.
        from: State,
        /// The state after; the same one when only the parameters changed.
        to: State,
        /// Why.
        reason: Reason,
    },
    /// A self-test ended.
    SelfTest(SelfTest),
    /// Something that people should know, said once until it changes.
    Warn(Warning),
    /// Everything is undone after [`Input::Stop`](crate::Input::Stop).
    Finished,
}

/// What the translator needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TranslatorParams {
    /// The NAT64 prefix.
    pub pref64: Pref64,
    /// The IPv4 address of this host behind the CLAT.
    pub clat_v4: Ipv4Addr,
    /// The IPv6 address it becomes.
    pub clat_v6: Ipv6Addr,
    /// MTU towards the PLAT in bytes.
    pub v6_mtu: u32,
    /// MTU towards the IPv4 host in bytes.
    pub v4_mtu: u32,
}

/// An ICMPv6 message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmpv6Out {
    /// Where to send it.
    pub ifindex: IfIndex,
    /// The IPv6 source; unspecified in duplicate address detection.
    pub source: Ipv6Addr,
    /// The IPv6 destination.
    pub destination: Ipv6Addr,
    /// The link-layer destination where frames are sent; `None` resolves to the multicast one.
    pub mac: Option<Mac>,
    /// The hop limit.
    pub hop_limit: u8,
    /// Whether a hop-by-hop header with the router alert option goes before (MLD, RFC 3810 section 5).
    pub router_alert: bool,
    /// The message from its type octet on, with a valid checksum.
    pub message: Vec<u8, 64>,
}

/// A DNS query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuery {
    /// The link to ask on.
    pub ifindex: IfIndex,
    /// The resolver to ask, port 53.
    pub server: IpAddr,
    /// The identifier of the query.
    pub id: u16,
    /// The whole message for UDP. A shell with a resolver library ignores it and answers
    /// with [`Input::DnsRecords`](crate::Input::DnsRecords).
    pub message: Vec<u8, 64>,
}

/// An ICMPv4 echo request from the CLAT's IPv4 address through the device, with Don't Fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The sequence number; the identifier is the shell's.
    pub sequence: u16,
    /// The destination.
    pub target: Ipv4Addr,
    /// The time to live.
    pub ttl: u8,
    /// The size of the whole IPv4 packet in bytes.
    pub size: u16,
}
