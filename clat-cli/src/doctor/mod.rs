//! `doctor`: what is wrong with translation on this host, and what to do about it.
//!
//! The exit code is that of the first finding that keeps translation from working
//! ([`Finding::code`]), 0 when there is none.

mod checks;
pub(crate) mod finding;

use crate::cli::{DoctorArgs, RunArgs};
use crate::config::file;
use crate::config::{DEFAULT_FILE, Settings};
use crate::exit::Exit;
use crate::platform::current;
use crate::run;
use crate::status::{self, model::CANNOT_START};
use finding::{Check, Finding, Severity};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// The document of `doctor --json`.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether nothing keeps translation from working.
    ok: bool,
    /// The exit code.
    code: u8,
    /// What was looked at, in this order.
    checks: Vec<Check>,
}

/// Runs the command.
pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let report = Report::new(examine(args.at.state_dir.as_deref()));
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        report.print(&mut out)?;
    }
    Ok(Exit::Finding(report.code))
}

/// Looks at everything.
fn examine(state_dir: Option<&Path>) -> Vec<Check> {
    let mut checks = vec![configuration()];
    checks.extend(current::doctor::facilities(state_dir));
    match status::fetch(state_dir) {
        Ok(Some(status)) if status.reason == CANNOT_START => {
            checks.push(Check::well("instance", format!("running as process {}", status.pid)));
            checks.push(checks::state(&status));
            checks.extend(network());
        }
        Ok(Some(status)) => {
            checks.push(Check::well("instance", format!("running as process {}", status.pid)));
            checks.extend(checks::of_status(&status));
            checks.extend(current::doctor::of_instance(&status));
        }
        Ok(None) => {
            checks.push(Check::found("instance", Finding::NotRunning, "no instance answers"));
            checks.extend(network());
        }
        Err(e) => checks.push(Check::found("instance", Finding::NotRunning, format!("{e:#}"))),
    }
    checks
}

/// Looks at the network as `run` would, a few seconds long, and changes nothing.
fn network() -> Vec<Check> {
    let args = RunArgs { force: true, ..RunArgs::default() };
    // A file that is not understood has been told of.
    let Ok(settings) = Settings::resolve(&args) else { return Vec::new() };
    if !settings.configure {
        return Vec::new();
    }
    match run::listen_until(settings, |status| status.clat.is_some()) {
        Ok(seen) => checks::of_network(&seen),
        Err(e) => vec![Check::found("network", Finding::Missing, format!("it cannot be looked at: {e:#}"))],
    }
}

fn configuration() -> Check {
    let path = Path::new(DEFAULT_FILE);
    if !path.exists() {
        return Check::well("configuration", format!("no {DEFAULT_FILE}: everything is found by itself"));
    }
    match file::read(path) {
        Ok(_) => Check::well("configuration", format!("{DEFAULT_FILE} is understood")),
        Err(e) => Check::found("configuration", Finding::Configuration, format!("{e:#}")),
    }
}

impl Report {
    fn new(checks: Vec<Check>) -> Self {
        let first = checks.iter().find(|c| c.severity == Severity::Fault);
        let code = first.and_then(|c| c.finding).map_or(0, Finding::code);
        Self { ok: code == 0, code, checks }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for check in &self.checks {
            let mark = match check.severity {
                Severity::Well => "ok  ",
                Severity::Note => "note",
                Severity::Fault => "BAD ",
            };
            writeln!(out, "{mark} {:<14} {}", check.name, check.text)?;
            if let Some(advice) = &check.advice {
                writeln!(out, "     {:<14} -> {advice}", "")?;
            }
        }
        match self.ok {
            true => writeln!(out, "nothing keeps translation from working"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_gives_the_code_and_notes_do_not() {
        let checks = vec![
            Check::well("a", "fine"),
            Check::found("b", Finding::NativeIpv4, "it is there"),
            Check::found("c", Finding::NoPref64, "none"),
            Check::found("d", Finding::NotRunning, "no"),
        ];
        let report = Report::new(checks);
        assert_eq!((report.ok, report.code), (false, Finding::NoPref64.code()));
        let mut out = Vec::new();
        report.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("BAD  c ") && text.contains("note b ") && text.contains("-> "), "{text}");
    }

    #[test]
    fn nothing_found_is_exit_0() {
        assert_eq!(Report::new(vec![Check::well("a", "fine")]).code, 0);
    }
}
