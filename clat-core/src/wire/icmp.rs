//! Types and codes of ICMPv4 (RFC 792, RFC 1122, RFC 1812) and ICMPv6 (RFC 4443), and the header that
//! both share.
//!
//! ```text
//! |     Type      |     Code      |          Checksum             |
//! |                      rest of the header                       |
//! ```

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 8;

/// ICMPv4 types.
pub(crate) mod v4 {
    pub(crate) const ECHO_REPLY: u8 = 0;
    pub(crate) const UNREACHABLE: u8 = 3;
    pub(crate) const SOURCE_QUENCH: u8 = 4;
    pub(crate) const REDIRECT: u8 = 5;
    pub(crate) const ECHO_REQUEST: u8 = 8;
    pub(crate) const TIME_EXCEEDED: u8 = 11;
    pub(crate) const PARAMETER_PROBLEM: u8 = 12;

    /// Codes of [`UNREACHABLE`].
    pub(crate) mod unreachable {
        pub(crate) const HOST: u8 = 1;
        pub(crate) const PROTOCOL: u8 = 2;
        pub(crate) const PORT: u8 = 3;
        pub(crate) const FRAGMENTATION_NEEDED: u8 = 4;
        pub(crate) const SOURCE_ROUTE_FAILED: u8 = 5;
        pub(crate) const HOST_PROHIBITED: u8 = 10;
        pub(crate) const ADMINISTRATIVELY_PROHIBITED: u8 = 13;
    }

    /// Whether a type reports an error (RFC 1122 section 3.2.2).
    #[inline]
    pub(crate) const fn is_error(icmp_type: u8) -> bool {
        matches!(icmp_type, UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM)
    }
}

/// ICMPv6 types.
pub(crate) mod v6 {
    pub(crate) const UNREACHABLE: u8 = 1;
    pub(crate) const PACKET_TOO_BIG: u8 = 2;
    pub(crate) const TIME_EXCEEDED: u8 = 3;
    pub(crate) const PARAMETER_PROBLEM: u8 = 4;
    pub(crate) const ECHO_REQUEST: u8 = 128;
    pub(crate) const ECHO_REPLY: u8 = 129;
    /// Informational by number, but no error may answer it (RFC 4443 section 2.4 (e.2)).
    const REDIRECT: u8 = 137;

    /// Codes of [`UNREACHABLE`].
    pub(crate) mod unreachable {
        pub(crate) const NO_ROUTE: u8 = 0;
        pub(crate) const ADMINISTRATIVELY_PROHIBITED: u8 = 1;
        pub(crate) const PORT: u8 = 4;
    }

    /// Codes of [`PARAMETER_PROBLEM`].
    pub(crate) mod parameter {
        pub(crate) const ERRONEOUS_FIELD: u8 = 0;
        pub(crate) const UNRECOGNIZED_NEXT_HEADER: u8 = 1;
    }

    /// Whether a type reports an error (RFC 4443 section 2.1).
    #[inline]
    pub(crate) const fn is_error(icmp_type: u8) -> bool {
        icmp_type < 128
    }

    /// Whether no error may answer a message of this type.
    #[inline]
    pub(crate) const fn is_unanswerable(icmp_type: u8) -> bool {
        is_error(icmp_type) || icmp_type == REDIRECT
    }
}

/// The ICMPv6 type of an ICMPv4 echo (RFC 7915 section 4.2).
#[inline]
pub(crate) const fn echo_v6(icmp_type: u8) -> Option<u8> {
    match icmp_type {
        v4::ECHO_REQUEST => Some(v6::ECHO_REQUEST),
        v4::ECHO_REPLY => Some(v6::ECHO_REPLY),
        _ => None,
    }
}

/// The ICMPv4 type of an ICMPv6 echo (RFC 7915 section 5.2).
#[inline]
pub(crate) const fn echo_v4(icmp_type: u8) -> Option<u8> {
    match icmp_type {
        v6::ECHO_REQUEST => Some(v4::ECHO_REQUEST),
        v6::ECHO_REPLY => Some(v4::ECHO_REPLY),
        _ => None,
    }
}

/// The header of an ICMP error that is being made, checksum not yet known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErrorHeader {
    pub(crate) icmp_type: u8,
    pub(crate) code: u8,
    /// MTU or pointer; zero otherwise. The RFC 4884 length is put in later.
    pub(crate) rest: [u8; 4],
}

impl ErrorHeader {
    pub(crate) const fn new(icmp_type: u8, code: u8) -> Self {
        Self { icmp_type, code, rest: [0; 4] }
    }

    /// With an MTU or a pointer that takes all four octets.
    pub(crate) const fn with_word(icmp_type: u8, code: u8, word: u32) -> Self {
        Self { icmp_type, code, rest: word.to_be_bytes() }
    }

    pub(crate) const fn bytes(self, checksum: u16) -> [u8; HEADER_LEN] {
        let [c0, c1] = checksum.to_be_bytes();
        let [r0, r1, r2, r3] = self.rest;
        [self.icmp_type, self.code, c0, c1, r0, r1, r2, r3]
    }
}
