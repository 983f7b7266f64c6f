//! IPv6 to IPv4 (RFC 7915 section 5).

use crate::config::{Config, is_martian_v4, is_martian_v6, is_private_v4};
use crate::extension;
use crate::faults::{Answer, Emitted, Faults, Outcome};
use crate::four_to_six::pieces;
use crate::icmp::{self, Target};
use crate::quoted;
use crate::reply::{self, PROHIBITED_V6, send};
use crate::sum::{pseudo_v4, pseudo_v6, residue};
use crate::upper::{self, ICMP4, ICMP6};
use crate::v4::Ipv4;
use crate::v6::Ipv6;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What lies behind the IPv4 header.
#[derive(Default)]
struct Upper {
    payload: Vec<u8>,
    /// From the start of the payload.
    either_zero: Vec<usize>,
    /// From the start of the payload.
    free_ident: Option<usize>,
}

/// The addresses of the result.
struct Ends {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    /// The IPv6 source that has no mapping.
    native: Option<Ipv6Addr>,
}

pub(crate) fn translate(c: &Config, bytes: &[u8]) -> Outcome {
    let ip = match Ipv6::parse(bytes) {
        Ok(ip) => ip,
        Err(reason) => return Outcome::silent(reason),
    };
    let mut faults = Faults::default();
    let ends = addresses(c, &ip, &mut faults);
    header(&ip, &mut faults);
    let upper = if ip.next == ICMP6 && !ip.is_fragment() {
        icmp_message(c, &ip, &ends, &mut faults)
    } else {
        transport(&ip, &ends, &mut faults)
    };
    size(c, &ip, upper.payload.len(), &mut faults);
    if faults.is_empty() {
        return Outcome::Emit(send_on(c, &ip, &ends, &upper));
    }
    let answerable =
        c.errors && !is_error(&ip) && ip.offset() == 0 && !(ip.next == ICMP6 && ip.payload.is_empty());
    let whole = 40 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    faults.refuse(answerable, |error| reply::v6(c, &ip, &bytes[..whole], error))
}

fn is_error(ip: &Ipv6) -> bool {
    let kind = ip.payload.first().filter(|_| ip.next == ICMP6 && ip.offset() == 0);
    kind.is_some_and(|k| icmp::is_error_v6(*k))
}

/// Section 5.1, Source Address and Destination Address; draft-ietf-v6ops-icmpext-xlat-v6only-source.
fn addresses(c: &Config, ip: &Ipv6, faults: &mut Faults) -> Ends {
    let dst = c.row_to_v4(ip.dst);
    let (reason, answer) = if ip.dst.octets()[0] == 0xff {
        ("illegal_destination", Answer::Never)
    } else {
        ("destination_not_local", Answer::Never)
    };
    faults.add_if(dst.is_none(), reason, answer);
    let dst = dst.unwrap_or(Ipv4Addr::UNSPECIFIED);
    faults.add_if(is_martian_v6(ip.src), "illegal_source", Answer::Never);
    if let Some(src) = c.plat_to_v4(ip.src) {
        faults.add_if(is_martian_v4(src), "illegal_source", Answer::Never);
        let own = c.row_to_v6(src);
        let spoofed = src == dst || own.is_some() && c.row_to_v4(ip.src).is_none();
        faults.add_if(spoofed, "spoofed_source", Answer::Never);
        let private = c.drop_private && c.is_well_known() && is_private_v4(src);
        faults.add_if(private && own.is_none(), "private_address", PROHIBITED_V6);
        return Ends { src, dst, native: None };
    }
    let error = !ip.is_fragment() && ip.next == ICMP6 && ip.payload.first().is_some_and(|k| *k < 128);
    let dummy = c.native_source.filter(|_| error);
    faults.add_if(dummy.is_none(), "source_not_mapped", Answer::Never);
    Ends { src: dummy.unwrap_or(Ipv4Addr::UNSPECIFIED), dst, native: Some(ip.src) }
}

/// Sections 5.1 and 5.1.1, the other fields.
#[allow(clippy::cast_possible_truncation)]
fn header(ip: &Ipv6, faults: &mut Faults) {
    faults.add_if(ip.hop_limit <= 1, "hop_limit", send(3, 0, 0));
    if let Some(at) = ip.segments_left_at {
        faults.add("routing_header", send(4, 0, at as u32));
    }
    faults.add_if(ip.extension_after_fragment, "extension_after_fragment", PROHIBITED_V6);
    let len = ip.payload_len;
    let odd = ip.is_fragment() && (len == 0 || ip.offset() + len > 65535);
    faults.add_if(odd, "bad_fragment", Answer::Silent);
    faults.add_if(ip.next == ICMP4, "protocol", PROHIBITED_V6);
    faults.add_if(ip.next == 2, "protocol", Answer::Silent);
}

/// Section 5.5.
fn transport(ip: &Ipv6, ends: &Ends, faults: &mut Faults) -> Upper {
    let mut upper = Upper { payload: ip.payload.clone(), ..Upper::default() };
    if ip.extension_after_fragment {
        return upper;
    }
    if ip.next == ICMP6 {
        faults.add("fragmented_icmp", PROHIBITED_V6);
        return upper;
    }
    if let Some(reason) = upper::fault(ip.next, ip.is_fragment(), ip.offset(), &upper.payload) {
        faults.add(reason, Answer::Silent);
        return upper;
    }
    if ip.offset() == 0 {
        let (from, to) = (pseudo_v6(ip.src, ip.dst, 0, 0), pseudo_v4(ends.src, ends.dst, 0, 0));
        upper.either_zero.extend(upper::rebase(ip.next, &mut upper.payload, from, to));
    }
    upper
}

/// Sections 5.2 and 5.3.
fn icmp_message(c: &Config, ip: &Ipv6, ends: &Ends, faults: &mut Faults) -> Upper {
    let mut out = Upper { payload: ip.payload.clone(), ..Upper::default() };
    if ip.payload.len() < 8 {
        faults.add("truncated_transport", Answer::Silent);
        return out;
    }
    let (kind, code) = (ip.payload[0], ip.payload[1]);
    let sum = pseudo_v6(ip.src, ip.dst, ICMP6, ip.payload.len()) + residue(&ip.payload);
    if let Some(kind) = icmp::echo_to_v4(kind) {
        out.payload[0] = kind;
        out.payload[1] = 0;
        upper::put(&mut out.payload, 2, sum, 0);
        out.either_zero.push(2);
        return out;
    }
    let wrong = kind < 128 && !sum.is_multiple_of(65535);
    faults.add_if(wrong, "bad_icmp_checksum", Answer::Never);
    let Some(target) = icmp::error_to_v4(kind, code) else {
        faults.add("icmp_type", Answer::Silent);
        return out;
    };
    let word = u32::from_be_bytes([ip.payload[4], ip.payload[5], ip.payload[6], ip.payload[7]]);
    let pointer = matches!(target, Target::Pointer(..)).then(|| icmp::pointer_to_v4(word));
    faults.add_if(pointer == Some(None), "icmp_pointer", Answer::Never);
    match error_message(c, &ip.payload, (target, word), ends.native) {
        Ok(upper) => out = upper,
        Err(reason) => faults.add(reason, Answer::Never),
    }
    upper::put(&mut out.payload, 2, 0, 0);
    out
}

/// An error message but for its checksum, in at most 576 bytes with its header.
fn error_message(
    c: &Config,
    received: &[u8],
    (target, word): (Target, u32),
    native: Option<Ipv6Addr>,
) -> Result<Upper, &'static str> {
    let has_length = matches!(received[0], 1 | 3);
    let len = if has_length { usize::from(received[4]) * 8 } else { 0 };
    let (quote, extension) = extension::split(&received[8..], len);
    let quoted = quoted::to_v4(c, quote)?;
    let mut extensions = Vec::new();
    // RFC 4884 sections 4.1 to 4.3; types 3/2 and 3/4 come of messages that have no extensions.
    if matches!(target, Target::Plain(..) | Target::Pointer(..)) {
        extensions.extend(native.map(|address| extension::with_node(extension, address)));
        extensions.extend(extension.map(<[u8]>::to_vec));
    }
    let (body, units) = extension::join(&quoted.bytes, &extensions, 4, c.v4_mtu().min(576) - 28);
    let mut out = match target {
        Target::Plain(kind, code) | Target::Fixed(kind, code, _) => vec![kind, code, 0, 0, 0, units, 0, 0],
        Target::Pointer(kind, code) => {
            let pointer = icmp::pointer_to_v4(word).unwrap_or_default();
            vec![kind, code, 0, 0, pointer, units, 0, 0]
        }
        Target::Mtu(kind, code) => {
            let mtu = icmp::mtu_to_v4(word, quoted.fragment_header, c.v6_mtu(), c.v4_mtu());
            let [hi, lo] = mtu.to_be_bytes();
            vec![kind, code, 0, 0, 0, units, hi, lo]
        }
    };
    out.extend(body);
    Ok(Upper {
        payload: out,
        either_zero: quoted.checksum_at.map(|at| 8 + at).into_iter().collect(),
        free_ident: quoted.free_ident.then_some(8),
    })
}

/// Section 5.1 and RFC 7915 section 1.4: too large for the next hop, and not to be fragmented.
#[allow(clippy::cast_possible_truncation)]
fn size(c: &Config, ip: &Ipv6, upper_len: usize, faults: &mut Faults) {
    let total = 20 + upper_len;
    let whole = ip.fragment.is_none() && total > 1260;
    if whole && total > c.v4_mtu().min(65535) {
        let mtu = (c.v4_mtu() + 20).max(1280);
        faults.add("too_big", send(2, 0, mtu as u32));
    }
}

/// As one packet, or in IPv4 fragments.
fn send_on(c: &Config, ip: &Ipv6, ends: &Ends, upper: &Upper) -> Vec<Emitted> {
    let total = 20 + upper.payload.len();
    let pieces = pieces(&upper.payload, c.v4_mtu().min(65535) - 20);
    pieces
        .iter()
        .map(|&(at, payload)| {
            let out = Ipv4 {
                tos: c.tos(ip.traffic_class),
                total_len: 20 + payload.len(),
                ident: ip.fragment.map_or(0, |f| f.low_ident()),
                df: ip.fragment.is_none() && total > 1260,
                mf: ip.fragment.is_some_and(|f| f.more) || at + payload.len() < upper.payload.len(),
                offset: ip.offset() + at,
                ttl: ip.hop_limit - 1,
                protocol: if ip.next == ICMP6 { ICMP4 } else { ip.next },
                src: ends.src,
                dst: ends.dst,
                options: Vec::new(),
                payload: payload.to_vec(),
            };
            let mut free_ident: Vec<usize> = upper.free_ident.map(|at| 20 + at).into_iter().collect();
            if ip.fragment.is_none() {
                free_ident.push(0);
            }
            let either_zero = upper.either_zero.iter().filter(|_| at == 0).map(|at| 20 + at).collect();
            Emitted { bytes: out.to_bytes(), free_ident, either_zero }
        })
        .collect()
}
