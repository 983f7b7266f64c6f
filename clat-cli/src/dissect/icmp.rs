//! ICMPv4 (RFC 792), ICMPv6 (RFC 4443), their extensions (RFC 4884) and the packets that they quote.

use super::slot::Slot;
use super::transport::{Transport, payload};
use super::{Fields, ip, u8_at, u16_at, u32_at};

/// The quotation in front of an extension has at least this many bytes (RFC 4884 section 4).
const MIN_QUOTATION: usize = 128;

const OBJECT_INTERFACE: u8 = 2;
const OBJECT_NODE: u8 = 5;

/// How an error is laid out in one of the families.
struct Layout {
    /// Offset of the RFC 4884 length octet, and its unit in bytes.
    length: (usize, usize),
    extensible: bool,
    mtu: Option<String>,
    pointer: Option<String>,
}

pub(super) fn v4(fields: &mut Fields, transport: &Transport<'_>) {
    let bytes = transport.payload;
    let (Some(kind), Some(code)) = head(fields, transport, name_v4, false) else { return };
    match kind {
        0 | 8 => echo(fields, bytes),
        3 | 11 | 12 => {
            let layout = Layout {
                length: (5, 4),
                extensible: true,
                mtu: (kind == 3 && code == 4).then(|| u16_at(bytes, 6)).flatten().map(|v| v.to_string()),
                pointer: (kind == 12).then(|| u8_at(bytes, 4)).flatten().map(|v| v.to_string()),
            };
            error(fields, transport, &layout);
        }
        _ => payload(fields, bytes.get(8..).unwrap_or_default()),
    }
}

pub(super) fn v6(fields: &mut Fields, transport: &Transport<'_>) {
    let bytes = transport.payload;
    let (Some(kind), Some(_)) = head(fields, transport, name_v6, true) else { return };
    match kind {
        128 | 129 => echo(fields, bytes),
        1..=4 => {
            let word = u32_at(bytes, 4).map(|v| v.to_string());
            let layout = Layout {
                length: (4, 8),
                extensible: matches!(kind, 1 | 3),
                mtu: if kind == 2 { word.clone() } else { None },
                pointer: if kind == 4 { word } else { None },
            };
            error(fields, transport, &layout);
        }
        _ => payload(fields, bytes.get(4..).unwrap_or_default()),
    }
}

fn head(
    fields: &mut Fields,
    transport: &Transport<'_>,
    name: fn(u8) -> &'static str,
    with_pseudo: bool,
) -> (Option<u8>, Option<u8>) {
    let (kind, code) = (u8_at(transport.payload, 0), u8_at(transport.payload, 1));
    let named = kind.map(|k| format!("{k} ({})", name(k)));
    fields.put_some(Slot::IcmpType, named);
    fields.put_some(Slot::IcmpCode, code.map(|c| c.to_string()));
    fields.put_some(Slot::Checksum, transport.checksum(2, with_pseudo));
    (kind, code)
}

fn echo(fields: &mut Fields, bytes: &[u8]) {
    fields.put_some(Slot::EchoIdentifier, u16_at(bytes, 4).map(|v| format!("0x{v:04x}")));
    fields.put_some(Slot::EchoSequence, u16_at(bytes, 6).map(|v| v.to_string()));
    payload(fields, bytes.get(8..).unwrap_or_default());
}

fn error(fields: &mut Fields, transport: &Transport<'_>, layout: &Layout) {
    let bytes = transport.payload;
    if let Some(mtu) = &layout.mtu {
        fields.put(Slot::Mtu, mtu.clone());
    }
    if let Some(pointer) = &layout.pointer {
        fields.put(Slot::Pointer, pointer.clone());
    }
    let mut quoted = bytes.get(8..).unwrap_or_default();
    let units = if layout.extensible { u8_at(bytes, layout.length.0).unwrap_or_default() } else { 0 };
    let len = usize::from(units) * layout.length.1;
    if len >= MIN_QUOTATION && len <= quoted.len() {
        fields.put(Slot::QuotedLength, format!("{units} units of {} bytes", layout.length.1));
        let (front, extension) = quoted.split_at(len);
        fields.put(Slot::Extension, objects(extension));
        quoted = front;
    }
    if transport.is_quoted {
        // An error about an error: what it quotes in turn says nothing more.
        return payload(fields, quoted);
    }
    fields.depth += 1;
    ip::packet(fields, quoted, true);
}

/// The objects of an extension structure (RFC 4884 section 8).
fn objects(extension: &[u8]) -> String {
    let mut names = Vec::new();
    let mut rest = extension.get(4..).unwrap_or_default();
    while let (Some(len), Some(class)) = (u16_at(rest, 0), u8_at(rest, 2)) {
        let len = usize::from(len);
        let Some((object, behind)) = rest.split_at_checked(len).filter(|_| len >= 4) else { break };
        names.push(match class {
            1 => "MPLS labels".to_owned(),
            OBJECT_INTERFACE => "interface".to_owned(),
            OBJECT_NODE => node(object),
            _ => format!("object of class {class}"),
        });
        rest = behind;
    }
    format!("{} bytes: {}", extension.len(), names.join(", "))
}

/// The address in a Node Identification object, found by its address family.
fn node(object: &[u8]) -> String {
    let address = object.get(4..).and_then(|body| {
        let octets: [u8; 16] = *body.get(4..)?.first_chunk()?;
        (u16_at(body, 0)? == 2).then(|| std::net::Ipv6Addr::from(octets))
    });
    address.map_or_else(|| "node".to_owned(), |address| format!("node {address}"))
}

fn name_v4(kind: u8) -> &'static str {
    match kind {
        0 => "echo reply",
        3 => "destination unreachable",
        5 => "redirect",
        8 => "echo request",
        11 => "time exceeded",
        12 => "parameter problem",
        _ => "other",
    }
}

fn name_v6(kind: u8) -> &'static str {
    match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        133..=137 => "neighbour discovery",
        _ => "other",
    }
}
