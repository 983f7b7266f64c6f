//! Structured random packets: mostly sound, with one thing or another that is not.

mod v4;
mod v6;

pub use v4::v4_packet;
pub use v6::v6_packet;

use crate::build::{self, LOCAL_V4, LOCAL_V6, REMOTE_V4, ROUTER_V6};
use crate::{Config, Row};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An ICMP message but for its body: type, code, the four octets behind the checksum.
type Message = (u8, u8, [u8; 4]);

/// Configurations: all prefix lengths, MTUs around the limits, a second row, every option.
pub fn config() -> BoxedStrategy<Config> {
    let prefix = prop::sample::select(vec![
        ("64:ff9b::", 96),
        ("64:ff9b::", 96),
        ("2001:db8:122:344::", 96),
        ("2001:db8:122:344::", 64),
        ("2001:db8:122:300::", 56),
        ("2001:db8:122::", 48),
        ("2001:db8:100::", 40),
        ("2001:db8::", 32),
    ]);
    let mtu = || prop_oneof![3 => Just(1500u32), 1 => 1200u32..1600, 1 => Just(1280), 1 => 40u32..70_000];
    let options = (any::<[bool; 4]>(), prop::option::weighted(0.2, any::<u8>()));
    (prefix, mtu(), mtu(), mtu(), options)
        .prop_map(|(prefix, v6_mtu, v4_mtu, lowest, (flags, tos))| {
            let prefix = (address(prefix.0), prefix.1);
            // Not under any of the prefixes, whatever their length.
            let mut c = Config::host(prefix, LOCAL_V4, address("2001:470:464::464"));
            (c.v6_mtu, c.v4_mtu, c.lowest_v6_mtu, c.tos) = (v6_mtu, v4_mtu, lowest, tos);
            let [udp_zero, private, native, row] = flags;
            (c.drop_udp_zero, c.drop_private) = (udp_zero, private);
            c.native_source = c.native_source.filter(|_| native);
            if row {
                let (v4, v6) = (Ipv4Addr::new(203, 0, 113, 0), address("2001:470:eeee::"));
                c.rows.push(Row { v4, v4_len: 24, v6, v6_len: 120 });
            }
            c
        })
        .boxed()
}

/// The configuration of the addresses in [`build`].
#[must_use]
pub fn plain_config() -> Config {
    Config::host(build::WELL_KNOWN, LOCAL_V4, LOCAL_V6)
}

/// A packet and the configuration it is for.
#[derive(Clone)]
pub struct Case {
    /// The configuration.
    pub config: Config,
    /// The packet.
    pub packet: Vec<u8>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, packet {}", self.config, crate::judge::hex(&self.packet))
    }
}

/// A packet of either family and the configuration it is for.
pub fn any_packet() -> BoxedStrategy<Case> {
    config()
        .prop_flat_map(|c| {
            let packets = prop_oneof![v4_packet(&c), v6_packet(&c)];
            (packets, lie())
                .prop_map(move |(packet, lie)| Case { config: c.clone(), packet: lie.tell(packet) })
        })
        .boxed()
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap_or(Ipv6Addr::UNSPECIFIED)
}

fn local_v6(c: &Config) -> Ipv6Addr {
    c.rows.first().map_or(LOCAL_V6, |r| r.v6)
}

/// Mostly one, at times a strange one.
fn remote_v4() -> BoxedStrategy<Ipv4Addr> {
    let strange: [[u8; 4]; 13] = [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [10, 0, 0, 1],
        [127, 0, 0, 1],
        [169, 254, 1, 1],
        [192, 168, 1, 1],
        [100, 64, 0, 1],
        [203, 0, 113, 9],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        [192, 0, 0, 1],
        [192, 0, 0, 8],
    ];
    let strange = prop::sample::select(strange.to_vec()).prop_map(Ipv4Addr::from);
    prop_oneof![20 => Just(REMOTE_V4), 4 => any::<u32>().prop_map(Ipv4Addr::from), 3 => strange].boxed()
}

fn remote_v6(c: &Config) -> BoxedStrategy<Ipv6Addr> {
    let strange = ["::", "::1", "ff02::1", "fe80::1", "::ffff:1.2.3.4", "2001:470:eeee::9"].map(address);
    let strange = [strange.as_slice(), &[local_v6(c)]].concat();
    let c = c.clone();
    prop_oneof![
        24 => remote_v4().prop_map(move |v4| c.embed(v4)),
        4 => Just(ROUTER_V6),
        2 => prop::sample::select(strange),
        1 => any::<u128>().prop_map(Ipv6Addr::from),
    ]
    .boxed()
}

fn payload() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..64),
        2 => vec(any::<u8>(), 64..600),
        2 => (1180usize..1300, any::<u8>()).prop_map(|(n, b)| vec![b; n]),
        1 => (1300usize..3000, any::<u8>()).prop_map(|(n, b)| vec![b; n]),
    ]
    .boxed()
}

/// A protocol, its payload, and where its checksum is to be put. ICMP is left out.
fn upper() -> BoxedStrategy<(u8, Vec<u8>, Option<usize>)> {
    let ports = any::<(u16, u16)>();
    let zero = prop::option::weighted(0.9, Just(6usize));
    let any_number = any::<u8>().prop_map(|n| if n == 58 { 1 } else { n });
    prop_oneof![
        4 => (ports, payload(), zero).prop_map(|((s, d), p, at)| (17, build::udp(s, d, &p), at)),
        4 => (ports, payload()).prop_map(|((s, d), p)| (6, build::tcp(s, d, &p), Some(16))),
        1 => (ports, payload()).prop_map(|((s, d), p)| (136, build::udp(s, d, &p), Some(6))),
        1 => vec(any::<u8>(), 12..40).prop_map(|p| (33, p, Some(6))),
        2 => (any_number, payload()).prop_map(|(n, p)| (n, p, None)),
        1 => (prop::sample::select(vec![6u8, 17, 33, 136]), vec(any::<u8>(), 0..24)).prop_map(|(n, p)| (n, p, None)),
    ]
    .boxed()
}

fn ttl() -> BoxedStrategy<u8> {
    prop_oneof![8 => 2u8..=255, 1 => 0u8..=2].boxed()
}

/// Offset in bytes, and whether more follow.
fn fragment() -> BoxedStrategy<(usize, bool)> {
    (prop_oneof![Just(0usize), Just(8), 0usize..65528], any::<bool>()).boxed()
}

fn cut(whole: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Vec<u8>> {
    let lens = prop_oneof![2 => Just(usize::MAX), 2 => 20usize..140, 1 => 28usize..29, 1 => 0usize..1600];
    (whole, lens)
        .prop_map(|(mut packet, len)| {
            packet.truncate(len);
            packet
        })
        .boxed()
}

/// Nothing, an extension structure, or bytes that are none; and how the quotation is padded.
fn extension() -> BoxedStrategy<Option<(Vec<u8>, bool)>> {
    let checksum = prop_oneof![Just([0u8, 0]), any::<[u8; 2]>()];
    let objects = (checksum, vec(any::<u8>(), 0..300))
        .prop_map(|(c, objects)| [&[0x20, 0, c[0], c[1]], &objects[..objects.len() / 4 * 4]].concat());
    let bytes = prop_oneof![3 => objects, 1 => vec(any::<u8>(), 0..1200)];
    prop::option::weighted(0.3, (bytes, any::<bool>())).boxed()
}

/// The body of an error with an extension, and its length attribute.
fn multi_part(mut quote: Vec<u8>, extension: Option<(Vec<u8>, bool)>, unit: usize) -> (Vec<u8>, u8) {
    let Some((extension, pad)) = extension else { return (quote, 0) };
    quote.truncate(255 * unit);
    let len = if pad { quote.len().max(128) } else { quote.len() }.next_multiple_of(unit);
    quote.resize(len, 0);
    quote.extend(extension);
    (quote, u8::try_from(len / unit).unwrap_or(0))
}

/// What is made wrong with a packet at the end.
#[derive(Clone, Debug)]
enum Lie {
    Nothing,
    Cut(usize),
    Pad(usize),
    Flip(usize, u8),
}

fn lie() -> BoxedStrategy<Lie> {
    prop_oneof![
        12 => Just(Lie::Nothing),
        1 => (0usize..1600).prop_map(Lie::Cut),
        1 => (1usize..20).prop_map(Lie::Pad),
        1 => (0usize..100, any::<u8>()).prop_map(|(at, to)| Lie::Flip(at, to)),
    ]
    .boxed()
}

impl Lie {
    fn tell(self, mut packet: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Nothing => {}
            Self::Cut(len) => packet.truncate(len),
            Self::Pad(len) => packet.extend(vec![0xee; len]),
            Self::Flip(at, to) => {
                if let Some(b) = packet.get_mut(at) {
                    *b = to;
                }
            }
        }
        packet
    }
}
