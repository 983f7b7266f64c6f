//! ICMP extension structures (RFC 4884) and the Node Identification object
//! (draft-ietf-intarea-extended-icmp-nodeid).

use crate::sum::{field_for, residue};
use std::net::Ipv6Addr;

/// Least size of the quoted packet in front of an extension structure, in bytes (RFC 4884 section 5.1).
const LEAST_QUOTE: usize = 128;

/// Cuts the body of an ICMP error (all behind its eight octets) into quoted packet and extension.
///
/// `len` is the length attribute in bytes; 0 or beyond the end means that there is no extension, and so does
/// less than 128 in front of what is none.
pub(crate) fn split(body: &[u8], len: usize) -> (&[u8], Option<&[u8]>) {
    if len == 0 || len >= body.len() {
        return (body, None);
    }
    let (quote, extension) = body.split_at(len);
    let plausible = extension.len() >= 4
        && extension.len().is_multiple_of(4)
        && extension[0] >> 4 == 2
        && (extension[2..4] == [0, 0] || residue(extension).is_multiple_of(65535));
    if len < LEAST_QUOTE && !plausible { (body, None) } else { (quote, Some(extension)) }
}

/// Puts them together in at most `room` bytes; returns the body and the length attribute in units.
///
/// The quotation is cut first, down to 128 bytes; the first extension that leaves so much is taken.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn join(quote: &[u8], extensions: &[Vec<u8>], unit: usize, room: usize) -> (Vec<u8>, u8) {
    let whole = quote.len().max(LEAST_QUOTE).next_multiple_of(unit);
    let Some(extension) = extensions.iter().find(|e| LEAST_QUOTE + e.len() <= room) else {
        return (quote[..quote.len().min(room)].to_vec(), 0);
    };
    let mut body = quote.to_vec();
    body.resize(whole.min((room - extension.len()) / unit * unit), 0);
    let units = (body.len() / unit) as u8;
    body.extend(extension);
    (body, units)
}

/// The Node Identification object with an IP Address sub-object: class 5, C-Type bit 5, AFI 2.
fn node_identification(address: Ipv6Addr) -> Vec<u8> {
    [&[0, 24, 5, 0x04, 0, 2, 0, 0], address.octets().as_slice()].concat()
}

/// The extension with a Node Identification object: a new structure, or the object behind
/// the others, the checksum as right or as wrong as it was. An extension that is no structure stays.
pub(crate) fn with_node(extension: Option<&[u8]>, address: Ipv6Addr) -> Vec<u8> {
    let object = node_identification(address);
    let (header, objects) = match extension {
        None => (vec![0x20, 0, 0, 0], Vec::new()),
        Some(e) if e.len() >= 4 && e.len() % 4 == 0 && e[0] >> 4 == 2 => (e[..4].to_vec(), e[4..].to_vec()),
        Some(e) => return e.to_vec(),
    };
    let unsummed = extension.is_some() && header[2..4] == [0, 0];
    let wanted = extension.map_or(0, residue);
    let mut out = [header, objects, object].concat();
    out[2..4].fill(0);
    if !unsummed {
        let field = field_for(wanted, residue(&out));
        out[2..4].copy_from_slice(&field.to_be_bytes());
    }
    out
}
