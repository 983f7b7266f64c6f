//! The packet quoted in an ICMP error (RFC 7915 sections 4.3 and 5.3).

use crate::config::Config;
use crate::icmp;
use crate::sum::{pseudo_v4, pseudo_v6, residue};
use crate::upper::{self, ICMP4, ICMP6};
use crate::v4::Ipv4;
use crate::v6::{Fragment, Ipv6};

/// A translated quotation.
pub(crate) struct Quoted {
    pub(crate) bytes: Vec<u8>,
    /// Total length that the quoted IPv4 header had, in bytes.
    pub(crate) v4_len: usize,
    /// The quoted packet had a Fragment Header.
    pub(crate) fragment_header: bool,
    /// The Identification of the quoted IPv4 header is free.
    pub(crate) free_ident: bool,
    /// Where the transport checksum stands in `bytes`.
    pub(crate) checksum_at: Option<usize>,
}

/// A packet that we delivered to the IPv4 host, as the PLAT's side sent it.
pub(crate) fn to_v6(c: &Config, bytes: &[u8]) -> Result<Quoted, &'static str> {
    let ip = Ipv4::parse_quoted(bytes).map_err(|_| "quoted_malformed")?;
    let dst = c.row_to_v6(ip.dst).ok_or("quoted_not_ours")?;
    let src = c.plat_to_v6(ip.src);
    let mut payload = ip.payload.clone();
    let (from, to) = (pseudo_v4(ip.src, ip.dst, 0, 0), pseudo_v6(src, dst, 0, 0));
    let at = match ip.protocol {
        ICMP4 => {
            let to = to + u64::from(ICMP6) + ip.payload_len() as u64;
            echo(&mut payload, ip.offset, 0, to, icmp::echo_to_v6, icmp::is_error_v4)?
        }
        0 | 2 | 43 | 44 | 58 | 60 => return Err("quoted_untranslatable"),
        _ if ip.offset != 0 => None,
        protocol => upper::rebase(protocol, &mut payload, from, to),
    };
    let fragment =
        ip.is_fragment().then(|| Fragment { ident: u32::from(ip.ident), offset: ip.offset, more: ip.mf });
    let out = Ipv6 {
        traffic_class: c.tos(ip.tos),
        hop_limit: ip.ttl,
        src,
        dst,
        fragment,
        next: if ip.protocol == ICMP4 { ICMP6 } else { ip.protocol },
        payload_len: ip.payload_len(),
        payload,
        segments_left_at: None,
        extension_after_fragment: false,
    };
    let header = if fragment.is_some() { 48 } else { 40 };
    Ok(Quoted {
        bytes: out.to_bytes(),
        v4_len: ip.total_len,
        fragment_header: fragment.is_some(),
        free_ident: false,
        checksum_at: at.map(|at| header + at),
    })
}

/// A packet that the IPv4 host sent, as we sent it on.
pub(crate) fn to_v4(c: &Config, bytes: &[u8]) -> Result<Quoted, &'static str> {
    let ip = Ipv6::parse_quoted(bytes).map_err(|_| "quoted_malformed")?;
    let src = c.row_to_v4(ip.src).ok_or("quoted_not_ours")?;
    let dst = c.plat_to_v4(ip.dst).ok_or("quoted_not_ours")?;
    if ip.extension_after_fragment {
        return Err("quoted_untranslatable");
    }
    let mut payload = ip.payload.clone();
    let (from, to) = (pseudo_v6(ip.src, ip.dst, 0, 0), pseudo_v4(src, dst, 0, 0));
    let at = match ip.next {
        ICMP6 => {
            let from = from + u64::from(ICMP6) + ip.payload_len as u64;
            echo(&mut payload, ip.offset(), from, 0, icmp::echo_to_v4, |kind| kind < 128)?
        }
        ICMP4 | 2 => return Err("quoted_untranslatable"),
        _ if ip.offset() != 0 => None,
        protocol => upper::rebase(protocol, &mut payload, from, to),
    };
    let total_len = 20 + ip.payload_len;
    if total_len > 65535 {
        return Err("quoted_malformed");
    }
    let out = Ipv4 {
        tos: c.tos(ip.traffic_class),
        total_len,
        ident: ip.fragment.map_or(0, |f| f.low_ident()),
        df: ip.fragment.is_none() && total_len > 1260,
        mf: ip.fragment.is_some_and(|f| f.more),
        offset: ip.offset(),
        ttl: ip.hop_limit,
        protocol: if ip.next == ICMP6 { ICMP4 } else { ip.next },
        src,
        dst,
        options: Vec::new(),
        payload,
    };
    Ok(Quoted {
        bytes: out.to_bytes(),
        v4_len: total_len,
        fragment_header: ip.fragment.is_some(),
        free_ident: ip.fragment.is_none(),
        checksum_at: at.map(|at| 20 + at),
    })
}

/// A quoted echo: another type, and a checksum as right or as wrong as it was.
fn echo(
    payload: &mut [u8],
    offset: usize,
    from: u64,
    to: u64,
    counterpart: impl Fn(u8) -> Option<u8>,
    is_error: impl Fn(u8) -> bool,
) -> Result<Option<usize>, &'static str> {
    if offset != 0 || payload.is_empty() {
        return Ok(None);
    }
    if payload.len() < 8 {
        return Err("quoted_malformed");
    }
    let kind = payload[0];
    if is_error(kind) {
        return Err("quoted_icmp_error");
    }
    let kind = counterpart(kind).ok_or("quoted_untranslatable")?;
    let sum = from + residue(payload);
    payload[0] = kind;
    payload[1] = 0;
    upper::put(payload, 2, sum, to);
    Ok(Some(2))
}
