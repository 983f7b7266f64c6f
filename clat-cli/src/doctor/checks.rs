//! What the document of a running instance tells.

use super::finding::{Check, Finding};
use crate::status::model::Status;
use crate::status::text::prefix_words;

/// The checks that need nothing but the document.
pub(super) fn of_status(s: &Status) -> Vec<Check> {
    let mut checks = vec![uplink(s), prefix(s), state(s)];
    checks.extend(self_test(s));
    checks.extend(drops(s));
    let told = usize::from(why_step_failed(s).is_some());
    let others = s.warnings.iter().rev().skip(told).rev();
    checks.extend(others.map(|w| Check::found("facility", Finding::Missing, w.clone())));
    checks
}

/// The step that keeps the host from being set up: the last warning then.
fn why_step_failed(s: &Status) -> Option<&String> {
    s.warnings.last().filter(|_| s.reason == "step-failed")
}

/// The checks of a network that nobody translates on.
pub(super) fn of_network(s: &Status) -> Vec<Check> {
    let mut checks = vec![uplink(s)];
    if s.uplink.is_some() {
        checks.push(prefix(s));
    }
    match &s.clat {
        Some(clat) => checks.push(Check::well("address", format!("{} can be asked for", clat.ipv6))),
        None if s.reason == "no-address" => {
            checks.push(Check::found("address", Finding::NoAddress, s.reason_text.clone()));
        }
        None => {}
    }
    if s.native_ipv4 {
        checks.push(Check::found("ipv4", Finding::NativeIpv4, "the uplink has native IPv4"));
    }
    if let Some(other) = &s.other_clat {
        checks.push(Check::found("other", Finding::OtherClat, format!("{other} translates on the uplink")));
    }
    checks.extend(s.warnings.iter().map(|w| Check::found("facility", Finding::Missing, w.clone())));
    checks
}

fn uplink(s: &Status) -> Check {
    match &s.uplink {
        Some(uplink) => Check::well("uplink", format!("{} (index {})", uplink.name, uplink.index)),
        None if is_fixed(s) => Check::well("uplink", "the affair of others (--no-configure)"),
        None => Check::found("uplink", Finding::NoUplink, s.reason_text.clone()),
    }
}

fn prefix(s: &Status) -> Check {
    match (&s.pref64, s.prefixes.first()) {
        (Some(prefix), _) => Check::well("prefix", prefix_words(prefix)),
        (None, Some(known)) => Check::well("prefix", format!("{}: {}", prefix_words(known), known.why)),
        (None, None) => Check::found("prefix", Finding::NoPref64, "no NAT64 prefix is known"),
    }
}

/// What the instance is doing.
pub(super) fn state(s: &Status) -> Check {
    let mut text = format!("{}: {}", s.state, s.reason_text);
    if let Some(why) = why_step_failed(s) {
        text = format!("{text}: {why}");
    }
    if s.state == "active" {
        return Check::well("state", text);
    }
    let finding = match s.reason.as_str() {
        "native-ipv4" => Finding::NativeIpv4,
        "other-clat" => Finding::OtherClat,
        "no-uplink" | "link-down" | "uplink-lost" => Finding::NoUplink,
        "no-pref64" | "pref64-withdrawn" | "pref64-expired" => Finding::NoPref64,
        "no-address" | "dad-exhausted" | "address-lost" => Finding::NoAddress,
        _ => Finding::NotActive,
    };
    Check::found("state", finding, text)
}

fn self_test(s: &Status) -> Option<Check> {
    let test = s.self_test.as_ref()?;
    let age = test.age_s;
    let Some(leg) = &test.leg else {
        return Some(Check::well("self-test", format!("the whole path answered {age} s ago")));
    };
    let finding = match leg.as_str() {
        "no-pref64" => Finding::NoPref64,
        "no-route" => Finding::NoUplink,
        "dad-clash" => Finding::NoAddress,
        "no-nd-answer" => Finding::NoNdAnswer,
        "mtu-black-hole" => Finding::MtuBlackHole,
        _ => Finding::Nat64Silent,
    };
    let text = test.text.as_deref().unwrap_or(leg);
    Some(Check::found("self-test", finding, format!("{age} s ago: {text}")))
}

fn drops(s: &Status) -> Option<Check> {
    let (reason, n) = s.counters.drops.iter().max_by_key(|(_, n)| **n)?;
    let total: u64 = s.counters.drops.values().sum();
    Some(Check::found("drops", Finding::Drops, format!("{total} packets, most for {reason} ({n})")))
}

fn is_fixed(s: &Status) -> bool {
    s.reason == "no-configure"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::model::tests::sample;

    fn codes(s: &Status) -> Vec<u8> {
        of_status(s).iter().filter_map(|c| c.finding).map(Finding::code).collect()
    }

    #[test]
    fn a_healthy_instance_has_no_findings() {
        let mut s = sample();
        s.self_test = None;
        s.counters.drops.clear();
        assert!(codes(&s).is_empty());
    }

    #[test]
    fn each_failed_leg_has_its_own_finding() {
        let mut s = sample();
        s.counters.drops.clear();
        for (leg, finding) in [
            ("no-pref64", Finding::NoPref64),
            ("no-route", Finding::NoUplink),
            ("dad-clash", Finding::NoAddress),
            ("no-nd-answer", Finding::NoNdAnswer),
            ("nat64-silent", Finding::Nat64Silent),
            ("mtu-black-hole", Finding::MtuBlackHole),
        ] {
            s.self_test.as_mut().unwrap().leg = Some(leg.to_owned());
            assert_eq!(codes(&s), [finding.code()], "{leg}");
        }
    }

    #[test]
    fn an_instance_without_prefix_says_so_twice_and_once_as_a_state() {
        let s = Status {
            state: "discovering".to_owned(),
            reason: "no-pref64".to_owned(),
            uplink: sample().uplink,
            ..Status::default()
        };
        assert_eq!(codes(&s), [22, 22]);
    }

    #[test]
    fn a_network_that_nobody_translates_on_is_told_by_what_it_lacks() {
        let network = |s: &Status| -> Vec<u8> {
            of_network(s).iter().filter_map(|c| c.finding).map(Finding::code).collect()
        };
        assert!(network(&Status { self_test: None, ..sample() }).is_empty());
        let empty =
            Status { reason_text: "no link has an IPv6 default route".to_owned(), ..Status::default() };
        assert_eq!(network(&empty), [Finding::NoUplink.code()]);
        let silent = Status { uplink: sample().uplink, native_ipv4: true, ..Status::default() };
        assert_eq!(network(&silent), [Finding::NoPref64.code(), Finding::NativeIpv4.code()]);
        let placeless = Status { clat: None, reason: "no-address".to_owned(), ..sample() };
        assert_eq!(network(&placeless), [Finding::NoAddress.code()]);
    }

    #[test]
    fn the_step_that_failed_is_the_reason_and_no_missing_facility() {
        let s = Status {
            state: "idle".to_owned(),
            reason: "step-failed".to_owned(),
            self_test: None,
            warnings: vec!["no raw socket".to_owned(), "could not do `open-device`".to_owned()],
            ..sample()
        };
        let checks = of_status(&s);
        let state = checks.iter().find(|c| c.finding == Some(Finding::NotActive)).unwrap();
        assert!(state.text.ends_with("could not do `open-device`"), "{}", state.text);
        let facilities = checks.iter().filter(|c| c.finding == Some(Finding::Missing));
        assert_eq!(facilities.map(|c| c.text.as_str()).collect::<Vec<_>>(), ["no raw socket"]);
    }

    #[test]
    fn standing_aside_is_no_fault() {
        let mut s = sample();
        s.state = "idle".to_owned();
        s.reason = "native-ipv4".to_owned();
        s.self_test = None;
        s.counters.drops.clear();
        assert_eq!(codes(&s), [Finding::NativeIpv4.code()]);
    }
}
