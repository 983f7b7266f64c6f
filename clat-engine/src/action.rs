//! What the shell is told to do.

use crate::wire::{ethernet, icmp6};
use crate::{IfIndex, Mac, Reason, SelfTest, State, Step, StepId, Warning};
use clat_core::Pref64;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use heapless::Vec;

/// Longest message, in bytes.
pub(crate) const ICMPV6_MESSAGE: usize = 64;
/// The longest behind its IPv6 header and a router alert.
const ICMPV6_PACKET: usize = 40 + 8 + ICMPV6_MESSAGE;

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
    /// Raw frames: the link to hear and to speak on from now on, or none. The router there is not known yet.
    Uplink(Option<IfIndex>),
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
    pub message: Vec<u8, ICMPV6_MESSAGE>,
}

impl Icmpv6Out {
    /// Where a frame with it goes: to the neighbour that told its address, or to the group. `None` where nobody
    /// knows the neighbour's link-layer address.
    #[must_use]
    pub fn link_layer(&self) -> Option<Mac> {
        self.mac.or_else(|| self.destination.is_multicast().then(|| ethernet::group(self.destination)))
    }

    /// The message in its IPv6 packet (RFC 8200 section 3), a router alert before it where asked for (RFC 2711).
    #[must_use]
    pub fn packet(&self) -> Vec<u8, ICMPV6_PACKET> {
        const ALERT: [u8; 8] = [icmp6::NEXT_HEADER, 0, 5, 2, 0, 0, 1, 0];
        let alert: &[u8] = if self.router_alert { &ALERT } else { &[] };
        let next = if self.router_alert { icmp6::HOP_BY_HOP } else { icmp6::NEXT_HEADER };
        let length = u16::try_from(alert.len() + self.message.len()).unwrap_or(u16::MAX);
        let [high, low] = length.to_be_bytes();
        let fixed = [0x60, 0, 0, 0, high, low, next, self.hop_limit];
        let (source, destination) = (self.source.octets(), self.destination.octets());
        let parts: [&[u8]; 5] = [&fixed, &source, &destination, alert, &self.message];
        let mut packet = Vec::new();
        for part in parts {
            // There is room for the longest message.
            let _ = packet.extend_from_slice(part);
        }
        packet
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc2711_a_router_alert_stands_before_the_message() {
        let mut out = Icmpv6Out {
            ifindex: 1,
            source: "fe80::1".parse().unwrap(),
            destination: "ff02::16".parse().unwrap(),
            mac: None,
            hop_limit: 1,
            router_alert: true,
            message: [143, 0, 0, 0, 0, 0, 0, 0].into_iter().collect(),
        };
        let with = out.packet();
        assert_eq!(with[4..8], [0, 16, 0, 1]);
        assert_eq!(with[40..48], [58, 0, 5, 2, 0, 0, 1, 0]);
        out.router_alert = false;
        let without = out.packet();
        assert_eq!(without[4..8], [0, 8, 58, 1]);
        assert_eq!(without[40..], with[48..]);
    }

    #[test]
    fn the_longest_message_fits_behind_a_router_alert() {
        let out = Icmpv6Out {
            ifindex: 1,
            source: "fe80::1".parse().unwrap(),
            destination: "ff02::16".parse().unwrap(),
            mac: None,
            hop_limit: 1,
            router_alert: true,
            message: [0xab; 64].into_iter().collect(),
        };
        assert_eq!(out.packet()[48..], [0xab; 64]);
    }
}
