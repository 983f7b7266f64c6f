//! Whether what a translator did agrees with the model.

use crate::faults::{Emitted, Outcome};
use crate::sum::header_checksum;
use std::fmt::Write as _;

/// What the other translator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Did {
    /// The packets that left in the other family, in order.
    pub forwarded: Vec<Vec<u8>>,
    /// The ICMP error that went back.
    pub replied: Option<Vec<u8>>,
    /// The name of the drop reason.
    pub reason: Option<String>,
}

/// Agreement, or a report of the difference.
///
/// # Errors
/// A text with the packet, what was expected and what was done.
pub fn agree(packet: &[u8], expected: &Outcome, did: &Did) -> Result<(), String> {
    let fine = match expected {
        Outcome::Emit(packets) => {
            did.replied.is_none() && did.reason.is_none() && all_same(packets, &did.forwarded)
        }
        Outcome::Refuse(faults) => {
            let named =
                |f: &&crate::Fault| did.reason.as_deref().is_some_and(|r| group(r) == group(f.reason));
            let answered = |f: &crate::Fault| match (&f.reply, &did.replied) {
                (None, None) => true,
                (Some(a), Some(b)) => same(a, b),
                _ => false,
            };
            did.forwarded.is_empty() && faults.iter().filter(named).any(answered)
        }
    };
    if fine { Ok(()) } else { Err(report(packet, expected, did)) }
}

/// Reasons between which the standards make no difference: both are silent.
fn group(reason: &str) -> &str {
    match reason {
        "truncated" | "bad_version" | "bad_header_length" | "extension_chain" => "malformed",
        "truncated_transport" | "bad_udp_length" => "transport",
        quoted if quoted.starts_with("quoted") => "quoted",
        other => other,
    }
}

fn all_same(expected: &[Emitted], got: &[Vec<u8>]) -> bool {
    expected.len() == got.len()
        && expected.iter().zip(got).all(|(e, g)| same(e, g))
        && got.windows(2).all(|w| !expected[0].free_ident.contains(&0) || w[0][4..6] == w[1][4..6])
}

/// Equality but for the Identification where it is free, and for the two zeros of a checksum.
fn same(expected: &Emitted, got: &[u8]) -> bool {
    if expected.bytes.len() != got.len() {
        return false;
    }
    let mut bytes = expected.bytes.clone();
    for &at in &expected.free_ident {
        if at + 20 > bytes.len() {
            continue;
        }
        bytes[at + 4..at + 6].copy_from_slice(&got[at + 4..at + 6]);
        let checksum = header_checksum(&bytes[at..at + 20]);
        bytes[at + 10..at + 12].copy_from_slice(&checksum.to_be_bytes());
    }
    for &at in &expected.either_zero {
        let field = at..at + 2;
        let zero = |f: Option<&[u8]>| matches!(f, Some([0, 0] | [0xff, 0xff]));
        if zero(bytes.get(field.clone())) && zero(got.get(field.clone())) {
            bytes[field.clone()].copy_from_slice(&got[field]);
        }
    }
    bytes == got
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

fn report(packet: &[u8], expected: &Outcome, did: &Did) -> String {
    let mut out = format!("packet   {}\n", hex(packet));
    match expected {
        Outcome::Emit(packets) => {
            for p in packets {
                let _ = writeln!(out, "expected {}", hex(&p.bytes));
            }
        }
        Outcome::Refuse(faults) => {
            for f in faults {
                let reply = f.reply.as_ref().map_or_else(|| "silence".into(), |r| hex(&r.bytes));
                let _ = writeln!(out, "expected {} {reply}", f.reason);
            }
        }
    }
    for p in &did.forwarded {
        let _ = writeln!(out, "got      {}", hex(p));
    }
    if let Some(reason) = &did.reason {
        let _ = writeln!(
            out,
            "got      {reason} {}",
            did.replied.as_deref().map_or_else(|| "silence".into(), hex)
        );
    }
    out
}
