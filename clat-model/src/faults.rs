//! What the model says of a packet.

/// A packet that leaves, and what of it another translator may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The packet.
    pub bytes: Vec<u8>,
    /// Offsets of IPv4 headers whose Identification is the translator's to choose.
    pub free_ident: Vec<usize>,
    /// Offsets of checksums where 0x0000 and 0xffff are the same value.
    pub either_zero: Vec<usize>,
}

/// One thing that is wrong with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of the drop reason.
    pub reason: &'static str,
    /// The ICMP error to its sender, or silence.
    pub reply: Option<Emitted>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These leave in the other family, in this order.
    Emit(Vec<Emitted>),
    /// It is dropped for one of these faults, whichever the translator sees first.
    Refuse(Vec<Fault>),
}

impl Outcome {
    pub(crate) fn silent(reason: &'static str) -> Self {
        Self::Refuse(vec![Fault { reason, reply: None }])
    }

    /// Whether a packet leaves in the other family.
    #[must_use]
    pub const fn is_forward(&self) -> bool {
        matches!(self, Self::Emit(_))
    }
}

/// An ICMP error to be made: type, code and the four octets behind the checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Error {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) word: u32,
}

/// How a fault is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// By nothing, whatever else is wrong with the packet.
    Never,
    /// By nothing, but another fault of the same packet may be answered.
    Silent,
    /// By this error.
    Send(Error),
}

/// The faults found so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<(&'static str, Answer)>);

impl Faults {
    pub(crate) fn add(&mut self, reason: &'static str, answer: Answer) {
        self.0.push((reason, answer));
    }

    pub(crate) fn add_if(&mut self, holds: bool, reason: &'static str, answer: Answer) {
        if holds {
            self.add(reason, answer);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The refusal; `answerable` is false where no error may be sent about the packet at all.
    pub(crate) fn refuse(self, answerable: bool, make: impl Fn(Error) -> Emitted) -> Outcome {
        let never = self.0.iter().any(|(_, a)| matches!(a, Answer::Never));
        let fault = |(reason, answer): (&'static str, Answer)| {
            let reply = match answer {
                Answer::Send(error) if answerable && !never => Some(make(error)),
                Answer::Send(_) | Answer::Silent | Answer::Never => None,
            };
            Fault { reason, reply }
        };
        Outcome::Refuse(self.0.into_iter().map(fault).collect())
    }
}

/// Every reason that the model can give.
pub const REASONS: [&str; 33] = [
    "truncated",
    "bad_version",
    "bad_header_length",
    "bad_header_checksum",
    "bad_option",
    "source_route",
    "hop_limit",
    "illegal_source",
    "source_not_local",
    "source_not_mapped",
    "spoofed_source",
    "illegal_destination",
    "destination_not_local",
    "private_address",
    "protocol",
    "too_big",
    "fragmented_icmp",
    "fragmented_udp_zero_checksum",
    "udp_zero_checksum",
    "bad_fragment",
    "tiny_fragment",
    "extension_chain",
    "extension_after_fragment",
    "routing_header",
    "truncated_transport",
    "bad_udp_length",
    "icmp_type",
    "icmp_pointer",
    "bad_icmp_checksum",
    "quoted_icmp_error",
    "quoted_malformed",
    "quoted_not_ours",
    "quoted_untranslatable",
];
