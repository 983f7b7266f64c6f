//! IPv4 to IPv6 (RFC 7915 section 4).

use crate::config::{Config, is_martian_v4, is_private_v4};
use crate::extension;
use crate::faults::{Answer, Emitted, Faults, Outcome};
use crate::icmp::{self, Target};
use crate::quoted;
use crate::reply::{self, PROHIBITED_V4, send};
use crate::sum::{pseudo_v4, pseudo_v6, residue};
use crate::upper::{self, ICMP4, ICMP6};
use crate::v4::Ipv4;
use crate::v6::{Fragment, Ipv6};
use std::net::Ipv6Addr;

/// What lies behind the IPv6 header.
struct Upper {
    payload: Vec<u8>,
    /// Checksums where both zeros are one, from the start of the payload.
    either_zero: Vec<usize>,
}

pub(crate) fn translate(c: &Config, bytes: &[u8]) -> Outcome {
    let ip = match Ipv4::parse(bytes) {
        Ok(ip) => ip,
        Err(reason) => return Outcome::silent(reason),
    };
    let mut faults = Faults::default();
    let (src, dst) = addresses(c, &ip, &mut faults);
    header(&ip, &mut faults);
    let upper = if ip.protocol == ICMP4 && !ip.is_fragment() {
        icmp_message(c, &ip, src, dst, &mut faults)
    } else {
        transport(c, &ip, src, dst, &mut faults)
    };
    size(c, &ip, upper.payload.len(), &mut faults);
    if faults.is_empty() {
        return Outcome::Emit(send_on(c, &ip, src, dst, upper));
    }
    let answerable =
        c.errors && !is_error(&ip) && ip.offset == 0 && !(ip.protocol == ICMP4 && ip.payload.is_empty());
    faults.refuse(answerable, |error| reply::v4(c, &ip, &bytes[..ip.total_len], error))
}

fn is_error(ip: &Ipv4) -> bool {
    let kind = ip.payload.first().filter(|_| ip.protocol == ICMP4 && ip.offset == 0);
    kind.is_some_and(|k| icmp::is_error_v4(*k))
}

/// Section 4.1, Source Address and Destination Address.
fn addresses(c: &Config, ip: &Ipv4, faults: &mut Faults) -> (Ipv6Addr, Ipv6Addr) {
    let row = c.row_to_v6(ip.src);
    if ip.is_fragment() || !is_error(ip) {
        faults.add_if(is_martian_v4(ip.src), "illegal_source", Answer::Never);
        faults.add_if(row.is_none(), "source_not_local", Answer::Never);
    }
    let illegal = is_martian_v4(ip.dst) || ip.src == ip.dst;
    faults.add_if(illegal, "illegal_destination", Answer::Never);
    let private = c.drop_private && c.is_well_known() && is_private_v4(ip.dst);
    let embedded = c.row_to_v6(ip.dst).is_none();
    faults.add_if(private && embedded, "private_address", PROHIBITED_V4);
    (row.unwrap_or_else(|| c.embed(ip.src)), c.plat_to_v6(ip.dst))
}

/// Section 4.1, the other fields.
fn header(ip: &Ipv4, faults: &mut Faults) {
    for reason in ip.options_faults() {
        faults.add(reason, if reason == "source_route" { send(3, 5, 0) } else { Answer::Silent });
    }
    faults.add_if(ip.ttl <= 1, "hop_limit", send(11, 0, 0));
    let len = ip.payload_len();
    let odd = ip.is_fragment() && (len == 0 || ip.offset + len > 65535);
    faults.add_if(odd, "bad_fragment", Answer::Silent);
    let answer = if ip.protocol == 2 { Answer::Silent } else { PROHIBITED_V4 };
    faults.add_if(matches!(ip.protocol, 0 | 2 | 43 | 44 | 58 | 60), "protocol", answer);
}

/// Section 4.5.
fn transport(c: &Config, ip: &Ipv4, src: Ipv6Addr, dst: Ipv6Addr, faults: &mut Faults) -> Upper {
    let mut payload = ip.payload.clone();
    if ip.protocol == ICMP4 {
        faults.add("fragmented_icmp", PROHIBITED_V4);
        return Upper { payload, either_zero: Vec::new() };
    }
    if let Some(reason) = upper::fault(ip.protocol, ip.is_fragment(), ip.offset, &payload) {
        faults.add(reason, Answer::Silent);
        return Upper { payload, either_zero: Vec::new() };
    }
    let mut either_zero = Vec::new();
    if ip.offset == 0 {
        let to = pseudo_v6(src, dst, 0, 0);
        if upper::has_no_checksum(ip.protocol, &payload) {
            if ip.is_fragment() {
                faults.add("fragmented_udp_zero_checksum", PROHIBITED_V4);
            } else if c.drop_udp_zero {
                faults.add("udp_zero_checksum", PROHIBITED_V4);
            } else {
                upper::fill_udp(&mut payload, to + u64::from(upper::UDP));
            }
        } else {
            let from = pseudo_v4(ip.src, ip.dst, 0, 0);
            either_zero.extend(upper::rebase(ip.protocol, &mut payload, from, to));
        }
    }
    Upper { payload, either_zero }
}

/// Sections 4.2 and 4.3.
fn icmp_message(c: &Config, ip: &Ipv4, src: Ipv6Addr, dst: Ipv6Addr, faults: &mut Faults) -> Upper {
    let mut out = Upper { payload: ip.payload.clone(), either_zero: Vec::new() };
    if ip.payload.len() < 8 {
        faults.add("truncated_transport", Answer::Silent);
        return out;
    }
    let (kind, code) = (ip.payload[0], ip.payload[1]);
    let len = out.payload.len();
    if let Some(kind) = icmp::echo_to_v6(kind) {
        let sum = residue(&ip.payload);
        out.payload[0] = kind;
        out.payload[1] = 0;
        upper::put(&mut out.payload, 2, sum, pseudo_v6(src, dst, ICMP6, len));
        out.either_zero.push(2);
        return out;
    }
    let wrong = icmp::is_error_v4(kind) && residue(&ip.payload) != 0;
    faults.add_if(wrong, "bad_icmp_checksum", Answer::Never);
    let Some(target) = icmp::error_to_v6(kind, code) else {
        faults.add("icmp_type", Answer::Silent);
        return out;
    };
    let pointer = matches!(target, Target::Pointer(..)).then(|| icmp::pointer_to_v6(ip.payload[4]));
    faults.add_if(pointer == Some(None), "icmp_pointer", Answer::Never);
    match error_message(c, &ip.payload, target) {
        Ok((body, checksum_at)) => out = Upper { payload: body, either_zero: checksum_at },
        Err(reason) => faults.add(reason, Answer::Never),
    }
    let len = out.payload.len();
    upper::put(&mut out.payload, 2, 0, pseudo_v6(src, dst, ICMP6, len));
    out
}

/// An error message but for its checksum, in at most 1240 bytes.
fn error_message(c: &Config, received: &[u8], target: Target) -> Result<(Vec<u8>, Vec<usize>), &'static str> {
    let has_length = matches!(received[0], 3 | 11 | 12);
    let len = if has_length { usize::from(received[5]) * 4 } else { 0 };
    let (quote, extension) = extension::split(&received[8..], len);
    let quoted = quoted::to_v6(c, quote)?;
    let carries = matches!(target, Target::Plain(1 | 3, _));
    let extensions: Vec<Vec<u8>> = extension.filter(|_| carries).map(<[u8]>::to_vec).into_iter().collect();
    let (body, units) = extension::join(&quoted.bytes, &extensions, 8, 1280 - 48);
    let mtu = |reported| icmp::mtu_to_v6(reported, quoted.v4_len, c.v6_mtu(), c.v4_mtu());
    let mut out = match target {
        Target::Plain(kind, code) => vec![kind, code, 0, 0, units, 0, 0, 0],
        Target::Fixed(kind, code, pointer) => vec![kind, code, 0, 0, 0, 0, 0, pointer],
        Target::Pointer(kind, code) => {
            let pointer = icmp::pointer_to_v6(received[4]).unwrap_or_default();
            vec![kind, code, 0, 0, 0, 0, 0, pointer]
        }
        Target::Mtu(kind, code) => {
            let mtu = mtu(u16::from_be_bytes([received[6], received[7]]));
            [&[kind, code, 0, 0], u32::try_from(mtu).unwrap_or(u32::MAX).to_be_bytes().as_slice()].concat()
        }
    };
    out.extend(body);
    Ok((out, quoted.checksum_at.map(|at| 8 + at).into_iter().collect()))
}

/// Section 4.1: DF and the MTU of the next hop.
#[allow(clippy::cast_possible_truncation)]
fn size(c: &Config, ip: &Ipv4, upper_len: usize, faults: &mut Faults) {
    let header = if ip.is_fragment() { 48 } else { 40 };
    if ip.df && header + upper_len > c.v6_mtu() {
        let mtu = c.v6_mtu() + 20 - header;
        faults.add("too_big", send(3, 4, mtu.min(65535) as u32));
    }
}

/// Section 4.1: as one packet, or in pieces that fit `lowest-ipv6-mtu`.
fn send_on(c: &Config, ip: &Ipv4, src: Ipv6Addr, dst: Ipv6Addr, upper: Upper) -> Vec<Emitted> {
    let fits = |header: usize| header + upper.payload.len() <= c.lowest();
    let packet = |fragment: Option<Fragment>, payload: &[u8]| Ipv6 {
        traffic_class: c.tos(ip.tos),
        hop_limit: ip.ttl - 1,
        src,
        dst,
        fragment,
        next: if ip.protocol == ICMP4 { ICMP6 } else { ip.protocol },
        payload_len: payload.len(),
        payload: payload.to_vec(),
        segments_left_at: None,
        extension_after_fragment: false,
    };
    let emit = |p: Ipv6, header: usize, first: bool| Emitted {
        bytes: p.to_bytes(),
        free_ident: Vec::new(),
        either_zero: upper.either_zero.iter().filter(|_| first).map(|at| header + at).collect(),
    };
    if !ip.is_fragment() && (ip.df || fits(40)) {
        return vec![emit(packet(None, &upper.payload), 40, true)];
    }
    let room = if ip.df { usize::MAX } else { c.lowest() - 48 };
    let pieces = pieces(&upper.payload, room);
    pieces
        .iter()
        .map(|(at, piece)| {
            let more = ip.mf || at + piece.len() < upper.payload.len();
            let fragment = Fragment { ident: ip.ident.into(), offset: ip.offset + at, more };
            emit(packet(Some(fragment), piece), 48, *at == 0)
        })
        .collect()
}

/// A payload in pieces of at most `room` bytes, and where each starts: all but the last of a multiple
/// of 8 bytes.
pub(crate) fn pieces(payload: &[u8], room: usize) -> Vec<(usize, &[u8])> {
    let mut out = Vec::new();
    let mut at = 0;
    while payload.len() - at > room {
        let len = room / 8 * 8;
        out.push((at, &payload[at..at + len]));
        at += len;
    }
    out.push((at, &payload[at..]));
    out
}
