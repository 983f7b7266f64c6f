//! Why the state changed, and what people should know.

use crate::{OtherClat, Step, StepError};

/// Why the state is what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The program has just started.
    #[default]
    Started,
    /// No link has an IPv6 default route.
    NoUplink,
    /// The configured link is not there or is down.
    LinkDown,
    /// The uplink has no IPv6 address with a prefix to make a CLAT address in.
    NoAddress,
    /// Nobody announces a PREF64 yet.
    NoPref64,
    /// A PREF64 is known.
    Pref64Found,
    /// Another PREF64 is to be used.
    Pref64Changed,
    /// The router withdrew the PREF64.
    Pref64Withdrawn,
    /// The lifetime of the PREF64 ended.
    Pref64Expired,
    /// The uplink has native IPv4.
    NativeIpv4,
    /// Native IPv4 went away.
    NativeIpv4Gone,
    /// Another CLAT translates on the uplink.
    OtherClat(OtherClat),
    /// The other CLAT went away.
    OtherClatGone,
    /// Somebody else has the CLAT address: another one is tried.
    DadClash,
    /// Somebody else has every candidate.
    DadExhausted,
    /// Duplicate address detection did not come to an end.
    DadTimeout,
    /// The address is claimed and the host is set up.
    Ready,
    /// The prefix of the CLAT address is deprecated or gone, and there is another.
    Renumbered,
    /// The prefix of the CLAT address is gone.
    AddressLost,
    /// Another uplink is better.
    UplinkChanged,
    /// The uplink lost its carrier, its default route or itself.
    UplinkLost,
    /// The uplink is back.
    UplinkBack,
    /// What was lost did not come back in time.
    GraceOver,
    /// The MTU changed.
    MtuChanged,
    /// The configuration changed.
    Reconfigured,
    /// The host sleeps.
    Suspended,
    /// The host woke up.
    Resumed,
    /// The host could not be changed as planned.
    StepFailed,
    /// Our device was taken away.
    DeviceLost,
    /// The operator stopped it.
    Stopped,
}

impl Reason {
    /// The name in `status --json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::NoUplink => "no-uplink",
            Self::LinkDown => "link-down",
            Self::NoAddress => "no-address",
            Self::NoPref64 => "no-pref64",
            Self::Pref64Found => "pref64-found",
            Self::Pref64Changed => "pref64-changed",
            Self::Pref64Withdrawn => "pref64-withdrawn",
            Self::Pref64Expired => "pref64-expired",
            Self::NativeIpv4 => "native-ipv4",
            Self::NativeIpv4Gone => "native-ipv4-gone",
            Self::OtherClat(_) => "other-clat",
            Self::OtherClatGone => "other-clat-gone",
            Self::DadClash => "dad-clash",
            Self::DadExhausted => "dad-exhausted",
            Self::DadTimeout => "dad-timeout",
            Self::Ready => "ready",
            Self::Renumbered => "renumbered",
            Self::AddressLost => "address-lost",
            Self::UplinkChanged => "uplink-changed",
            Self::UplinkLost => "uplink-lost",
            Self::UplinkBack => "uplink-back",
            Self::GraceOver => "grace-over",
            Self::MtuChanged => "mtu-changed",
            Self::Reconfigured => "reconfigured",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::StepFailed => "step-failed",
            Self::DeviceLost => "device-lost",
            Self::Stopped => "stopped",
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Started => "the program has just started",
            Self::NoUplink => "no link has an IPv6 default route",
            Self::LinkDown => "the configured uplink is missing or has no carrier",
            Self::NoAddress => {
                "the uplink has no IPv6 prefix to make a CLAT address in: give one with --clat-v6"
            }
            Self::NoPref64 => "neither a router nor DNS has told a NAT64 prefix so far",
            Self::Pref64Found => "the network has a NAT64 prefix",
            Self::Pref64Changed => "another NAT64 prefix is to be used",
            Self::Pref64Withdrawn => "the router withdrew the NAT64 prefix",
            Self::Pref64Expired => "the NAT64 prefix was not announced again in time",
            Self::NativeIpv4 => "the uplink has native IPv4: no translation is needed (--force overrides)",
            Self::NativeIpv4Gone => "native IPv4 went away",
            Self::OtherClat(_) => "another CLAT translates on the uplink (--force overrides)",
            Self::OtherClatGone => "the other CLAT stopped",
            Self::DadClash => "another host has the CLAT address: the next candidate is tried",
            Self::DadExhausted => {
                "other hosts have every candidate for the CLAT address: give one with --clat-v6"
            }
            Self::DadTimeout => "duplicate address detection did not come to an end",
            Self::Ready => "the address is claimed and the host is set up",
            Self::Renumbered => "the uplink's prefix was replaced",
            Self::AddressLost => "the uplink's prefix went away",
            Self::UplinkChanged => "another uplink is better",
            Self::UplinkLost => "the uplink lost its carrier or its default route",
            Self::UplinkBack => "the uplink is back",
            Self::GraceOver => "what was lost did not come back in time",
            Self::MtuChanged => "the MTU changed",
            Self::Reconfigured => "the configuration changed",
            Self::Suspended => "the host sleeps",
            Self::Resumed => "the host woke up",
            Self::StepFailed => "the host could not be changed as planned",
            Self::DeviceLost => "the CLAT's device was removed: it is set up again",
            Self::Stopped => "stopped by the operator",
        }
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self::OtherClat(other) = self else { return f.write_str(self.describe()) };
        write!(f, "the CLAT of {} translates on the uplink (--force overrides)", other.as_str())
    }
}

/// What people should know; the program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// A step could not be done; the engine does without it or tries again.
    StepFailed(Step, StepError),
    /// A step could not be undone; it stays in the journal.
    UndoFailed(Step, StepError),
    /// Another host uses the CLAT address while we do (RFC 4862 section 5.4, RFC 5227 in spirit).
    AddressConflict,
    /// More was announced than the tables hold; the surplus is ignored.
    TableFull(&'static str),
    /// The uplink has only addresses without a prefix (DHCPv6, /128): the CLAT address may not be
    /// reachable unless the network routes the prefix to this host.
    NoOnLinkPrefix,
    /// The link has no resolvers to ask for `ipv4only.arpa`.
    NoResolvers,
    /// A resolver invented a PREF64 that cannot be one; it is ignored.
    BadPref64,
}

impl Warning {
    /// The name for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::StepFailed(..) => "step-failed",
            Self::UndoFailed(..) => "undo-failed",
            Self::AddressConflict => "address-conflict",
            Self::TableFull(_) => "table-full",
            Self::NoOnLinkPrefix => "no-on-link-prefix",
            Self::NoResolvers => "no-resolvers",
            Self::BadPref64 => "bad-pref64",
        }
    }
}

impl core::fmt::Display for Warning {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::StepFailed(step, error) => write!(f, "could not do `{step}`: {error}"),
            Self::UndoFailed(step, error) => write!(f, "could not undo `{step}`: {error}"),
            Self::AddressConflict => f.write_str("another host uses the CLAT address: a new one is claimed"),
            Self::TableFull(what) => write!(f, "more {what} than are kept: the surplus is ignored"),
            Self::NoOnLinkPrefix => f.write_str(
                "the uplink has single addresses without a prefix: the CLAT address is reachable only if the \
                 network routes its /64 to this link",
            ),
            Self::NoResolvers => {
                f.write_str("the uplink has no DNS resolvers: only a router can tell the NAT64 prefix")
            }
            Self::BadPref64 => f.write_str("an announced NAT64 prefix cannot be one and is ignored"),
        }
    }
}
