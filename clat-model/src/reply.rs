//! ICMP errors of the translator's own (RFC 7915 sections 4.4 and 5.4; RFC 1812 section 4.3.2; RFC 4443).

use crate::config::Config;
use crate::faults::{Answer, Emitted, Error};
use crate::sum::pseudo_v6;
use crate::upper::put;
use crate::v4::Ipv4;
use crate::v6::Ipv6;

/// What is said when nothing better is known: ICMPv4 3/13, ICMPv6 1/1.
pub(crate) const PROHIBITED_V4: Answer = Answer::Send(Error { kind: 3, code: 13, word: 0 });
pub(crate) const PROHIBITED_V6: Answer = Answer::Send(Error { kind: 1, code: 1, word: 0 });

pub(crate) const fn send(kind: u8, code: u8, word: u32) -> Answer {
    Answer::Send(Error { kind, code, word })
}

fn message(error: Error, packet: &[u8], room: usize) -> Vec<u8> {
    let mut out = vec![error.kind, error.code, 0, 0];
    out.extend(error.word.to_be_bytes());
    out.extend(&packet[..packet.len().min(room)]);
    out
}

/// An ICMPv4 error about `packet` (as many of its bytes as its total length says), 576 bytes at most.
pub(crate) fn v4(c: &Config, about: &Ipv4, packet: &[u8], error: Error) -> Emitted {
    let mut payload = message(error, packet, c.v4_mtu().min(576) - 28);
    put(&mut payload, 2, 0, 0);
    let ip = Ipv4 {
        tos: 0xc0,
        total_len: 20 + payload.len(),
        ident: 0,
        df: false,
        mf: false,
        offset: 0,
        ttl: 64,
        protocol: 1,
        src: c.v4_error_source,
        dst: about.src,
        options: Vec::new(),
        payload,
    };
    Emitted { bytes: ip.to_bytes(), free_ident: vec![0], either_zero: Vec::new() }
}

/// An ICMPv6 error about `packet`, 1280 bytes at most.
pub(crate) fn v6(c: &Config, about: &Ipv6, packet: &[u8], error: Error) -> Emitted {
    let (src, dst) = (c.v6_error_source.unwrap_or(about.dst), about.src);
    let mut payload = message(error, packet, 1280 - 48);
    let len = payload.len();
    put(&mut payload, 2, 0, pseudo_v6(src, dst, 58, len));
    let ip = Ipv6 {
        traffic_class: 0,
        hop_limit: 64,
        src,
        dst,
        fragment: None,
        next: 58,
        payload_len: len,
        payload,
        segments_left_at: None,
        extension_after_fragment: false,
    };
    Emitted { bytes: ip.to_bytes(), free_ident: Vec::new(), either_zero: Vec::new() }
}
