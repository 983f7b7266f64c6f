//! What can be wrong, each with its exit code and its cure.

use serde::Serialize;

macro_rules! findings {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $severity:ident, $advice:literal;)+) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(windows, allow(dead_code))] // some are Linux's
        pub(crate) enum Finding { $($(#[doc = $doc])+ $name),+ }

        impl Finding {
            /// Every finding.
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The exit code of `doctor` when this is the first fault.
            pub(crate) const fn code(self) -> u8 {
                match self { $(Self::$name => $code),+ }
            }

            const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),+ }
            }

            /// What to do.
            const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice),+ }
            }
        }
    };
}

findings! {
    /// The configuration file is not understood.
    Configuration = 10, Fault, "correct the file; `clat-cli run` refuses it as it is";
    /// There is no TUN driver or Wintun.
    NoDevice = 11, Fault, "load the driver (modprobe tun), or pass /dev/net/tun into the container";
    /// The right to change the network is missing.
    NoRights = 12, Fault, "run it as root, or give it CAP_NET_ADMIN and CAP_NET_RAW";
    /// A crashed instance left changes behind.
    LeftBehind = 13, Fault, "`clat-cli stop --recover` puts them back; so does the next start";
    /// Nothing runs.
    NotRunning = 20, Fault, "start it: `clat-cli run`, or `systemctl start clat`";
    /// There is no IPv6 uplink.
    NoUplink = 21, Fault, "connect to a network with IPv6: an IPv6 default route is needed";
    /// No prefix is known.
    NoPref64 = 22, Fault, "the network offers no NAT64: ask its operator, or give the prefix with --pref64";
    /// No address could be claimed.
    NoAddress = 23, Fault, "give an address that the network routes to this host with --clat-v6";
    /// Not active for another reason.
    NotActive = 24, Fault, "see the log for what happened (journalctl -u clat)";
    /// The address is not answered for, or the link filters.
    NoNdAnswer = 25, Fault, "let a firewall forward IPv6 between the uplink and the device; some access points filter";
    /// The NAT64 does not answer.
    Nat64Silent = 26, Fault, "the NAT64 does not answer: ask the operator of the network";
    /// Large packets are lost.
    MtuBlackHole = 27, Fault, "lower the MTU: --mtu 1252 always fits";
    /// Forwarding was switched off by somebody else.
    Forwarding = 28, Fault, "something switched forwarding off; restart clat and keep other managers from net.ipv6.conf";
    /// Our IPv4 default route is gone.
    NoRoute = 29, Fault, "something removed the IPv4 default route of the device; restart clat";
    /// Native IPv4 is there.
    NativeIpv4 = 40, Note, "nothing to do: native IPv4 is used as long as it is there (--force overrides)";
    /// Another CLAT translates.
    OtherClat = 41, Note, "nothing to do, or switch the other one off; --force starts all the same";
    /// Packets are dropped.
    Drops = 42, Note, "`clat-cli status` shows the last ones; `clat-cli explain` shows why";
    /// A facility is missing.
    Missing = 43, Note, "translation works without it";
    /// Strict reverse path filtering.
    ReversePath = 44, Note, "set rp_filter of the device to 2 if answers from IPv4 do not arrive";
    /// An offload is missing.
    NoOffload = 45, Note, "only slower: a newer kernel has it";
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// As it should be.
    Well,
    /// Worth knowing.
    Note,
    /// It keeps translation from working.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub severity: Severity,
    /// The exit code that belongs to what was found.
    #[serde(rename = "code", serialize_with = "code", skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// What was seen.
    pub text: String,
    /// What to do.
    pub advice: Option<&'static str>,
}

impl Check {
    /// It is as it should be.
    pub(crate) fn well(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, severity: Severity::Well, finding: None, text: text.into(), advice: None }
    }

    /// Something was found.
    pub(crate) fn found(name: &'static str, finding: Finding, text: impl Into<String>) -> Self {
        Self {
            name,
            severity: finding.severity(),
            finding: Some(finding),
            text: text.into(),
            advice: Some(here(finding)),
        }
    }
}

/// What to do on this system.
#[cfg(not(windows))]
const fn here(finding: Finding) -> &'static str {
    finding.advice()
}

/// What to do on this system.
#[cfg(windows)]
const fn here(finding: Finding) -> &'static str {
    match crate::platform::windows::doctor::advice(finding) {
        Some(advice) => advice,
        None => finding.advice(),
    }
}

#[allow(clippy::ref_option)] // the signature that serde calls
fn code<S: serde::Serializer>(finding: &Option<Finding>, out: S) -> Result<S::Ok, S::Error> {
    finding.map(Finding::code).serialize(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_leave_the_common_ones_free() {
        for (i, finding) in Finding::ALL.iter().enumerate() {
            assert!((10..64).contains(&finding.code()), "{finding:?}");
            assert!(Finding::ALL[i + 1..].iter().all(|f| f.code() != finding.code()), "{finding:?}");
            assert!(!finding.advice().is_empty());
        }
    }

    #[test]
    fn the_page_of_codes_has_each_with_its_severity_and_advice() {
        let page = include_str!("../../../docs/DOCTOR.md");
        for finding in Finding::ALL {
            let severity = format!("{:?}", finding.severity()).to_lowercase();
            let begin = format!("| {} | {severity} | ", finding.code());
            let row = page.lines().find(|line| line.starts_with(&begin));
            assert!(row.is_some_and(|row| row.contains(finding.advice())), "{finding:?}: no row `{begin}`");
        }
    }

    #[test]
    fn a_check_is_one_flat_object() {
        let json = serde_json::to_value(Check::found("prefix", Finding::NoPref64, "none")).unwrap();
        assert_eq!(json["code"], 22);
        assert_eq!(json["severity"], "fault");
        let json = serde_json::to_value(Check::well("prefix", "64:ff9b::/96")).unwrap();
        assert!(json.get("code").is_none());
    }
}
