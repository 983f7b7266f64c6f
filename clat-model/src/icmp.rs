//! Types, codes, pointers and MTUs (RFC 7915 sections 4.2 and 5.2) as lists.

/// Where an ICMP error goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Type and code; the four octets behind the checksum are zero but for an RFC 4884 length.
    Plain(u8, u8),
    /// Type and code, with an MTU.
    Mtu(u8, u8),
    /// Type and code, with a pointer to be looked up.
    Pointer(u8, u8),
    /// Type and code, with this pointer.
    Fixed(u8, u8, u8),
}

/// An ICMPv4 error's counterpart (RFC 7915 section 4.2).
pub(crate) fn error_to_v6(kind: u8, code: u8) -> Option<Target> {
    match (kind, code) {
        (3, 0 | 1 | 5..=8 | 11 | 12) => Some(Target::Plain(1, 0)),
        (3, 2) => Some(Target::Fixed(4, 1, 6)),
        (3, 3) => Some(Target::Plain(1, 4)),
        (3, 4) => Some(Target::Mtu(2, 0)),
        (3, 9 | 10 | 13 | 15) => Some(Target::Plain(1, 1)),
        (11, _) => Some(Target::Plain(3, code)),
        (12, 0 | 2) => Some(Target::Pointer(4, 0)),
        _ => None,
    }
}

/// An ICMPv6 error's counterpart (RFC 7915 section 5.2).
pub(crate) fn error_to_v4(kind: u8, code: u8) -> Option<Target> {
    match (kind, code) {
        (1, 0 | 2 | 3) => Some(Target::Plain(3, 1)),
        (1, 1) => Some(Target::Plain(3, 10)),
        (1, 4) => Some(Target::Plain(3, 3)),
        (2, _) => Some(Target::Mtu(3, 4)),
        (3, _) => Some(Target::Plain(11, code)),
        (4, 0) => Some(Target::Pointer(12, 0)),
        (4, 1) => Some(Target::Plain(3, 2)),
        _ => None,
    }
}

/// The counterpart of an echo's type.
pub(crate) fn echo_to_v6(kind: u8) -> Option<u8> {
    [(8, 128), (0, 129)].into_iter().find(|(v4, _)| *v4 == kind).map(|(_, v6)| v6)
}

/// The counterpart of an echo's type.
pub(crate) fn echo_to_v4(kind: u8) -> Option<u8> {
    [(8, 128), (0, 129)].into_iter().find(|(_, v6)| *v6 == kind).map(|(v4, _)| v4)
}

/// ICMPv4 messages that are errors or that nobody may answer with one (RFC 1122 section 3.2.2).
pub(crate) fn is_error_v4(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

/// ICMPv6 messages that are errors or that nobody may answer with one (RFC 4443 section 2.4 (e)).
pub(crate) fn is_error_v6(kind: u8) -> bool {
    kind < 128 || kind == 137
}

/// Figure 3.
pub(crate) fn pointer_to_v6(pointer: u8) -> Option<u8> {
    const TABLE: [Option<u8>; 20] = {
        let (s, d) = (Some(8), Some(24));
        [
            Some(0), // version, header length
            Some(1), // type of service
            Some(4), // total length
            Some(4),
            None, // identification
            None,
            None, // flags, fragment offset
            None,
            Some(7), // time to live
            Some(6), // protocol
            None,    // checksum
            None,
            s,
            s,
            s,
            s,
            d,
            d,
            d,
            d,
        ]
    };
    TABLE.get(usize::from(pointer)).copied().flatten()
}

/// Figure 6.
pub(crate) fn pointer_to_v4(pointer: u32) -> Option<u8> {
    match pointer {
        0 => Some(0),       // version, traffic class
        1 => Some(1),       // traffic class, flow label
        4 | 5 => Some(2),   // payload length
        6 => Some(9),       // next header
        7 => Some(8),       // hop limit
        8..=23 => Some(12), // source
        24..=39 => Some(16),
        _ => None,
    }
}

/// The plateaus of RFC 1191 section 7.1.
const PLATEAUS: [usize; 7] = [65535, 32000, 17914, 8166, 4352, 2002, 1492];

/// RFC 7915 section 4.2, type 3 code 4.
pub(crate) fn mtu_to_v6(reported: u16, quoted_len: usize, v6_mtu: usize, v4_mtu: usize) -> usize {
    let path = match usize::from(reported) {
        0 => PLATEAUS.into_iter().find(|p| *p < quoted_len).unwrap_or(0),
        mtu => mtu,
    };
    (path + 20).min(v6_mtu).min(v4_mtu + 20).max(1280)
}

/// RFC 7915 section 5.2, type 2; RFC 8200 section 5 for what is below 1280.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn mtu_to_v4(reported: u32, fragment_header: bool, v6_mtu: usize, v4_mtu: usize) -> u16 {
    let growth = if fragment_header { 28 } else { 20 };
    let path = (reported.max(1280) as usize - growth).min(v4_mtu).min(v6_mtu - growth);
    path.min(65535) as u16
}
