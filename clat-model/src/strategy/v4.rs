//! IPv4 packets as the host sends them.

use super::{Message, cut, extension, fragment, multi_part, payload, remote_v4, ttl, upper};
use crate::Config;
use crate::build::{LOCAL_V4, V4};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv4Addr;

/// An IPv4 packet to be translated.
pub fn v4_packet(c: &Config) -> BoxedStrategy<Vec<u8>> {
    let _ = c;
    let src = prop_oneof![12 => Just(LOCAL_V4), 1 => remote_v4()].boxed();
    let header = header(src, remote_v4());
    let echo =
        (header.clone(), any::<(bool, u8, [u8; 4])>(), payload()).prop_map(|(ip, (reply, code, word), p)| {
            ip.icmp(if reply { 0 } else { 8 }, if code > 250 { code } else { 0 }, word, &p)
        });
    let error = (header.clone(), quote(), message(), extension()).prop_map(
        |(ip, quote, (kind, code, word), extension)| {
            let (body, len) = multi_part(quote, extension, 4);
            let [first, second, third, fourth] = word;
            let second = if len > 0 && matches!(kind, 3 | 11 | 12) { len } else { second };
            ip.icmp(kind, code, [first, second, third, fourth], &body)
        },
    );
    prop_oneof![4 => transport(header), 1 => echo, 4 => error].boxed()
}

fn header(src: BoxedStrategy<Ipv4Addr>, dst: BoxedStrategy<Ipv4Addr>) -> BoxedStrategy<V4> {
    (src, dst, any::<(u8, u16, bool)>(), ttl(), options())
        .prop_map(|(src, dst, (tos, ident, df), ttl, options)| {
            V4::out().src(src).dst(dst).tos(tos).ident(ident).df(df).ttl(ttl).options(&options)
        })
        .boxed()
}

fn transport(header: BoxedStrategy<V4>) -> BoxedStrategy<Vec<u8>> {
    (header, prop::option::weighted(0.2, fragment()), upper(), any::<bool>())
        .prop_map(|(ip, fragment, (protocol, mut payload, at), even)| {
            let Some((offset, more)) = fragment else { return ip.carry(protocol, payload, at) };
            if even {
                payload.truncate(payload.len() / 8 * 8);
            }
            ip.fragment(offset, more).carry(protocol, payload, at)
        })
        .boxed()
}

fn options() -> BoxedStrategy<Vec<u8>> {
    let route =
        (prop::sample::select(vec![131u8, 137]), 0u8..12, 0u8..12).prop_map(|(kind, len, pointer)| {
            let mut o = vec![kind, len, pointer];
            o.resize(11, 1);
            o
        });
    let octet = prop_oneof![Just(0u8), Just(1), Just(7), Just(131), Just(3), any::<u8>()];
    prop_oneof![10 => Just(Vec::new()), 1 => Just(vec![148, 4, 0, 0]), 1 => route, 1 => vec(octet, 0..=40)]
        .boxed()
}

fn message() -> BoxedStrategy<Message> {
    let mtu = prop_oneof![Just([0; 4]), any::<u16>().prop_map(|m| u32::from(m).to_be_bytes())];
    // Most say nothing of RFC 4884.
    let word = prop_oneof![4 => Just([0u8; 4]), 1 => any::<[u8; 4]>()];
    prop_oneof![
        6 => (Just(3u8), 0u8..17, word.clone()),
        2 => (Just(3u8), Just(4u8), mtu),
        2 => (Just(11u8), 0u8..3, word),
        3 => (Just(12u8), 0u8..4, (0u8..24, any::<u8>()).prop_map(|(p, l)| [p, l & 0x20, 0, 0])),
        1 => any::<(u8, u8, [u8; 4])>(),
    ]
    .boxed()
}

/// A packet that the host got, cut anywhere.
fn quote() -> BoxedStrategy<Vec<u8>> {
    let dst = prop_oneof![12 => Just(LOCAL_V4), 1 => remote_v4()].boxed();
    let header = header(remote_v4(), dst);
    let kinds = prop_oneof![3 => Just(8u8), 3 => Just(0), 1 => any::<u8>()];
    let rest = (any::<(u8, [u8; 4])>(), payload(), prop::option::weighted(0.1, fragment()));
    let icmp = (header.clone(), kinds, rest).prop_map(|(ip, kind, ((code, word), p, fragment))| {
        let ip = fragment.map_or(ip.clone(), |(offset, more)| ip.fragment(offset, more));
        ip.icmp(kind, if code > 240 { code } else { 0 }, word, &p)
    });
    cut(prop_oneof![3 => transport(header), 1 => icmp].boxed())
}
