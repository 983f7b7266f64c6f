//! Transport headers behind another pseudo-header (RFC 7915 sections 4.5 and 5.5).

use crate::sum::{field_for, residue};

pub(crate) const ICMP4: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const DCCP: u8 = 33;
pub(crate) const ICMP6: u8 = 58;
pub(crate) const UDP_LITE: u8 = 136;

/// Where a checksum over the pseudo-header stands, in bytes from the transport header.
fn checksum_at(protocol: u8) -> Option<usize> {
    match protocol {
        TCP => Some(16),
        UDP | DCCP | UDP_LITE => Some(6),
        _ => None,
    }
}

/// Least bytes of a transport header, or 0 where a short one is forwarded.
fn header_len(protocol: u8) -> usize {
    match protocol {
        TCP => 20,
        UDP | ICMP4 | ICMP6 => 8,
        _ => 0,
    }
}

/// What is wrong with the transport header of a packet or fragment, ICMP left out.
pub(crate) fn fault(protocol: u8, fragment: bool, offset: usize, payload: &[u8]) -> Option<&'static str> {
    if offset == 8 && protocol == TCP {
        return Some("tiny_fragment");
    }
    if offset != 0 {
        return None;
    }
    if payload.len() < header_len(protocol) {
        return Some(if fragment { "tiny_fragment" } else { "truncated_transport" });
    }
    let udp_len = || usize::from(u16::from_be_bytes([payload[4], payload[5]]));
    let lies = protocol == UDP && !fragment && !(8..=payload.len()).contains(&udp_len());
    lies.then_some("bad_udp_length")
}

/// Whether a UDP header says that there is no checksum.
pub(crate) fn has_no_checksum(protocol: u8, payload: &[u8]) -> bool {
    protocol == UDP && payload.get(6..8) == Some(&[0, 0])
}

/// Gives the transport header a checksum that is as right or as wrong as it was. Returns where it stands.
///
/// `from` and `to` are the sums of the pseudo-headers. The payload may be cut off anywhere.
pub(crate) fn rebase(protocol: u8, payload: &mut [u8], from: u64, to: u64) -> Option<usize> {
    let at = checksum_at(protocol)?;
    if payload.len() < at + 2 || has_no_checksum(protocol, payload) {
        return None;
    }
    put(payload, at, from + residue(payload), to);
    if matches!(protocol, UDP | UDP_LITE) && payload[at..at + 2] == [0, 0] {
        payload[at..at + 2].fill(0xff);
    }
    Some(at)
}

/// Writes the checksum at `at` so that pseudo-header and payload sum up to `wanted`.
pub(crate) fn put(payload: &mut [u8], at: usize, wanted: u64, pseudo: u64) {
    payload[at..at + 2].fill(0);
    let field = field_for(wanted, pseudo + residue(payload));
    payload[at..at + 2].copy_from_slice(&field.to_be_bytes());
}

/// Computes the checksum of a UDP datagram that has none. `pseudo` lacks the length.
pub(crate) fn fill_udp(payload: &mut [u8], pseudo: u64) {
    let len = usize::from(u16::from_be_bytes([payload[4], payload[5]]));
    put(&mut payload[..len], 6, 0, pseudo + len as u64);
    if payload[6..8] == [0, 0] {
        payload[6..8].fill(0xff);
    }
}
