//! Laws that hold for every packet.

mod common;

use clat_core::{Csum, Gso, GsoKind, InPlace, Offload, Parts, Verdict};
use clat_model::build::{LOCAL_V4, LOCAL_V6, REMOTE_V4};
use clat_model::{Config, strategy};
use common::judges::{checksum_error, is_well_formed, smoltcp_verifies};
use proptest::collection::vec;
use proptest::prelude::*;

fn cases(least: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    config.cases = config.cases.max(least);
    config.failure_persistence = None;
    config
}

/// The Identification put aside, and the header checksum with it.
fn without_ident(packet: &[u8]) -> Vec<u8> {
    let mut out = packet.to_vec();
    out[4..6].fill(0);
    out[10..12].fill(0);
    out
}

/// A prefix of any length, and an unfragmented IPv4 packet without options that fits everywhere.
fn translatable() -> impl Strategy<Value = (Config, Vec<u8>)> {
    let address = any::<[u8; 4]>().prop_filter("martian", |[a, b, c, d]| {
        !matches!(a, 0 | 127 | 224..) && [*a, *b] != [169, 254] && [*a, *b, *c, *d] != LOCAL_V4.octets()
    });
    let fields = any::<(u8, u8, bool, u16, u16)>();
    (strategy::config(), address, fields, vec(any::<u8>(), 0..1100)).prop_map(
        |(mut c, dst, fields, payload)| {
            (c.v6_mtu, c.v4_mtu, c.lowest_v6_mtu, c.tos, c.drop_private) = (1500, 1500, 1280, None, false);
            c.rows.truncate(1);
            let (tos, kind, flag, src_port, dst_port) = fields;
            let ip = clat_model::build::V4::out().dst(dst.into()).tos(tos).df(false).ttl(kind | 2);
            let word = [src_port.to_be_bytes(), dst_port.to_be_bytes()].concat();
            let packet = match kind % 4 {
                0 => ip.udp(src_port, dst_port, &payload),
                1 => ip.tcp(src_port, dst_port, &payload),
                2 => ip.icmp(if flag { 8 } else { 0 }, 0, [word[0], word[1], word[2], word[3]], &payload),
                _ => ip.raw(if flag { 47 } else { 132 }, &payload),
            };
            (c, packet)
        },
    )
}

fn offload() -> impl Strategy<Value = Offload> {
    let partial = any::<(u16, u16)>().prop_map(|(start, offset)| Csum::Partial { start, offset });
    let csum = prop_oneof![Just(Csum::Complete), Just(Csum::Verified), partial];
    let kind = prop_oneof![Just(GsoKind::TcpV4), Just(GsoKind::TcpV6), Just(GsoKind::Udp)];
    let sizes = (prop_oneof![0u16..1600, any::<u16>()], any::<u16>());
    let gso = (kind, any::<bool>(), sizes).prop_map(|(kind, ecn, (size, header_len))| Gso {
        kind,
        ecn,
        size,
        header_len,
    });
    (csum, prop::option::of(gso)).prop_map(|(csum, gso)| Offload { csum, gso })
}

/// The packet as the other end would send it back: addresses exchanged, in the PLAT's view.
fn turned(packet: &[u8]) -> Vec<u8> {
    let mut out = packet.to_vec();
    let (src, dst) = (packet[8..24].to_vec(), packet[24..40].to_vec());
    out[8..24].copy_from_slice(&dst);
    out[24..40].copy_from_slice(&src);
    out
}

/// A UDP datagram whose checksum is smaller by `less`, and still right: its first two octets of data
/// are larger by it.
fn with_checksum_less(packet: &[u8], header: usize, less: u16) -> Vec<u8> {
    let mut out = packet.to_vec();
    let add = |bytes: &mut [u8], term: u32| {
        let sum = (u32::from(u16::from_be_bytes([bytes[0], bytes[1]])) + term) % 65535;
        bytes[..2].copy_from_slice(&u16::try_from(sum).unwrap_or_default().to_be_bytes());
    };
    add(&mut out[header + 8..], u32::from(less));
    add(&mut out[header + 6..], 65535 - u32::from(less));
    if out[header + 6..header + 8] == [0, 0] {
        out[header + 6..header + 8].fill(0xff);
    }
    out
}

proptest! {
    #![proptest_config(cases(1000))]

    /// IPv4 to IPv6, addresses exchanged, and back to IPv4 gives the packet with its addresses
    /// exchanged and two hops less. Exchanging addresses changes no checksum.
    #[test]
    fn round_trip_is_the_identity((c, packet) in translatable()) {
        let out = common::translate(&c, &packet);
        prop_assert_eq!(out.forwarded.len(), 1, "{:?}", out);
        let hops = out.forwarded[0][7];
        prop_assume!(hops >= 2);
        let back = common::translate(&c, &turned(&out.forwarded[0]));
        prop_assert_eq!(back.forwarded.len(), 1, "{:?}", back);
        let mut expected = packet.clone();
        expected[8] -= 2;
        let (src, dst) = (packet[12..16].to_vec(), packet[16..20].to_vec());
        expected[12..16].copy_from_slice(&dst);
        expected[16..20].copy_from_slice(&src);
        prop_assert_eq!(without_ident(&back.forwarded[0]), without_ident(&expected));
    }

    /// A right checksum leaves right, a wrong one wrong by the same amount; both judges agree.
    #[test]
    fn checksums_stay_as_right_or_as_wrong((c, packet) in translatable(), error in any::<u16>()) {
        let mut packet = packet;
        let at = match packet[9] { 6 => 36, 17 => 26, 1 => 22, _ => return Ok(()) };
        let field = u16::from_be_bytes([packet[at], packet[at + 1]]).wrapping_add(error);
        packet[at..at + 2].copy_from_slice(&field.to_be_bytes());
        prop_assume!(field != 0);
        let out = common::translate(&c, &packet).forwarded;
        prop_assert_eq!(out.len(), 1);
        is_well_formed(&out[0]);
        prop_assert_eq!(checksum_error(&out[0]), checksum_error(&packet));
        prop_assert_eq!(smoltcp_verifies(&out[0]), Some(checksum_error(&packet) == Some(0)));
        let back = common::translate(&c, &turned(&out[0])).forwarded;
        prop_assume!(back.len() == 1);
        is_well_formed(&back[0]);
        prop_assert_eq!(checksum_error(&back[0]), checksum_error(&packet));
    }

    /// RFC 768: a UDP checksum that comes out as zero is sent as all ones. Random data meets it once in
    /// 65535 packets, so the data is changed until it does, in both directions.
    #[test]
    fn udp_checksums_that_come_out_as_zero((c, packet) in translatable()) {
        if packet[9] != 17 || packet.len() < 30 || packet[8] < 4 {
            return Ok(());
        }
        let out = common::translate(&c, &packet).forwarded;
        let aimed = with_checksum_less(&packet, 20, u16::from_be_bytes([out[0][46], out[0][47]]));
        let out = common::translate(&c, &aimed).forwarded;
        prop_assert_eq!(&out[0][46..48], &[0xff, 0xff]);
        prop_assert_eq!(smoltcp_verifies(&out[0]), Some(true));

        let arriving = turned(&common::translate(&c, &packet).forwarded[0]);
        let back = common::translate(&c, &arriving).forwarded;
        let aimed = with_checksum_less(&arriving, 40, u16::from_be_bytes([back[0][26], back[0][27]]));
        let back = common::translate(&c, &aimed).forwarded;
        prop_assert_eq!(&back[0][26..28], &[0xff, 0xff]);
        prop_assert_eq!(smoltcp_verifies(&back[0]), Some(true));
    }

    /// Whatever leaves is well-formed, within the MTU of its side, and its checksum as right as it was.
    #[test]
    fn what_leaves_is_well_formed(case in strategy::any_packet()) {
        let did = common::translate(&case.config, &case.packet);
        let from = case.packet.first().map_or(0, |b| b >> 4);
        for packet in &did.forwarded {
            prop_assert_eq!(packet[0] >> 4, 10 - from, "the other family");
            let mtu = if from == 4 { case.config.v6_mtu.max(1280) } else { case.config.v4_mtu.max(68) };
            prop_assert!(packet.len() <= mtu as usize, "{} bytes, MTU {}", packet.len(), mtu);
            let (first, whole) = (did.forwarded.first() == Some(packet), did.forwarded.len() == 1);
            if first && whole && smoltcp_verifies(&case.packet) == Some(true) && case.packet[6..8] != [0, 0] {
                prop_assert_ne!(smoltcp_verifies(packet), Some(false));
            }
        }
        if let Some(reply) = &did.replied {
            is_well_formed(reply);
            prop_assert_eq!(reply[0] >> 4, from, "back to the sender");
            prop_assert_eq!(smoltcp_verifies(reply), Some(true));
            let most = if from == 4 { 576 } else { 1280 };
            prop_assert!(reply.len() <= most);
        }
    }

    /// Lengths: 20 bytes more or less than what came in, but for options, extension headers, pieces
    /// and ICMP errors.
    #[test]
    fn lengths_change_by_the_headers((c, packet) in translatable()) {
        let out = common::translate(&c, &packet).forwarded;
        prop_assert_eq!(out[0].len(), packet.len() + 20);
        if out[0][7] >= 2 {
            let back = common::translate(&c, &turned(&out[0])).forwarded;
            prop_assert_eq!(back[0].len(), packet.len());
        }
    }

    /// In place and gathered are the same packet, whatever the room before it.
    #[test]
    fn in_place_equals_gather(case in strategy::any_packet(), before in 0usize..80, behind in 0usize..40) {
        let t = common::translator(&case.config);
        let gathered = common::did(t.translate(&case.packet, &mut common::state()));
        let mut buf = vec![0x5a; before];
        buf.extend(&case.packet);
        buf.extend(vec![0x5a; behind]);
        let original = buf.clone();
        let range = before..before + case.packet.len();
        let other = match t.in_place(&mut buf, range.clone(), Offload::NONE, &mut common::state()) {
            InPlace::Forward(at, offload) => {
                prop_assert_eq!(offload, Offload::NONE);
                prop_assert_eq!(&gathered.forwarded, &vec![buf[at.clone()].to_vec()]);
                let outside = |i: &usize| !at.contains(i) && !range.contains(i);
                prop_assert!((0..buf.len()).filter(outside).all(|i| buf[i] == 0x5a), "wrote outside");
                return Ok(());
            }
            InPlace::Other(verdict) => common::did(verdict),
        };
        prop_assert_eq!(&other, &gathered);
        prop_assert_eq!(buf, original, "unchanged");
    }

    /// No bytes whatsoever make it panic, and nothing that leaves is malformed.
    #[test]
    fn arbitrary_bytes(c in strategy::config(), bytes in vec(any::<u8>(), 0..200), version in 0u8..3) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            match version {
                0 => *first = 0x40 | *first & 15,
                1 => *first = 0x60 | *first & 15,
                _ => {}
            }
        }
        let _ = common::translate(&c, &bytes);
        let t = common::translator(&c);
        let _ = common::did(t.v4_to_v6(&bytes, Offload::NONE, &mut common::state()));
        let _ = common::did(t.v6_to_v4(&bytes, Offload::NONE, &mut common::state()));
    }

    /// Whatever a device says beside the bytes, nothing panics and the lengths agree.
    #[test]
    fn arbitrary_offloads(case in strategy::any_packet(), offload in offload()) {
        let t = common::translator(&case.config);
        let look = |parts: &Parts<'_>| {
            let packet = parts.slices().concat();
            packet.len() == parts.len() && claimed(&packet) == packet.len()
        };
        match t.translate_offloaded(&case.packet, offload, &mut common::state()) {
            Verdict::Forward(parts) | Verdict::Reply(parts, _) => prop_assert!(look(&parts)),
            Verdict::Fragment(mut pieces) => prop_assert!(pieces.all(|parts| look(&parts))),
            Verdict::Segment => prop_assert!(offload.gso.is_some()),
            Verdict::Drop(_) => {}
        }
    }

    /// A packet cut anywhere, its length field telling the old or the new length.
    #[test]
    fn truncation_at_every_byte(case in strategy::any_packet()) {
        let t = common::translator(&case.config);
        for cut in 0..case.packet.len().min(200) {
            let mut packet = case.packet[..cut].to_vec();
            let told = common::did(t.translate(&packet, &mut common::state()));
            let claims = case.packet.len() >= 40 && case.packet.len() == claimed(&case.packet);
            prop_assert!(!claims || told.forwarded.is_empty(), "cut at {}", cut);
            mend_length(&mut packet);
            let _ = common::did(t.translate(&packet, &mut common::state()));
        }
    }
}

fn claimed(packet: &[u8]) -> usize {
    let word = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    if packet[0] >> 4 == 4 { word(2) } else { 40 + word(4) }
}

fn mend_length(packet: &mut [u8]) {
    let len = packet.len();
    match packet.first().map(|b| b >> 4) {
        Some(4) if len >= 20 => {
            packet[2..4].copy_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
            let header = usize::from(packet[0] & 15) * 4;
            if (20..=len).contains(&header) {
                let checksum = clat_model::header_checksum(&packet[..header]);
                packet[10..12].copy_from_slice(&checksum.to_be_bytes());
            }
        }
        Some(6) if len >= 40 => {
            packet[4..6].copy_from_slice(&u16::try_from(len - 40).unwrap_or(u16::MAX).to_be_bytes());
        }
        _ => {}
    }
}

/// What a device with checksum offload is given completes to the packet that it would have been given.
#[test]
fn partial_checksums_complete_to_the_same_packet() {
    let c = Config::host(clat_model::build::WELL_KNOWN, LOCAL_V4, LOCAL_V6);
    let t = common::translator(&c);
    for (packet, offset) in [
        (clat_model::build::V4::out().udp(5000, 53, b"odd"), 6u16),
        (clat_model::build::V4::out().tcp(5000, 80, b"even"), 16),
    ] {
        let whole = common::translate(&c, &packet).forwarded;
        let mut partial = packet.clone();
        let field = 20 + usize::from(offset);
        let pseudo = clat_model::residue(&packet[12..20]) + u64::from(packet[9]) + (packet.len() - 20) as u64;
        let sum = u16::try_from(pseudo % 65535).unwrap();
        partial[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        let offload = Offload { csum: Csum::Partial { start: 20, offset }, gso: None };
        let Verdict::Forward(parts) = t.translate_offloaded(&partial, offload, &mut common::state()) else {
            panic!("not forwarded: {}", REMOTE_V4)
        };
        assert_eq!(parts.offload().csum, Csum::Partial { start: 40, offset });
        let mut got = parts.slices().concat();
        let rest = clat_model::residue(&got[40..]);
        let at = 40 + usize::from(offset);
        let field = u16::try_from((65535 - rest) % 65535).unwrap();
        got[at..at + 2].copy_from_slice(&field.to_be_bytes());
        assert_eq!(vec![got], whole);
    }
}
