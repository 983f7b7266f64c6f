//! `discover`: which NAT64 prefixes the network offers, and which one would be used.

use crate::cli::DiscoverArgs;
use crate::config::Settings;
use crate::exit::Exit;
use crate::run;
use crate::status;
use crate::status::model::{Prefix, Status};
use crate::status::text::prefix_words;
use serde::Serialize;
use std::io::{self, Write};

/// The document of `discover --json`.
#[derive(Debug, Serialize)]
struct Report {
    /// The interface that was looked at.
    uplink: Option<String>,
    /// Every prefix, best first.
    prefixes: Vec<Prefix>,
    /// Whether a running instance told it.
    running: bool,
    /// For how many seconds the network prefers IPv6 only, where its DHCPv4 server was heard to say so
    /// (RFC 8925).
    v6_only_wait_s: Option<u32>,
}

impl Report {
    fn of(s: Status, running: bool) -> Self {
        let uplink = s.uplink.map(|u| u.name);
        Self { uplink, prefixes: s.prefixes, running, v6_only_wait_s: s.v6_only_wait_s }
    }
}

/// Runs the command.
pub(crate) fn run(args: &DiscoverArgs) -> anyhow::Result<Exit> {
    let report = match status::fetch(args.at.state_dir.as_deref()) {
        Ok(Some(s)) if wants(args, s.uplink.as_ref().map(|u| u.name.as_str())) => Report::of(s, true),
        Ok(_) | Err(_) => listen(args)?,
    };
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        print(&mut out, &report)?;
    }
    Ok(if report.prefixes.is_empty() { Exit::Failure } else { Exit::Success })
}

fn wants(args: &DiscoverArgs, running: Option<&str>) -> bool {
    running.is_some() && args.uplink.as_deref().is_none_or(|wanted| Some(wanted) == running)
}

/// Looks for itself: router advertisements and DNS, a few seconds long.
fn listen(args: &DiscoverArgs) -> anyhow::Result<Report> {
    let settings = Settings::for_discovery(args.uplink.clone());
    Ok(Report::of(run::listen(settings)?, false))
}

fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let link = report.uplink.as_deref().unwrap_or("any interface");
    if report.prefixes.is_empty() {
        return writeln!(
            out,
            "no NAT64 prefix on {link}: no router announces one and DNS knows none. Give one with --pref64"
        );
    }
    for prefix in &report.prefixes {
        let mark = if prefix.used { '*' } else { ' ' };
        writeln!(out, "{mark} {}", prefix_words(prefix))?;
        writeln!(out, "    {}", prefix.why)?;
    }
    if let Some(wait) = report.v6_only_wait_s {
        writeln!(out, "the network's DHCPv4 server prefers IPv6 only, for {wait} s (option 108)")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::model::tests::sample;

    #[test]
    fn each_prefix_has_its_source_its_end_and_the_reason_of_its_rank() {
        let report = Report::of(Status { v6_only_wait_s: Some(1800), ..sample() }, false);
        let mut out = Vec::new();
        print(&mut out, &report).unwrap();
        let text = String::from_utf8(out).unwrap();
        for needle in ["* 64:ff9b::/96, from router fe80::1", "ends in 1740 s", "the only one", "for 1800 s"]
        {
            assert!(text.contains(needle), "{needle:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_network_without_nat64_is_said_to_have_none() {
        let mut out = Vec::new();
        print(&mut out, &Report::of(Status::default(), false)).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("--pref64"));
    }
}
