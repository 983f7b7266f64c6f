//! `status` for people.

use super::model::{Clat, Dropped, Flow, Prefix, Status};
use std::fmt::{self, Display, Write};

/// A document as a page of text.
#[derive(Debug)]
pub(crate) struct Page<'s>(pub(crate) &'s Status);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0;
        headline(f, s)?;
        line(f, "why", &s.reason_text)?;
        if let Some(uplink) = &s.uplink {
            line(f, "uplink", &format!("{} (index {})", uplink.name, uplink.index))?;
        }
        if s.native_ipv4 {
            line(f, "IPv4", "the uplink has native IPv4")?;
        }
        if let Some(wait) = s.v6_only_wait_s {
            line(f, "DHCPv4", &format!("the network prefers IPv6 only for {wait} s (option 108)"))?;
        }
        if let Some(prefix) = &s.pref64 {
            line(f, "prefix", &prefix_words(prefix))?;
        }
        if let Some(clat) = &s.clat {
            let mss = clat.tcp_mss.map(|mss| format!("; TCP MSS {mss}")).unwrap_or_default();
            line(f, "MTU", &format!("{} (IPv4), {} (IPv6){mss}", clat.mtu, clat.ipv6_mtu))?;
        }
        device(f, s)?;
        line(f, "out", &flow_words(s.counters.v4_to_v6))?;
        line(f, "in", &flow_words(s.counters.v6_to_v4))?;
        drops(f, s)?;
        self_test(f, s)?;
        for warning in &s.warnings {
            line(f, "note", warning)?;
        }
        list(f, "changes to this host, in force", s.plan.iter())?;
        list(f, "last changes of state", s.transitions.iter().rev().take(8).map(transition_words))?;
        list(f, "last drops", s.last_drops.iter().rev().take(5).map(drop_words))
    }
}

fn headline(f: &mut fmt::Formatter<'_>, s: &Status) -> fmt::Result {
    match (&s.clat, &s.pref64) {
        (Some(Clat { ipv4, ipv6, .. }), Some(Prefix { prefix, .. })) => {
            writeln!(f, "CLAT {}: {ipv4} is {ipv6}, the rest of IPv4 is behind {prefix}", s.state)
        }
        _ => writeln!(f, "CLAT {}", s.state),
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    if value.is_empty() { Ok(()) } else { writeln!(f, "  {name:<10} {value}") }
}

fn list(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    items: impl IntoIterator<Item = impl Display>,
) -> fmt::Result {
    for (i, item) in items.into_iter().enumerate() {
        if i == 0 {
            writeln!(f, "{title}:")?;
        }
        writeln!(f, "  {item}")?;
    }
    Ok(())
}

pub(crate) fn prefix_words(p: &Prefix) -> String {
    let mut out = p.prefix.clone();
    let _ = match (p.source.as_str(), &p.router) {
        ("manual", _) => write!(out, ", set by hand"),
        ("ra", Some(router)) => write!(out, ", from router {router}"),
        ("dns", Some(server)) => write!(out, ", by DNS from {server}"),
        (source, _) => write!(out, ", {source}"),
    };
    if let Some(age) = p.age_s {
        let _ = write!(out, ", heard {age} s ago");
    }
    if let Some(left) = p.expires_in_s {
        let _ = write!(out, ", ends in {left} s");
    }
    out
}

fn flow_words(flow: Flow) -> String {
    format!("{} packets, {}", flow.packets, bytes_words(flow.bytes))
}

fn bytes_words(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes, "B");
    for next in UNITS {
        if value < 10_000 {
            break;
        }
        (value, unit) = (value / 1000, next);
    }
    format!("{value} {unit}")
}

fn device(f: &mut fmt::Formatter<'_>, s: &Status) -> fmt::Result {
    let Some(device) = &s.device else { return Ok(()) };
    let offload = if device.offload.is_empty() { "no offload".to_owned() } else { device.offload.join(" ") };
    line(f, "device", &format!("{}, queues: {}, {offload}", device.name, device.queues))
}

fn drops(f: &mut fmt::Formatter<'_>, s: &Status) -> fmt::Result {
    let total: u64 = s.counters.drops.values().sum();
    let reasons: Vec<String> = s.counters.drops.iter().map(|(name, n)| format!("{name} {n}")).collect();
    if s.counters.lost > 0 {
        line(
            f,
            "lost",
            &format!("{} frames of the uplink, which came faster than they were read", s.counters.lost),
        )?;
    }
    if total == 0 {
        return line(f, "dropped", "nothing");
    }
    line(f, "dropped", &format!("{total} ({}), ICMP errors sent: {}", reasons.join(", "), s.counters.replies))
}

fn self_test(f: &mut fmt::Formatter<'_>, s: &Status) -> fmt::Result {
    let Some(test) = &s.self_test else { return Ok(()) };
    let outcome = match (test.ok, &test.leg) {
        (true, _) => "passed".to_owned(),
        (false, Some(leg)) => format!("FAILED at {leg}"),
        (false, None) => "FAILED".to_owned(),
    };
    let text = test.text.as_deref().map(|t| format!(": {t}")).unwrap_or_default();
    line(f, "self-test", &format!("{outcome} {} s ago{text}", test.age_s))
}

fn transition_words(t: &super::model::Transition) -> String {
    format!("{}  {} -> {}  ({})", t.at, t.from, t.to, t.reason)
}

fn drop_words(d: &Dropped) -> String {
    format!("{}  {}: {} [{}]", d.at, d.packet, d.text, d.section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::model::tests::sample;

    #[test]
    fn a_page_names_addresses_prefix_source_and_drop_reasons() {
        let page = Page(&sample()).to_string();
        for needle in [
            "CLAT active: 192.0.0.1 is 2001:db8::464, the rest of IPv4 is behind 64:ff9b::/96",
            "from router fe80::1",
            "ends in 1740 s",
            "dropped    3 (hop_limit 3)",
            "self-test  FAILED at nat64-silent 7 s ago",
            "address 192.0.0.1/32 on clat",
        ] {
            assert!(page.contains(needle), "{needle:?} is not in\n{page}");
        }
    }

    #[test]
    fn what_the_uplink_lost_is_told_when_it_lost_something() {
        let mut status = Status::default();
        assert!(!Page(&status).to_string().contains("lost"));
        status.counters.lost = 7;
        let page = Page(&status).to_string();
        assert!(page.contains("lost") && page.contains("7 frames of the uplink"), "{page}");
    }

    #[test]
    fn an_empty_document_is_a_short_page() {
        let status = Status { state: "idle".to_owned(), ..Status::default() };
        let page = Page(&status).to_string();
        assert!(page.starts_with("CLAT idle\n"), "{page}");
        assert!(!page.contains("prefix"), "{page}");
    }

    #[test]
    fn byte_counts_keep_at_least_two_digits() {
        let words: Vec<String> = [0, 9_999, 10_000, 10_000_000, u64::MAX].map(bytes_words).into();
        assert_eq!(words, ["0 B", "9999 B", "10 kB", "10 MB", "18446744 TB"]);
    }
}
