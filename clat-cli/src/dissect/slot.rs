//! The fields of both families, each in one place, so that a packet and its translation can be laid
//! side by side.

macro_rules! slots {
    ($($name:ident = $label:literal;)+) => {
        /// A field, in the order in which it is shown.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Slot { $($name),+ }

        impl Slot {
            /// What people call it.
            pub(crate) const fn label(self) -> &'static str {
                match self { $(Self::$name => $label),+ }
            }
        }
    };
}

slots! {
    Version = "version";
    HeaderLength = "header length";
    TrafficClass = "TOS / traffic class";
    FlowLabel = "flow label";
    Length = "length";
    Identification = "identification";
    DontFragment = "don't fragment";
    MoreFragments = "more fragments";
    FragmentOffset = "fragment offset";
    Hops = "TTL / hop limit";
    Protocol = "protocol / next header";
    HeaderChecksum = "header checksum";
    Source = "source";
    Destination = "destination";
    Options = "options / extension headers";
    IcmpType = "ICMP type";
    IcmpCode = "ICMP code";
    SourcePort = "source port";
    DestinationPort = "destination port";
    Sequence = "sequence number";
    Acknowledgement = "acknowledgement";
    TcpFlags = "TCP flags";
    Window = "window";
    UdpLength = "UDP length";
    Checksum = "transport checksum";
    EchoIdentifier = "echo identifier";
    EchoSequence = "echo sequence";
    Mtu = "MTU of the next hop";
    Pointer = "pointer";
    QuotedLength = "length of the quotation";
    Extension = "ICMP extension";
    Payload = "payload";
}
