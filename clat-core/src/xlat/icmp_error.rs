//! The body of an ICMP error: the quoted packet, cut to size, and the extension of RFC 4884 behind it.
//!
//! ```text
//! | ICMP header | quoted packet, zero-padded to its unit | extension header | objects |
//! |      len ---|--> counts this, in units of 4 (ICMPv4) or 8 (ICMPv6) bytes         |
//! ```

use super::refusal::MAX_ERROR_V6;
use crate::parts::{Extra, Head, Rewrite, Span};
use crate::wire::checksum::{self, Sum, pseudo_v6};
use crate::wire::icmp::{self, ErrorHeader};
use crate::wire::ipv4::{self, HeaderV4};
use crate::wire::ipv6::{self, HeaderV6};
use crate::wire::protocol;
use core::net::Ipv6Addr;

/// Fewest bytes that the quoted packet takes where an extension follows (RFC 4884 section 3).
const MIN_QUOTE: usize = 128;

/// Bytes of an extension header (RFC 4884 section 7).
const EXTENSION_HEADER_LEN: usize = 4;

/// Bytes of a Node Identification object with an IPv6 address.
const OBJECT_LEN: usize = 24;

/// A quoted packet that is translated already, and what follows it.
pub(super) struct Body {
    /// Its rewritten headers.
    pub(super) quoted: Head,
    /// What follows them in the packet that came in.
    pub(super) tail: Span,
    /// The extension of the packet that came in; empty where there is none or it cannot be kept.
    pub(super) extension: Span,
    /// The source that the message cannot name otherwise.
    pub(super) object: Option<Ipv6Addr>,
}

/// A quoted packet after translation: its headers, and how many bytes they stand for.
pub(super) struct Quoted {
    pub(super) head: Head,
    pub(super) consumed: usize,
}

/// How much of a message's body is the quoted packet, in bytes, and where in `packet` the extension is. The
/// body runs from `start` to `end`, and the length field says `length` bytes.
///
/// A length beyond the message is no length, nor is one below 128 (RFC 4884 section 3) unless an extension
/// structure follows.
pub(super) fn split(packet: &[u8], length: usize, start: usize, end: usize) -> (usize, Span) {
    let all = end.saturating_sub(start);
    let extension = Span::new(start + length, end);
    if length == 0 || length >= all || length < MIN_QUOTE && !is_structure(extension.of(packet)) {
        return (all, Span::default());
    }
    (length, extension)
}

/// Version 2, whole words, and a checksum that is right or absent (RFC 4884 section 7).
fn is_structure(bytes: &[u8]) -> bool {
    let [first, _, c0, c1, ..] = bytes else { return false };
    let summed = [*c0, *c1] != [0, 0];
    first >> 4 == 2 && bytes.len().is_multiple_of(4) && (!summed || Sum::ZERO.bytes(bytes).fold() == 0xffff)
}

/// The whole ICMPv6 error.
pub(super) fn emit_v6(
    packet: &[u8],
    header: HeaderV6,
    error: ErrorHeader,
    body: &Body,
    rewrite: &mut Rewrite,
) {
    let cap = MAX_ERROR_V6 - ipv6::HEADER_LEN - icmp::HEADER_LEN;
    let (tail, extra, units) = lay_out(packet, body, cap, 8);
    let payload_len = icmp::HEADER_LEN + body.quoted.len() + tail.len() + extra.len();
    // At most 1280.
    let payload_len = u16::try_from(payload_len).unwrap_or_default();
    let mut error = error;
    if units != 0 {
        error.rest[0] = units;
    }
    let pseudo = pseudo_v6(header.src, header.dst, u32::from(payload_len), protocol::ICMPV6);
    let front = with_checksum(pseudo, packet, error, body, tail, &extra);
    (rewrite.tail, rewrite.extra) = (tail, extra);
    rewrite.head.push(&HeaderV6 { payload_len, ..header }.bytes());
    rewrite.head.push(&front);
    rewrite.head.push(body.quoted.as_slice());
}

/// The whole ICMPv4 error, of at most `max` bytes.
pub(super) fn emit_v4(
    packet: &[u8],
    header: HeaderV4,
    error: ErrorHeader,
    body: &Body,
    max: usize,
    rewrite: &mut Rewrite,
) {
    let headers = ipv4::HEADER_LEN + icmp::HEADER_LEN;
    let (tail, extra, units) = lay_out(packet, body, max.saturating_sub(headers), 4);
    let total_len = headers + body.quoted.len() + tail.len() + extra.len();
    // At most 576.
    let total_len = u16::try_from(total_len).unwrap_or_default();
    let mut error = error;
    if units != 0 {
        error.rest[1] = units;
    }
    let front = with_checksum(Sum::ZERO, packet, error, body, tail, &extra);
    (rewrite.tail, rewrite.extra) = (tail, extra);
    rewrite.head.push(&HeaderV4 { total_len, ..header }.bytes());
    rewrite.head.push(&front);
    rewrite.head.push(body.quoted.as_slice());
}

fn with_checksum(
    pseudo: Sum,
    packet: &[u8],
    error: ErrorHeader,
    body: &Body,
    tail: Span,
    extra: &Extra,
) -> [u8; icmp::HEADER_LEN] {
    let sum = pseudo.bytes(&error.bytes(0)).bytes(body.quoted.as_slice()).bytes(tail.of(packet));
    // Padding is zero, and with it everything behind starts at an even place.
    let sum = extra.slices(packet).iter().fold(sum, |sum, bytes| sum.bytes(bytes));
    error.bytes(sum.checksum())
}

/// Cuts the quoted packet to size and pads it; returns what is left of it, what follows it, and its
/// length in units where an extension follows.
///
/// What is too long gives way in this order: the quoted packet down to 128 bytes, the object of our
/// own, the extension.
fn lay_out(packet: &[u8], body: &Body, cap: usize, unit: usize) -> (Span, Extra, u8) {
    let quoted = body.quoted.len();
    let candidates = [(body.extension, body.object), (body.extension, None), (Span::default(), None)];
    for (extension, object) in candidates {
        let extra = extension_of(packet, extension, object);
        if extra.len() == 0 {
            break;
        }
        let Some(room) = cap.checked_sub(extra.len()).filter(|room| *room >= MIN_QUOTE) else { continue };
        let wanted = (quoted + body.tail.len()).max(MIN_QUOTE).next_multiple_of(unit);
        let padded = wanted.min(room - room % unit);
        let tail = cut(body.tail, padded.saturating_sub(quoted));
        // The head is shorter than 128 bytes, and so is the padding.
        let pad = u8::try_from(padded.saturating_sub(quoted + tail.len())).unwrap_or_default();
        let units = u8::try_from(padded / unit).unwrap_or_default();
        return (tail, Extra { pad, ..extra }, units);
    }
    (cut(body.tail, cap.saturating_sub(quoted)), Extra::default(), 0)
}

fn cut(span: Span, len: usize) -> Span {
    Span::new(span.start(), span.start() + span.len().min(len))
}

/// An extension structure as it came in, with our object behind the others, or with our object alone
/// (draft-ietf-intarea-extended-icmp-nodeid section 4).
fn extension_of(packet: &[u8], extension: Span, object: Option<Ipv6Addr>) -> Extra {
    let kept = Extra { extension, ..Extra::default() };
    let Some(addr) = object else { return kept };
    let object = node_identification(addr);
    let (header, rest) = match extension.of(packet) {
        [] => {
            let [c0, c1] = Sum::ZERO.word(0x2000_0000).bytes(&object).checksum().to_be_bytes();
            ([0x20, 0, c0, c1], Span::default())
        }
        [first, second, c0, c1, ..] if first >> 4 == 2 && extension.len().is_multiple_of(4) => {
            let rest =
                Span::new(extension.start() + EXTENSION_HEADER_LEN, extension.start() + extension.len());
            let [c0, c1] = with_object([*c0, *c1], &object);
            ([*first, *second, c0, c1], rest)
        }
        // No extension structure: left as it is.
        _ => return kept,
    };
    let mut extra = Extra { extension: rest, ..Extra::default() };
    // 28 bytes of room for 4 + 24.
    let _ = extra.own.extend_from_slice(&header).and_then(|()| extra.own.extend_from_slice(&object));
    extra
}

/// The checksum of an extension that has grown by an object; zero is none (RFC 4884 section 7).
fn with_object(field: [u8; 2], object: &[u8; OBJECT_LEN]) -> [u8; 2] {
    match u16::from_be_bytes(field) {
        0 => field,
        sum => checksum::update(sum, Sum::ZERO.bytes(object)).to_be_bytes(),
    }
}

/// Class 5, C-Type with bit 5 set: an IP address, of family 2 (IPv6).
fn node_identification(addr: Ipv6Addr) -> [u8; OBJECT_LEN] {
    let mut object = [0; OBJECT_LEN];
    if let Some((front, rest)) = object.split_first_chunk_mut::<8>() {
        *front = [0, OBJECT_LEN as u8, 5, 0x04, 0, 2, 0, 0];
        if let Some(octets) = rest.first_chunk_mut::<16>() {
            *octets = addr.octets();
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4884_section_4_lengths_beyond_the_message_are_none() {
        let packet = [0; 200];
        assert_eq!(split(&packet, 0, 28, 200), (172, Span::default()));
        assert_eq!(split(&packet, 128, 28, 200), (128, Span::new(156, 200)));
        assert_eq!(split(&packet, 172, 28, 200), (172, Span::default()), "nothing behind the quoted packet");
        assert_eq!(split(&packet, 1020, 28, 200), (172, Span::default()));
    }

    #[test]
    fn node_identification_object_and_its_checksum() {
        let addr: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let extra = extension_of(&[], Span::default(), Some(addr));
        let [_, header, _, object] = extra.slices(&[]);
        assert_eq!(object[..8], [0, 24, 5, 4, 0, 2, 0, 0]);
        assert_eq!(object[8..], addr.octets());
        assert_eq!(Sum::ZERO.bytes(header).bytes(object).fold(), 0xffff);
    }

    #[test]
    fn node_identification_object_joins_an_extension() {
        let addr: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let mut old = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xaa, 0xbb, 0xcc, 0xdd];
        let [hi, lo] = Sum::ZERO.bytes(&old).checksum().to_be_bytes();
        [old[2], old[3]] = [hi, lo];
        let extra = extension_of(&old, Span::new(0, 12), Some(addr));
        let sum = extra.slices(&old).iter().fold(Sum::ZERO, |sum, bytes| sum.bytes(bytes));
        assert_eq!(sum.fold(), 0xffff);
        assert_eq!(extra.len(), 36);
        [old[2], old[3]] = [0, 0];
        let extra = extension_of(&old, Span::new(0, 12), Some(addr));
        assert_eq!(extra.slices(&old)[1], [0x20, 0, 0, 0], "no checksum stays none");
        old[0] = 0x10;
        let extra = extension_of(&old, Span::new(0, 12), Some(addr));
        assert_eq!(extra.slices(&old)[2], old, "another version is left alone");
    }
}
