//! What most packets are: whole TCP and UDP packets and echoes without options or extension headers,
//! between the one address pair of a host and a /96. One look at the head decides; everything else,
//! and every packet that is to be refused, goes the general way ([`v4_to_v6`](super::v4_to_v6),
//! [`v6_to_v4`](super::v6_to_v4)), which says the same about these packets.
//!
//! With a /96 the embedded address is in both pseudo-headers and cancels out: what TCP and UDP
//! checksums change by is one constant of the configuration.

use super::fragment_field;
use super::transport::{self, Transport};
use crate::addr::{destination_v4, source_v4};
use crate::parts::{Rewrite, Span};
use crate::wire::checksum::{self, Sum};
use crate::wire::ipv4::{self, FragmentV4, HeaderV4};
use crate::wire::ipv6::{self, HeaderV6};
use crate::wire::{icmp, protocol};
use crate::{AddressMap, Csum, Gso, GsoKind, Offload, Policy, PrivateV4, QueueState, Tos};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::Range;

/// What is known beforehand of the host's pair and the policy.
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
    tos: Tos,
    /// Most bytes behind an IPv6 header, where the IPv4 packet may be fragmented and where not.
    v6_room: usize,
    v6_room_df: usize,
    /// Most bytes behind an IPv4 header.
    v4_room: usize,
}

impl Pair {
    /// `None` where only the general way knows what to do.
    pub(super) fn new<M: AddressMap>(map: &M, policy: &Policy) -> Option<Self> {
        let pair = map.host_pair().filter(|_| policy.private_v4 == PrivateV4::Translate)?;
        let pref64 = map.pref64();
        let [prefix @ .., _, _, _, _] = pref64.prefix().octets();
        let v6 = Sum::ZERO.v6(pair.v6).v6(pref64.prefix());
        let v4 = Sum::ZERO.v4(pair.v4);
        let room = |mtu: u32, header_len| (mtu as usize).saturating_sub(header_len);
        Some(Self {
            v4: pair.v4,
            v6: pair.v6,
            prefix,
            grown: v6.sub(v4).fold(),
            shrunk: v4.sub(v6).fold(),
            icmp: v6.word(u32::from(protocol::ICMPV6)).fold(),
            tos: policy.tos,
            v6_room: room(policy.lowest_v6_mtu, ipv6::HEADER_LEN),
            v6_room_df: room(policy.v6_mtu, ipv6::HEADER_LEN),
            v4_room: room(policy.v4_mtu, ipv4::HEADER_LEN),
        })
        // An address of the host under the prefix is for the general way to tell apart.
        .filter(|pair| pref64.len() == 96 && !pref64.contains(pair.v6))
    }

    #[inline(always)]
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

/// A packet whose IP header is fast: the new one, and what else decides.
struct Fast<H> {
    header: H,
    /// The protocol as it came in.
    number: u8,
    /// The address that is embedded on the IPv6 side.
    embedded: Ipv4Addr,
    /// Bytes behind the IP header.
    payload_len: usize,
    size: Size,
}

/// Most bytes at the front of a payload that change: TCP up to its checksum, or else the first eight.
const TCP_FRONT: usize = 18;
const SHORT_FRONT: usize = 8;

/// Translates an IPv4 packet. `false` for all but what is fast: the rewrite is of no use then.
pub(super) fn gather_v4_to_v6(pair: &Pair, packet: &[u8], offload: &Offload, rewrite: &mut Rewrite) -> bool {
    let gathered = packet.split_first_chunk::<{ ipv4::HEADER_LEN }>().and_then(|(head, rest)| {
        let fast = v4_to_v6(pair, head, rest, offload)?;
        let place = fast.gather::<true, { ipv6::HEADER_LEN }>(pair, head.len(), rest, offload, rewrite)?;
        *place = fast.header.bytes();
        Some(())
    });
    gathered.is_some()
}

/// The same in the packet's own buffer: `None`, and nothing written, for all but what is fast.
#[inline(always)]
pub(super) fn in_place_v4_to_v6(
    pair: &Pair,
    buf: &mut [u8],
    packet: &Range<usize>,
    offload: &mut Offload,
) -> Option<Range<usize>> {
    let start = packet.start.checked_sub(ipv6::HEADER_LEN - ipv4::HEADER_LEN)?;
    let (header, rest) = buf.get_mut(start..packet.end)?.split_first_chunk_mut::<{ ipv6::HEADER_LEN }>()?;
    let fast = v4_to_v6(pair, header.last_chunk()?, rest, offload)?;
    fast.patch::<true>(pair, offload, rest.get_mut(..fast.payload_len)?)?;
    *header = fast.header.bytes();
    fast.carry::<true>(offload);
    Some(start..start + ipv6::HEADER_LEN + fast.payload_len)
}

/// Translates an IPv6 packet. `false` for all but what is fast: the rewrite is of no use then.
pub(super) fn gather_v6_to_v4(
    pair: &Pair,
    packet: &[u8],
    offload: &Offload,
    state: &mut QueueState,
    rewrite: &mut Rewrite,
) -> bool {
    let gathered = packet.split_first_chunk::<{ ipv6::HEADER_LEN }>().and_then(|(head, rest)| {
        let fast = v6_to_v4(pair, head, rest, offload)?;
        let place = fast.gather::<false, { ipv4::HEADER_LEN }>(pair, head.len(), rest, offload, rewrite)?;
        *place = fast.header_v4(state);
        Some(())
    });
    gathered.is_some()
}

/// The same in the packet's own buffer: `None`, and nothing written, for all but what is fast.
#[inline(always)]
pub(super) fn in_place_v6_to_v4(
    pair: &Pair,
    buf: &mut [u8],
    packet: &Range<usize>,
    offload: &mut Offload,
    state: &mut QueueState,
) -> Option<Range<usize>> {
    let start = packet.start.checked_add(ipv6::HEADER_LEN - ipv4::HEADER_LEN)?;
    let (head, rest) = buf.get_mut(packet.clone())?.split_first_chunk_mut::<{ ipv6::HEADER_LEN }>()?;
    let fast = v6_to_v4(pair, head, rest, offload)?;
    fast.patch::<false>(pair, offload, rest.get_mut(..fast.payload_len)?)?;
    *head.last_chunk_mut()? = fast.header_v4(state);
    fast.carry::<false>(offload);
    Some(start..start + ipv4::HEADER_LEN + fast.payload_len)
}

/// RFC 7915 section 4.1.
#[inline(always)]
fn v4_to_v6(
    pair: &Pair,
    head: &[u8; ipv4::HEADER_LEN],
    rest: &[u8],
    offload: &Offload,
) -> Option<Fast<HeaderV6>> {
    let [w0, w1, w2, src, dst] = head.as_chunks::<4>().0 else { return None };
    let [0x45, tos, l0, l1] = *w0 else { return None };
    let [ttl, number, _, _] = *w2;
    let payload_len = usize::from(u16::from_be_bytes([l0, l1])).checked_sub(ipv4::HEADER_LEN)?;
    let payload = rest.get(..payload_len)?;
    let flags = FragmentV4::from_words(0, u16::from_be_bytes([w1[2], w1[3]]));
    let (src, dst) = (Ipv4Addr::from_octets(*src), Ipv4Addr::from_octets(*dst));
    let in_order = checksum::is_in_order(head) && !flags.is_fragment() && ttl > 1;
    if !in_order || src != pair.v4 || dst == src || !destination_v4(dst) {
        return None;
    }
    let room = if flags.dont_fragment() { pair.v6_room_df } else { pair.v6_room };
    let size = sized(number, payload, offload, room)?;
    let header = HeaderV6 {
        traffic_class: pair.tos.of(tos),
        // Less than the total length.
        payload_len: payload_len as u16,
        next_header: if number == protocol::ICMPV4 { protocol::ICMPV6 } else { number },
        hop_limit: ttl - 1,
        src: pair.v6,
        dst: pair.embed(dst),
    };
    Some(Fast { header, number, embedded: dst, payload_len, size })
}

/// RFC 7915 section 5.1.
#[inline(always)]
fn v6_to_v4(
    pair: &Pair,
    head: &[u8; ipv6::HEADER_LEN],
    rest: &[u8],
    offload: &Offload,
) -> Option<Fast<HeaderV4>> {
    let (front, addresses) = head.split_first_chunk::<8>()?;
    let [v0, v1, _, _, l0, l1, number, hop_limit] = *front;
    if !matches!(number, protocol::TCP | protocol::UDP | protocol::ICMPV6) {
        return None;
    }
    let (prefix, addresses) = addresses.split_first_chunk::<12>()?;
    let (src, dst) = addresses.split_first_chunk::<4>()?;
    let src = Ipv4Addr::from_octets(*src);
    let payload = rest.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
    let ours = *prefix == pair.prefix && *dst.first_chunk::<16>()? == pair.v6.octets();
    if v0 >> 4 != 6 || !ours || hop_limit <= 1 || src == pair.v4 || !source_v4(src) {
        return None;
    }
    let payload_len = payload.len();
    let size = sized(number, payload, offload, pair.v4_room)?;
    let total_len = u16::try_from(payload_len + ipv4::HEADER_LEN).ok()?;
    let protocol = if number == protocol::ICMPV6 { protocol::ICMPV4 } else { number };
    let header = HeaderV4 {
        tos: pair.tos.of((v0 << 4) | (v1 >> 4)),
        total_len,
        fragment: FragmentV4::default(),
        ttl: hop_limit - 1,
        protocol,
        src,
        dst: pair.v4,
    };
    Some(Fast { header, number, embedded: src, payload_len, size })
}

impl Fast<HeaderV4> {
    /// The header with its identification and Don't Fragment.
    #[inline(always)]
    fn header_v4(&self, state: &mut QueueState) -> [u8; ipv4::HEADER_LEN] {
        let HeaderV4 { src, dst, protocol, .. } = self.header;
        let ident = state.next_ident(src, dst, protocol);
        let fragment = fragment_field::of_whole(ident, ipv4::HEADER_LEN + self.size.segment);
        HeaderV4 { fragment, ..self.header }.bytes()
    }
}

impl<H> Fast<H> {
    /// As a head, and a tail of the packet that came in with a header of `old_len` bytes before `rest`. Returns the
    /// place of the new header.
    #[inline(always)]
    fn gather<'r, const TO_V6: bool, const LEN: usize>(
        &self,
        pair: &Pair,
        old_len: usize,
        rest: &[u8],
        offload: &Offload,
        rewrite: &'r mut Rewrite,
    ) -> Option<&'r mut [u8; LEN]> {
        let front = rewrite.head.behind_mut::<LEN>()?;
        let len = if self.number == protocol::TCP {
            *front.first_chunk_mut::<TCP_FRONT>()? = *rest.first_chunk()?;
            TCP_FRONT
        } else {
            *front.first_chunk_mut::<SHORT_FRONT>()? = *rest.first_chunk()?;
            SHORT_FRONT
        };
        self.patch::<TO_V6>(pair, offload, front)?;
        rewrite.tail = Span::new(old_len + len, old_len + self.payload_len);
        rewrite.offload = *offload;
        self.carry::<TO_V6>(&mut rewrite.offload);
        rewrite.head.of_len::<LEN>(LEN + len)
    }

    /// RFC 7915 sections 4.5 and 5.5, 4.2 and 5.2: changes what changes at the front of the payload. `None`,
    /// and nothing changed, where only the general way knows what to do.
    #[inline(always)]
    fn patch<const TO_V6: bool>(&self, pair: &Pair, offload: &Offload, front: &mut [u8]) -> Option<()> {
        let delta = if TO_V6 { pair.grown } else { pair.shrunk };
        match self.number {
            protocol::TCP if self.payload_len >= 20 => tcp(front, delta, offload),
            protocol::UDP if self.payload_len >= 8 => udp::<TO_V6>(front, self.payload_len, delta, offload),
            protocol::ICMPV4 if TO_V6 && self.payload_len >= 8 => {
                let new_type = icmp::echo_v6(*front.first()?)?;
                echo(front, new_type, self.pseudo(pair))
            }
            protocol::ICMPV6 if !TO_V6 && self.payload_len >= 8 => {
                let new_type = icmp::echo_v4(*front.first()?)?;
                echo(front, new_type, Sum::ZERO.sub(self.pseudo(pair)))
            }
            _ => None,
        }
    }

    /// The ICMPv6 pseudo-header.
    #[inline(always)]
    fn pseudo(&self, pair: &Pair) -> Sum {
        // A payload is shorter than 65536.
        Sum::ZERO.word(u32::from(pair.icmp)).v4(self.embedded).word(self.payload_len as u32)
    }

    /// What the device is told about the packet that leaves.
    #[inline(always)]
    fn carry<const TO_V6: bool>(&self, offload: &mut Offload) {
        let (header_len, tcp) =
            if TO_V6 { (ipv6::HEADER_LEN, GsoKind::TcpV6) } else { (ipv4::HEADER_LEN, GsoKind::TcpV4) };
        if let Csum::Partial { start, .. } = &mut offload.csum {
            *start = header_len as u16;
        }
        if let Some(gso) = &mut offload.gso {
            // An IP header and at most 60 bytes.
            gso.header_len = (header_len + self.size.l4_len) as u16;
            if gso.kind != GsoKind::Udp {
                gso.kind = tcp;
            }
        }
    }
}

#[inline(always)]
fn tcp(front: &mut [u8], delta: u16, offload: &Offload) -> Option<()> {
    let place = front.get_mut(16..)?.first_chunk_mut::<2>()?;
    let field = u16::from_be_bytes(*place);
    let checksum = match offload.csum {
        Csum::Partial { .. } => checksum::add(field, delta),
        Csum::Complete | Csum::Verified => !checksum::add(!field, delta),
    };
    *place = checksum.to_be_bytes();
    Some(())
}

/// A checksum of zero stays in IPv4; what becomes of it in IPv6, only the general way knows.
#[inline(always)]
fn udp<const TO_V6: bool>(front: &mut [u8], payload_len: usize, delta: u16, offload: &Offload) -> Option<()> {
    let [_, _, _, _, l0, l1, c0, c1] = front.first_chunk_mut::<8>()?;
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    if offload.gso.is_none() && !(8..=payload_len).contains(&len) {
        return None;
    }
    let field = u16::from_be_bytes([*c0, *c1]);
    let checksum = match (offload.csum, field) {
        (Csum::Partial { .. }, _) => checksum::add(field, delta),
        (_, 0) if TO_V6 => return None,
        (_, 0) => 0,
        _ => match !checksum::add(!field, delta) {
            0 => 0xffff,
            checksum => checksum,
        },
    };
    [*c0, *c1] = checksum.to_be_bytes();
    Some(())
}

#[inline(always)]
fn echo(front: &mut [u8], new_type: u8, pseudo: Sum) -> Option<()> {
    let [icmp_type, code, c0, c1] = front.first_chunk_mut::<4>()?;
    let old = u32::from(u16::from_be_bytes([*icmp_type, *code]));
    let delta = pseudo.word(u32::from(new_type) << 8).sub(Sum::ZERO.word(old));
    [*c0, *c1] = checksum::update(u16::from_be_bytes([*c0, *c1]), delta).to_be_bytes();
    [*icmp_type, *code] = [new_type, 0];
    Some(())
}

/// What leaves at once.
struct Size {
    /// Bytes behind the IP header.
    segment: usize,
    /// Bytes of the transport header, of a super-packet.
    l4_len: usize,
}

/// The size of a packet or of the segments of a super-packet, where it fits into `room`. What does not fit is
/// left to the general way.
#[inline(always)]
fn sized(number: u8, payload: &[u8], offload: &Offload, room: usize) -> Option<Size> {
    let size = match &offload.gso {
        None => Size { segment: payload.len(), l4_len: 0 },
        Some(gso) => super_packet(number, payload, gso)?,
    };
    (size.segment <= room).then_some(size)
}

#[inline(always)]
fn super_packet(number: u8, payload: &[u8], gso: &Gso) -> Option<Size> {
    let l4_len = match (gso.kind, number) {
        (GsoKind::TcpV4 | GsoKind::TcpV6, protocol::TCP) if gso.size > 0 => Transport::Tcp,
        (GsoKind::Udp, protocol::UDP) => Transport::Udp,
        _ => return None,
    };
    let l4_len = transport::super_header_len(l4_len, payload)?;
    Some(Size { segment: l4_len + usize::from(gso.size), l4_len })
}

#[cfg(test)]
mod tests {
    use super::super::{Fate, Translator, v4_to_v6 as general_v6, v6_to_v4 as general_v4};
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

    fn whole(rewrite: Rewrite, packet: &[u8]) -> (Vec<u8>, Offload) {
        let offload = rewrite.offload;
        (Parts::new(packet, rewrite).slices().concat(), offload)
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
            let (pair, mut rewrite) = (translator.fast.as_ref().unwrap(), Rewrite::default());
            if gather_v4_to_v6(pair, &packet, &offload, &mut rewrite) {
                let mut general = Rewrite::default();
                let fate = general_v6::fate(&translator, &packet, offload, &mut QueueState::new(1), &mut general);
                prop_assert!(matches!(fate, Fate::Forward));
                prop_assert_eq!(whole(rewrite, &packet), whole(general, &packet));
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
            let (pair, mut rewrite) = (translator.fast.as_ref().unwrap(), Rewrite::default());
            if gather_v6_to_v4(pair, &packet, &offload, &mut QueueState::new(1), &mut rewrite) {
                let mut general = Rewrite::default();
                let fate = general_v4::fate(&translator, &packet, offload, &mut QueueState::new(1), &mut general);
                prop_assert!(matches!(fate, Fate::Forward));
                prop_assert_eq!(whole(rewrite, &packet), whole(general, &packet));
            } else {
                let plain = hop_limit > 1 && offload.gso.is_none() && payload.len() < 1200;
                let public = source_v4(src.into()) && Ipv4Addr::from(src) != LOCAL;
                prop_assert!(!(plain && public && next_header == 6 && payload.len() >= 20), "TCP is fast");
            }
        }
    }
}
