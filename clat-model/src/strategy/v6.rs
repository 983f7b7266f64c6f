//! IPv6 packets as they arrive for the CLAT.

use super::{Message, cut, extension, fragment, local_v6, multi_part, payload, remote_v6, ttl, upper};
use crate::Config;
use crate::build::V6;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv6Addr;

/// An IPv6 packet to be translated.
pub fn v6_packet(c: &Config) -> BoxedStrategy<Vec<u8>> {
    let dst = prop_oneof![12 => Just(local_v6(c)), 1 => remote_v6(c)].boxed();
    let header = header(remote_v6(c), dst);
    let echo =
        (header.clone(), any::<(bool, u8, [u8; 4])>(), payload()).prop_map(|(ip, (reply, code, word), p)| {
            ip.icmp(if reply { 129 } else { 128 }, if code > 250 { code } else { 0 }, word, &p)
        });
    let error = (header.clone(), quote(c), message(), extension()).prop_map(
        |(ip, quote, (kind, code, word), extension)| {
            let (body, len) = multi_part(quote, extension, 8);
            let [first, second, third, fourth] = word;
            let first = if len > 0 && matches!(kind, 1 | 3) { len } else { first };
            ip.icmp(kind, code, [first, second, third, fourth], &body)
        },
    );
    prop_oneof![4 => transport(header), 1 => echo, 4 => error].boxed()
}

fn header(src: BoxedStrategy<Ipv6Addr>, dst: BoxedStrategy<Ipv6Addr>) -> BoxedStrategy<V6> {
    (src, dst, any::<(u8, u32)>(), ttl(), chain())
        .prop_map(|(src, dst, (class, flow), ttl, chain)| {
            let ip = V6::out().src(src).dst(dst).traffic_class(class).flow(flow).hop_limit(ttl);
            chain.into_iter().fold(ip, |ip, extension| extension.put(ip))
        })
        .boxed()
}

fn transport(header: BoxedStrategy<V6>) -> BoxedStrategy<Vec<u8>> {
    (header, upper(), any::<bool>())
        .prop_map(|(ip, (next, mut payload, at), even)| {
            if even {
                payload.truncate(payload.len() / 8 * 8);
            }
            ip.carry(next, payload, at)
        })
        .boxed()
}

#[derive(Clone, Debug)]
enum Extension {
    Skipped(u8, u8),
    Routing(u8),
    Fragment(u32, usize, bool),
}

impl Extension {
    fn put(self, ip: V6) -> V6 {
        match self {
            Self::Skipped(kind, units) => ip.extension(kind, units),
            Self::Routing(left) => ip.routing(left),
            Self::Fragment(ident, offset, more) => ip.fragment(ident, offset, more),
        }
    }
}

fn skipped(kinds: &[u8]) -> BoxedStrategy<Extension> {
    (prop::sample::select(kinds.to_vec()), 0u8..4).prop_map(|(k, u)| Extension::Skipped(k, u)).boxed()
}

fn chain() -> BoxedStrategy<Vec<Extension>> {
    let routing = prop_oneof![3 => Just(0u8), 1 => any::<u8>()].prop_map(Extension::Routing);
    let fragment = prop_oneof![
        1 => any::<u32>().prop_map(|ident| Extension::Fragment(ident, 0, false)),
        2 => (any::<u32>(), fragment()).prop_map(|(ident, (offset, more))| Extension::Fragment(ident, offset, more)),
    ];
    let one = prop_oneof![
        6 => skipped(&[60]),
        1 => skipped(&[0, 51, 60, 135, 139, 140]),
        3 => routing,
        4 => fragment.clone(),
    ];
    let hop_by_hop = prop::option::of(skipped(&[0]));
    prop_oneof![
        8 => Just(Vec::new()),
        3 => fragment.prop_map(|f| vec![f]),
        3 => (hop_by_hop, vec(one, 0..4)).prop_map(|(first, rest)| first.into_iter().chain(rest).collect()),
        1 => vec(skipped(&[60]), 6..12),
    ]
    .boxed()
}

fn message() -> BoxedStrategy<Message> {
    let mtu = prop_oneof![0u32..3000, any::<u32>()].prop_map(u32::to_be_bytes);
    let pointer = prop_oneof![3 => 0u32..48, 1 => any::<u32>()].prop_map(u32::to_be_bytes);
    // Most say nothing of RFC 4884.
    let word = prop_oneof![4 => Just([0u8; 4]), 1 => any::<[u8; 4]>()];
    prop_oneof![
        4 => (Just(1u8), 0u8..9, word.clone()),
        3 => (Just(2u8), 0u8..2, mtu),
        2 => (Just(3u8), 0u8..3, word),
        3 => (Just(4u8), 0u8..4, pointer),
        1 => any::<(u8, u8, [u8; 4])>(),
    ]
    .boxed()
}

/// A packet that the host sent, as it left, cut anywhere.
fn quote(c: &Config) -> BoxedStrategy<Vec<u8>> {
    let src = prop_oneof![12 => Just(local_v6(c)), 1 => remote_v6(c)].boxed();
    let header = header(src, remote_v6(c));
    let kinds = prop_oneof![3 => Just(128u8), 3 => Just(129), 1 => any::<u8>()];
    let icmp = (header.clone(), kinds, any::<(u8, [u8; 4])>(), payload())
        .prop_map(|(ip, kind, (code, word), p)| ip.icmp(kind, if code > 240 { code } else { 0 }, word, &p));
    cut(prop_oneof![3 => transport(header), 1 => icmp].boxed())
}
