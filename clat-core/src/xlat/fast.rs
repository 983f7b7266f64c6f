//! What most packets are: whole TCP and UDP packets and echoes without options or extension headers,
//! between the one address pair of a host and a /96. One look at the head decides; everything else,
//! and every packet that is to be refused, goes the general way ([`v4_to_v6`](super::v4_to_v6),
//! [`v6_to_v4`](super::v6_to_v4)), which says the same about these packets.
//!
//! With a /96 the embedded address is in both pseudo-headers and cancels out: what TCP and UDP
//! checksums change by is one constant of the configuration.

use super::transport::{self, Transport};
use super::{Translator, fragment_field};
use crate::addr::{destination_v4, source_v4};
use crate::parts::{Rewrite, Span};
use crate::wire::checksum::{self, Sum};
use crate::wire::ipv4::{self, FragmentV4, HeaderV4};
use crate::wire::ipv6::{self, HeaderV6};
use crate::wire::{icmp, protocol};
use crate::{AddressMap, Csum, Gso, GsoKind, Offload, Policy, PrivateV4, QueueState};
use core::net::{Ipv4Addr, Ipv6Addr};

/// What is known beforehand of the host's pair.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    prefix: [u8; 12],
    /// Pseudo-header of IPv6 less that of IPv4.
    grown: u16,
    /// Pseudo-header of IPv4 less that of IPv6.
    shrunk: u16,
    /// The ICMPv6 pseudo-header without length and embedded address.
    icmp: u16,
}

impl Pair {
    /// `None` where only the general way knows what to do.
    pub(super) fn new<M: AddressMap>(map: &M, policy: &Policy) -> Option<Self> {
        let pair = map.host_pair().filter(|_| policy.private_v4 == PrivateV4::Translate)?;
        let pref64 = map.pref64();
        let [prefix @ .., _, _, _, _] = pref64.prefix().octets();
        let v6 = Sum::ZERO.v6(pair.v6).v6(pref64.prefix());
        let v4 = Sum::ZERO.v4(pair.v4);
        Some(Self {
            v4: pair.v4,
            v6: pair.v6,
            prefix,
            grown: v6.sub(v4).fold(),
            shrunk: v4.sub(v6).fold(),
            icmp: v6.word(u32::from(protocol::ICMPV6)).fold(),
        })
        // An address of the host under the prefix is for the general way to tell apart.
        .filter(|pair| pref64.len() == 96 && !pref64.contains(pair.v6))
    }

    #[inline]
    fn embed(&self, v4: Ipv4Addr) -> Ipv6Addr {
        let mut octets = [0; 16];
        if let Some((prefix, suffix)) = octets.split_first_chunk_mut::<12>() {
            *prefix = self.prefix;
            if let Some(suffix) = suffix.first_chunk_mut::<4>() {
                *suffix = v4.octets();
            }
        }
        Ipv6Addr::from_octets(octets)
    }
}

/// A packet with a new IP header of `H` bytes and a payload in which little changes.
pub(super) struct Fast<const H: usize> {
    pub(super) header: [u8; H],
    pub(super) front: Front,
    /// Where the payload stands in the packet that came in.
    pub(super) payload: Span,
    pub(super) offload: Offload,
}

/// What changes at the front of the payload.
pub(super) enum Front {
    Tcp { checksum: [u8; 2] },
    Udp { checksum: [u8; 2] },
    Icmp { icmp_type: u8, checksum: [u8; 2] },
}

impl Front {
    /// Bytes up to and with the last that changes.
    const fn len(&self) -> usize {
        match self {
            Self::Tcp { .. } => 18,
            Self::Udp { .. } => 8,
            Self::Icmp { .. } => 4,
        }
    }

    /// Writes the changes; `None`, and nothing written, where the payload is too short.
    #[inline]
    pub(super) fn patch(&self, payload: &mut [u8]) -> Option<()> {
        match (self, payload) {
            (Self::Tcp { checksum }, [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, c0, c1, ..])
            | (Self::Udp { checksum }, [_, _, _, _, _, _, c0, c1, ..]) => [*c0, *c1] = *checksum,
            (Self::Icmp { icmp_type, checksum }, [old_type, code, c0, c1, ..]) => {
                [*old_type, *code] = [*icmp_type, 0];
                [*c0, *c1] = *checksum;
            }
            _ => return None,
        }
        Some(())
    }
}

impl<const H: usize> Fast<H> {
    #[inline]
    pub(super) fn rewrite(&self, packet: &[u8]) -> Rewrite {
        let (start, len) = (self.payload.start(), self.payload.len());
        let changed = self.front.len();
        let mut rewrite = Rewrite {
            tail: Span::new(start + changed, start + len),
            offload: self.offload,
            ..Rewrite::default()
        };
        rewrite.head.push(&self.header);
        rewrite.head.push(Span::new(start, start + changed).of(packet));
        // The payload is longer than what changes.
        let _ = rewrite.head.behind_mut(H).and_then(|front| self.front.patch(front));
        rewrite
    }
}

/// RFC 7915 section 4.1.
#[inline(always)]
pub(super) fn v4_to_v6<M>(translator: &Translator<M>, packet: &[u8], offload: Offload) -> Option<Fast<40>> {
    let pair = translator.fast.as_ref()?;
    let policy = &translator.policy;
    let (head, rest) = packet.split_first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let [w0, w1, w2, src, dst] = head.as_chunks::<4>().0 else { return None };
    let [0x45, tos, l0, l1] = *w0 else { return None };
    let [ttl, number, _, _] = *w2;
    let total_len = usize::from(u16::from_be_bytes([l0, l1]));
    let flags = FragmentV4::from_words(0, u16::from_be_bytes([w1[2], w1[3]]));
    let payload = rest.get(..total_len.checked_sub(ipv4::HEADER_LEN)?)?;
    let (src, dst) = (Ipv4Addr::from_octets(*src), Ipv4Addr::from_octets(*dst));
    let in_order = checksum::is_in_order(head) && !flags.is_fragment() && ttl > 1;
    if !in_order || src != pair.v4 || dst == src || !destination_v4(dst) {
        return None;
    }
    let mtu = if flags.dont_fragment() { policy.v6_mtu } else { policy.lowest_v6_mtu } as usize;
    let (next_header, front) = match number {
        protocol::TCP => (number, tcp(payload, pair.grown, offload)?),
        protocol::UDP => (number, udp(payload, pair.grown, offload, ZeroChecksum::General)?),
        protocol::ICMPV4 => (protocol::ICMPV6, echo_v6(pair, payload, dst)?),
        _ => return None,
    };
    let room = mtu.saturating_sub(ipv6::HEADER_LEN);
    let (_, gso) = sized(number, payload, offload.gso, room, (GsoKind::TcpV6, ipv6::HEADER_LEN))?;
    let header = HeaderV6 {
        traffic_class: policy.tos.of(tos),
        // Less than the total length.
        payload_len: payload.len() as u16,
        next_header,
        hop_limit: ttl - 1,
        src: pair.v6,
        dst: pair.embed(dst),
    };
    let csum = offload.csum.moved_to(ipv6::HEADER_LEN as u16);
    let payload = Span::new(ipv4::HEADER_LEN, total_len);
    Some(Fast { header: header.bytes(), front, payload, offload: Offload { csum, gso } })
}

/// RFC 7915 section 5.1.
#[inline(always)]
pub(super) fn v6_to_v4<M>(
    translator: &Translator<M>,
    packet: &[u8],
    offload: Offload,
    state: &mut QueueState,
) -> Option<Fast<20>> {
    let pair = translator.fast.as_ref()?;
    let policy = &translator.policy;
    let (head, rest) = packet.split_first_chunk::<{ ipv6::HEADER_LEN }>()?;
    let (front, addresses) = head.split_first_chunk::<8>()?;
    let [v0, v1, _, _, l0, l1, number, hop_limit] = *front;
    let (prefix, addresses) = addresses.split_first_chunk::<12>()?;
    let (src, dst) = addresses.split_first_chunk::<4>()?;
    let src = Ipv4Addr::from_octets(*src);
    let payload = rest.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
    let ours = *prefix == pair.prefix && *dst.first_chunk::<16>()? == pair.v6.octets();
    if v0 >> 4 != 6 || !ours || hop_limit <= 1 || src == pair.v4 || !source_v4(src) {
        return None;
    }
    let (protocol, front) = match number {
        protocol::TCP => (number, tcp(payload, pair.shrunk, offload)?),
        protocol::UDP => (number, udp(payload, pair.shrunk, offload, ZeroChecksum::Stays)?),
        protocol::ICMPV6 => (protocol::ICMPV4, echo_v4(pair, payload, src)?),
        _ => return None,
    };
    let room = (policy.v4_mtu as usize).saturating_sub(ipv4::HEADER_LEN);
    let (segment, gso) = sized(number, payload, offload.gso, room, (GsoKind::TcpV4, ipv4::HEADER_LEN))?;
    let total_len = u16::try_from(payload.len() + ipv4::HEADER_LEN).ok()?;
    let ident = state.next_ident(src, pair.v4, protocol);
    let header = HeaderV4 {
        tos: policy.tos.of((v0 << 4) | (v1 >> 4)),
        total_len,
        fragment: fragment_field::of_whole(ident, ipv4::HEADER_LEN + segment),
        ttl: hop_limit - 1,
        protocol,
        src,
        dst: pair.v4,
    };
    let csum = offload.csum.moved_to(ipv4::HEADER_LEN as u16);
    let payload = Span::new(ipv6::HEADER_LEN, ipv6::HEADER_LEN + payload.len());
    Some(Fast { header: header.bytes(), front, payload, offload: Offload { csum, gso } })
}

/// What becomes of a UDP checksum of zero.
enum ZeroChecksum {
    /// Only the general way knows.
    General,
    /// It stays.
    Stays,
}

#[inline]
fn tcp(payload: &[u8], delta: u16, offload: Offload) -> Option<Front> {
    let front = payload.first_chunk::<20>()?;
    let field = u16::from_be_bytes([front[16], front[17]]);
    let checksum = match offload.csum {
        Csum::Partial { .. } => checksum::add(field, delta),
        Csum::Complete | Csum::Verified => !checksum::add(!field, delta),
    };
    Some(Front::Tcp { checksum: checksum.to_be_bytes() })
}

#[inline]
fn udp(payload: &[u8], delta: u16, offload: Offload, zero: ZeroChecksum) -> Option<Front> {
    let [_, _, _, _, l0, l1, c0, c1, ..] = *payload else { return None };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if offload.gso.is_none() && !(8..=payload.len()).contains(&len) {
        return None;
    }
    let field = u16::from_be_bytes([c0, c1]);
    let checksum = match (offload.csum, field, zero) {
        (Csum::Partial { .. }, ..) => checksum::add(field, delta),
        (_, 0, ZeroChecksum::General) => return None,
        (_, 0, ZeroChecksum::Stays) => 0,
        _ => match !checksum::add(!field, delta) {
            0 => 0xffff,
            checksum => checksum,
        },
    };
    Some(Front::Udp { checksum: checksum.to_be_bytes() })
}

#[inline]
fn echo_v6(pair: &Pair, payload: &[u8], dst: Ipv4Addr) -> Option<Front> {
    let icmp_type = icmp::echo_v6(payload.first_chunk::<8>()?[0])?;
    Some(echo(payload, icmp_type, echo_pseudo(pair, payload, dst)?))
}

#[inline]
fn echo_v4(pair: &Pair, payload: &[u8], src: Ipv4Addr) -> Option<Front> {
    let icmp_type = icmp::echo_v4(payload.first_chunk::<8>()?[0])?;
    Some(echo(payload, icmp_type, Sum::ZERO.sub(echo_pseudo(pair, payload, src)?)))
}

#[inline]
fn echo_pseudo(pair: &Pair, payload: &[u8], embedded: Ipv4Addr) -> Option<Sum> {
    let len = u32::try_from(payload.len()).ok()?;
    Some(Sum::ZERO.word(u32::from(pair.icmp)).v4(embedded).word(len))
}

#[inline]
fn echo(payload: &[u8], icmp_type: u8, pseudo: Sum) -> Front {
    let [old_type, code, c0, c1, ..] = *payload else {
        return Front::Icmp { icmp_type, checksum: [0; 2] };
    };
    let old = u32::from(u16::from_be_bytes([old_type, code]));
    let delta = pseudo.word(u32::from(icmp_type) << 8).sub(Sum::ZERO.word(old));
    let checksum = checksum::update(u16::from_be_bytes([c0, c1]), delta).to_be_bytes();
    Front::Icmp { icmp_type, checksum }
}

/// Bytes behind the IP header that leave at once, where they fit into `room`, and the super-packet they
/// are a segment of. One whose segments do not fit is left to the general way.
#[inline(always)]
fn sized(
    number: u8,
    payload: &[u8],
    gso: Option<Gso>,
    room: usize,
    out: (GsoKind, usize),
) -> Option<(usize, Option<Gso>)> {
    let (segment, gso) = match gso {
        None => (payload.len(), None),
        Some(gso) => {
            let (segment, gso) = super_packet(number, payload, gso, out)?;
            (segment, Some(gso))
        }
    };
    (segment <= room).then_some((segment, gso))
}

#[inline(always)]
fn super_packet(number: u8, payload: &[u8], gso: Gso, out: (GsoKind, usize)) -> Option<(usize, Gso)> {
    let (tcp, ip_header_len) = out;
    let header_len = transport::super_header_len(Transport::of(number), payload)?;
    let kind = match (gso.kind, number) {
        (GsoKind::TcpV4 | GsoKind::TcpV6, protocol::TCP) if gso.size > 0 => tcp,
        (GsoKind::Udp, protocol::UDP) => GsoKind::Udp,
        _ => return None,
    };
    // An IP header and at most 60 bytes.
    let all_headers = (ip_header_len + header_len) as u16;
    Some((header_len + usize::from(gso.size), Gso { kind, header_len: all_headers, ..gso }))
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, v4_to_v6 as general_v6, v6_to_v4 as general_v4};
    use super::*;
    use crate::{ClatMap, Parts, Pref64, Tos};
    use proptest::prelude::*;
    use std::vec::Vec;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);

    fn translator(tos: Tos, mtu: u32) -> Translator<ClatMap> {
        let mut policy = Policy::new();
        (policy.tos, policy.v6_mtu, policy.v4_mtu) = (tos, mtu, mtu);
        let map = ClatMap::host(Pref64::WELL_KNOWN, LOCAL, "2001:db8::464".parse().unwrap());
        Translator::new(map, policy)
    }

    fn offload() -> impl Strategy<Value = Offload> {
        let csum = prop_oneof![
            Just(Csum::Complete),
            Just(Csum::Verified),
            Just(Csum::Partial { start: 20, offset: 16 })
        ];
        let kind = prop_oneof![Just(GsoKind::TcpV4), Just(GsoKind::TcpV6), Just(GsoKind::Udp)];
        let gso = (kind, any::<bool>(), 0..2000u16, any::<u16>());
        let gso = prop::option::weighted(
            0.3,
            gso.prop_map(|(kind, ecn, size, header_len)| Gso { kind, ecn, size, header_len }),
        );
        (csum, gso).prop_map(|(csum, gso)| Offload { csum, gso })
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        (prop::collection::vec(any::<u8>(), 0..1600), any::<bool>(), 0..4u8).prop_map(
            |(mut p, zero, icmp)| {
                if p.len() >= 20 {
                    let len = u16::try_from(p.len()).unwrap();
                    p[4..6].copy_from_slice(&len.to_be_bytes());
                    p[12] = 0x50;
                    p[0] = [0, 8, 128, 129][usize::from(icmp)];
                    if zero {
                        p[6..8].fill(0);
                    }
                }
                p
            },
        )
    }

    fn whole(outcome: &Outcome, packet: &[u8]) -> Option<(Vec<u8>, Offload)> {
        let Outcome::Forward(rewrite) = outcome else { return None };
        Some((Parts::new(packet, rewrite.clone()).slices().concat(), rewrite.offload))
    }

    proptest! {
        #[test]
        fn the_general_way_says_the_same_v4_to_v6(
            (tos, ttl, flags) in (any::<u8>(), 0..4u8, prop_oneof![Just(0x4000u16), Just(0), any::<u16>()]),
            number in prop_oneof![Just(6u8), Just(17), Just(1)], dst: [u8; 4],
            payload in payload(), offload in offload(), fixed: bool, mtu in 1280..1700u32,
        ) {
            let fragment = FragmentV4::from_words(7, flags);
            let total_len = u16::try_from(20 + payload.len()).unwrap();
            let header = HeaderV4 { tos, total_len, fragment, ttl, protocol: number, src: LOCAL, dst: dst.into() };
            let packet = [&header.bytes()[..], &payload].concat();
            let translator = translator(if fixed { Tos::Fixed(0x2e) } else { Tos::Copy }, mtu);
            if let Some(fast) = v4_to_v6(&translator, &packet, offload) {
                let fast = Outcome::Forward(fast.rewrite(&packet));
                let general = general_v6::outcome(&translator, &packet, offload, &mut QueueState::new(1));
                prop_assert!(whole(&fast, &packet).is_some());
                prop_assert_eq!(whole(&fast, &packet), whole(&general, &packet));
            } else {
                let plain = flags & 0x3fff == 0 && ttl > 1 && offload.gso.is_none() && payload.len() < 1200;
                let public = destination_v4(dst.into()) && Ipv4Addr::from(dst) != LOCAL;
                prop_assert!(!(plain && public && number == 6 && payload.len() >= 20), "TCP is fast");
            }
        }

        #[test]
        fn the_general_way_says_the_same_v6_to_v4(
            (traffic_class, hop_limit) in (any::<u8>(), 0..4u8),
            next_header in prop_oneof![Just(6u8), Just(17), Just(58)], src: [u8; 4],
            payload in payload(), offload in offload(), fixed: bool, mtu in 1280..1700u32,
        ) {
            let header = HeaderV6 {
                traffic_class,
                payload_len: u16::try_from(payload.len()).unwrap(),
                next_header,
                hop_limit,
                src: Pref64::WELL_KNOWN.embed(src.into()),
                dst: "2001:db8::464".parse().unwrap(),
            };
            let packet = [&header.bytes()[..], &payload].concat();
            let translator = translator(if fixed { Tos::Fixed(0x2e) } else { Tos::Copy }, mtu);
            if let Some(fast) = v6_to_v4(&translator, &packet, offload, &mut QueueState::new(1)) {
                let fast = Outcome::Forward(fast.rewrite(&packet));
                let general = general_v4::outcome(&translator, &packet, offload, &mut QueueState::new(1));
                prop_assert!(whole(&fast, &packet).is_some());
                prop_assert_eq!(whole(&fast, &packet), whole(&general, &packet));
            } else {
                let plain = hop_limit > 1 && offload.gso.is_none() && payload.len() < 1200;
                let public = source_v4(src.into()) && Ipv4Addr::from(src) != LOCAL;
                prop_assert!(!(plain && public && next_header == 6 && payload.len() >= 20), "TCP is fast");
            }
        }
    }
}
