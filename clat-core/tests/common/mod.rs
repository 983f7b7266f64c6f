//! What every integration test needs: a translator, and its verdicts as plain bytes.

#![allow(dead_code)]

pub(crate) mod judges;

use clat_core::{
    ClatMap, EamRow, EamTable, Errors, NativeSource, Offload, Parts, Policy, Pref64, PrivateV4, QueueState,
    Tos, Translator, UdpZero, Verdict,
};
use clat_model::build::{LOCAL_V4, LOCAL_V6, WELL_KNOWN};
use clat_model::judge::Did;
use clat_model::{Config, Model, judge};

/// A translator of the model's configuration.
pub(crate) fn translator(c: &Config) -> Translator<ClatMap<4>> {
    let prefix = Pref64::new(c.pref64.0, c.pref64.1).expect("a legal prefix");
    let mut rows = EamTable::new();
    for r in &c.rows {
        rows.insert(EamRow::new(r.v4, r.v4_len, r.v6, r.v6_len).expect("a legal row")).expect("room");
    }
    let mut policy = Policy::new();
    policy.v6_mtu = c.v6_mtu;
    policy.v4_mtu = c.v4_mtu;
    policy.lowest_v6_mtu = c.lowest_v6_mtu;
    policy.udp_zero = if c.drop_udp_zero { UdpZero::Drop } else { UdpZero::Compute };
    policy.tos = c.tos.map_or(Tos::Copy, Tos::Fixed);
    policy.private_v4 = if c.drop_private { PrivateV4::Drop } else { PrivateV4::Translate };
    policy.native_source = c.native_source.map_or(NativeSource::Drop, NativeSource::Dummy);
    policy.errors = if c.errors { Errors::Send } else { Errors::Off };
    policy.v4_error_source = c.v4_error_source;
    policy.v6_error_source = c.v6_error_source;
    Translator::new(ClatMap::from_parts(prefix, rows), policy)
}

/// A queue without rate limit.
pub(crate) fn state() -> QueueState {
    QueueState::with_limit(0x0123_4567_89ab_cdef, None)
}

/// The bytes of a packet, by all the ways there are to get at them.
pub(crate) fn bytes(parts: &Parts<'_>) -> Vec<u8> {
    let gathered = parts.slices().concat();
    assert_eq!(gathered.len(), parts.len(), "len() is the sum of the slices");
    assert_eq!(gathered[..parts.head().len()], *parts.head());
    let mut copy = vec![0xaa; parts.len() + 3];
    assert_eq!(parts.copy_to(&mut copy), Some(parts.len()));
    assert_eq!(copy[..parts.len()], gathered);
    assert_eq!(copy[parts.len()..], [0xaa; 3]);
    assert_eq!(parts.copy_to(&mut copy[..parts.len().saturating_sub(1)]), None);
    assert_eq!(parts.offload(), Offload::NONE);
    gathered
}

/// A verdict in plain types.
pub(crate) fn did(verdict: Verdict<'_>) -> Did {
    let mut did = Did { forwarded: Vec::new(), replied: None, reason: None };
    match verdict {
        Verdict::Forward(parts) => did.forwarded.push(bytes(&parts)),
        Verdict::Fragment(pieces) => did.forwarded.extend(pieces.map(|p| bytes(&p))),
        Verdict::Reply(parts, reason) => {
            did.replied = Some(bytes(&parts));
            did.reason = Some(reason.as_str().into());
        }
        Verdict::Drop(reason) => did.reason = Some(reason.as_str().into()),
        Verdict::Segment => panic!("Segment for a packet without segments"),
    }
    did
}

/// What a translator of this configuration does with a packet.
pub(crate) fn translate(c: &Config, packet: &[u8]) -> Did {
    did(translator(c).translate(packet, &mut state()))
}

/// The host of the builders' addresses, all policies at their defaults.
pub(crate) fn host() -> Config {
    Config::host(WELL_KNOWN, LOCAL_V4, LOCAL_V6)
}

/// Panics unless `packet` leaves as exactly these packets, but for Identifications that are the
/// translator's to choose. The model must think the same.
#[track_caller]
pub(crate) fn becomes(c: &Config, packet: &[u8], expected: &[Vec<u8>]) {
    let did = translate(c, packet);
    agrees(c, packet, &did);
    let got: Vec<Vec<u8>> = did.forwarded.iter().zip(expected).map(|(g, e)| with_ident_of(g, e)).collect();
    assert_eq!(did.forwarded.len(), expected.len(), "{did:?}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(judge::hex(got), judge::hex(expected), "packet {i}");
        judges::is_well_formed(got);
    }
}

/// As [`becomes`], with the defaults and one packet.
#[track_caller]
pub(crate) fn translates(packet: &[u8], expected: &[u8]) {
    becomes(&host(), packet, &[expected.to_vec()]);
}

/// Panics unless `packet` is dropped without a word for this reason.
#[track_caller]
pub(crate) fn silent(c: &Config, packet: &[u8], reason: &str) {
    let did = translate(c, packet);
    agrees(c, packet, &did);
    assert_eq!((did.reason.as_deref(), did.replied), (Some(reason), None));
}

/// Panics unless `packet` is dropped for this reason and its sender told so by an ICMP error of this
/// type, code and rest of header, quoting as much as fits.
#[track_caller]
pub(crate) fn answered(c: &Config, packet: &[u8], reason: &str, (kind, code, word): (u8, u8, u32)) {
    let did = translate(c, packet);
    agrees(c, packet, &did);
    assert_eq!(did.reason.as_deref(), Some(reason));
    let reply = did.replied.expect("an answer");
    judges::is_well_formed(&reply);
    assert_eq!(judges::smoltcp_verifies(&reply), Some(true));
    let (header, most) = if packet[0] >> 4 == 4 { (20, 576) } else { (40, 1280) };
    if header == 20 {
        assert_eq!(reply[12..16], c.v4_error_source.octets(), "source");
        assert_eq!(reply[16..20], packet[12..16], "to the sender");
        assert_eq!((reply[1], reply[8], reply[9]), (0xc0, 64, 1), "RFC 1812 section 4.3.2.5");
    } else {
        let source = c.v6_error_source.map_or(packet[24..40].to_vec(), |a| a.octets().to_vec());
        assert_eq!(reply[8..24], source, "source");
        assert_eq!(reply[24..40], packet[8..24], "to the sender");
        assert_eq!((reply[6], reply[7]), (58, 64));
    }
    let message = &reply[header..];
    assert_eq!(message[..2], [kind, code], "type and code");
    assert_eq!(u32::from_be_bytes([message[4], message[5], message[6], message[7]]), word);
    let quoted = packet.len().min(most - header - 8);
    assert_eq!(message[8..], packet[..quoted], "the packet in error");
}

#[track_caller]
fn agrees(c: &Config, packet: &[u8], did: &Did) {
    let expected = Model::new(c.clone()).translate(packet);
    judge::agree(packet, &expected, did).unwrap_or_else(|difference| panic!("{difference}"));
}

/// An IPv4 packet with the Identification of another one, where that has none of its own (zero).
fn with_ident_of(got: &[u8], expected: &[u8]) -> Vec<u8> {
    let mut out = got.to_vec();
    if got.first().map(|b| b >> 4) == Some(4) && expected.len() >= 20 && expected[4..6] == [0, 0] {
        out[4..6].fill(0);
        let checksum = clat_model::header_checksum(&out[..20]);
        out[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    out
}

/// `len` bytes that differ from their neighbours.
pub(crate) fn bytes_of(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap_or_default()).collect()
}
