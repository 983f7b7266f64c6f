//! What every integration test needs: a translator, and its verdicts as plain bytes.

#![allow(dead_code)]

pub(crate) mod judges;

use clat_core::{
    ClatMap, EamRow, EamTable, Errors, NativeSource, Offload, Parts, Policy, Pref64, PrivateV4, QueueState,
    Tos, Translator, UdpZero, Verdict,
};
use clat_model::Config;
use clat_model::judge::Did;

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
