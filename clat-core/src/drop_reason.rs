//! Why a packet was not translated.

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $section:literal;)+) => {
        /// Why a packet was not translated. A value to count, never an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum DropReason { $($(#[doc = $doc])+ $name),+ }

        impl DropReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// How many reasons there are: the length of an array of counters.
            pub const COUNT: usize = Self::ALL.len();

            /// A stable name in `snake_case`, for counters and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The rule behind it: RFC and section.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$name => $section),+ }
            }

            /// One sentence for a person.
            #[must_use]
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+)),+ }
            }
        }
    };
}

drop_reasons! {
    /// The packet ends before its headers or its length fields say.
    Truncated = "truncated", "RFC 1812 section 5.2.2";
    /// The version is neither 4 nor 6, or not the one that this direction takes.
    BadVersion = "bad_version", "RFC 1812 section 5.2.2";
    /// The IPv4 header length or total length contradict each other.
    BadHeaderLength = "bad_header_length", "RFC 1812 section 5.2.2";
    /// The IPv4 header checksum is wrong.
    BadHeaderChecksum = "bad_header_checksum", "RFC 1812 section 5.2.2";
    /// An IPv4 option has an impossible length.
    BadOption = "bad_option", "RFC 1812 section 5.3.13";
    /// An IPv4 source route that is not used up cannot be followed.
    SourceRoute = "source_route", "RFC 7915 section 4.1";
    /// TTL or hop limit ran out.
    HopLimit = "hop_limit", "RFC 7915 sections 4.1 and 5.1";
    /// The source can never be the source of a forwarded packet.
    IllegalSource = "illegal_source", "RFC 7915 sections 4.1 and 5.1";
    /// The IPv4 source is not an address of this host.
    SourceNotLocal = "source_not_local", "RFC 6877 section 6.3";
    /// No mapping covers the IPv6 source.
    SourceNotMapped = "source_not_mapped", "RFC 7915 section 5.1";
    /// The IPv6 source pretends to be this host.
    SpoofedSource = "spoofed_source", "RFC 6052 section 5.1";
    /// The destination is multicast, broadcast or of this host only.
    IllegalDestination = "illegal_destination", "RFC 1812 section 5.3.7";
    /// The IPv6 destination is not the address of this CLAT.
    DestinationNotLocal = "destination_not_local", "RFC 6877 section 6.3";
    /// A private IPv4 address under 64:ff9b::/96, refused by the policy.
    PrivateAddress = "private_address", "RFC 6052 section 3.1";
    /// A protocol number that exists in the other family only, or IGMP.
    Protocol = "protocol", "RFC 7915 sections 4.1 and 4.2";
    /// Larger than the next hop's MTU and not to be fragmented.
    TooBig = "too_big", "RFC 7915 sections 4.1 and 5.1";
    /// A fragment of an ICMP message.
    FragmentedIcmp = "fragmented_icmp", "RFC 7915 sections 4.2 and 5.2";
    /// The first fragment of an IPv4 UDP datagram without checksum.
    FragmentedUdpZeroChecksum = "fragmented_udp_zero_checksum", "RFC 7915 section 4.5";
    /// An IPv4 UDP datagram without checksum, refused by the policy.
    UdpZeroChecksum = "udp_zero_checksum", "RFC 7915 section 4.5";
    /// A fragment with an impossible offset or length.
    BadFragment = "bad_fragment", "RFC 791 section 3.2";
    /// A first fragment too small for its transport header, or one that overlaps it.
    TinyFragment = "tiny_fragment", "RFC 1858 section 3";
    /// The IPv6 extension headers are too many, out of order or cut off.
    ExtensionChain = "extension_chain", "RFC 8200 section 4.1";
    /// An extension header after the Fragment Header.
    ExtensionAfterFragment = "extension_after_fragment", "RFC 7915 section 5.1.1";
    /// A routing header with segments left.
    RoutingHeader = "routing_header", "RFC 7915 section 5.1";
    /// The packet ends within its transport header.
    TruncatedTransport = "truncated_transport", "RFC 7915 sections 4.5 and 5.5";
    /// The UDP length contradicts the packet's.
    BadUdpLength = "bad_udp_length", "RFC 768";
    /// An ICMP type or code without counterpart.
    IcmpType = "icmp_type", "RFC 7915 sections 4.2 and 5.2";
    /// The pointer of a parameter problem has no counterpart.
    IcmpPointer = "icmp_pointer", "RFC 7915 sections 4.2 and 5.2";
    /// The checksum of an ICMP error is wrong.
    BadIcmpChecksum = "bad_icmp_checksum", "RFC 792 and RFC 4443 section 2.3";
    /// An ICMP error about an ICMP error.
    QuotedIcmpError = "quoted_icmp_error", "RFC 7915 sections 4.3 and 5.3";
    /// The packet quoted in an ICMP error is too short or contradicts itself.
    QuotedMalformed = "quoted_malformed", "RFC 7915 sections 4.3 and 5.3";
    /// The packet quoted in an ICMP error never came from this host.
    QuotedNotOurs = "quoted_not_ours", "RFC 7915 sections 4.3 and 5.3";
    /// The packet quoted in an ICMP error has no counterpart.
    QuotedUntranslatable = "quoted_untranslatable", "RFC 7915 sections 4.3 and 5.3";
}

impl core::fmt::Display for DropReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_snake_case() {
        for (i, a) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*a as usize, i);
            assert!(a.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{a}");
            assert!(a.section().starts_with("RFC "), "{a}");
            assert!(DropReason::ALL.iter().skip(i + 1).all(|b| a.as_str() != b.as_str()), "{a}");
        }
    }
}
