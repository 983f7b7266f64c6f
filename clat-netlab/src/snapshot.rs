//! The state of a host as an administrator sees it, to be the same before and after.

use crate::Ns;
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::path::Path;

const COMMANDS: [&str; 8] = [
    "-d link",
    "addr",
    "route show table all",
    "-6 route show table all",
    "neigh show proxy",
    "-6 neigh show proxy",
    "rule",
    "-6 rule",
];
/// Words whose next word changes by itself.
const VOLATILE: [&str; 8] =
    ["expires", "valid_lft", "preferred_lft", "age", "used", "hoplimit", "users", "users:"];

/// Addresses, routes, rules, proxy neighbours, and every sysctl under `net`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeSet<String>,
}

impl Snapshot {
    /// Looks at the host.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn take(host: &Ns) -> Result<Self> {
        let mut lines = BTreeSet::new();
        for command in COMMANDS {
            let mut device = String::new();
            for line in host.ip(command)?.lines() {
                if !line.starts_with(' ') {
                    device = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
                }
                let line = steady(line);
                // Cached routes to single destinations are learnt, not configured.
                if !line.contains(" cache ") && !line.trim().is_empty() {
                    lines.insert(format!("ip {command}: [{device}] {line}"));
                }
            }
        }
        host.enter(|| sysctls(Path::new("/proc/sys/net"), &mut lines))?;
        Ok(Self { lines })
    }

    /// Compares.
    ///
    /// # Errors
    /// Every line that is new (`+`) or gone (`-`).
    pub fn same_as(&self, later: &Self) -> Result<()> {
        let gone = self.lines.difference(&later.lines).map(|line| format!("- {line}"));
        let new = later.lines.difference(&self.lines).map(|line| format!("+ {line}"));
        let all: Vec<String> = gone.chain(new).collect();
        if all.is_empty() {
            return Ok(());
        }
        bail!("the host is not as it was:\n{}", all.join("\n"))
    }

    /// Whether any line contains the text.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }
}

/// States of an address that pass by themselves.
const PASSING: [&str; 2] = ["tentative", "optimistic"];

/// The line without lifetimes, counters and passing states.
fn steady(line: &str) -> String {
    let mut words = Vec::new();
    let mut skip = false;
    for word in line.split_whitespace() {
        if !std::mem::take(&mut skip) && !PASSING.contains(&word) {
            words.push(word);
        }
        skip = VOLATILE.contains(&word);
    }
    words.join(" ")
}

fn sysctls(dir: &Path, lines: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sysctls(&path, lines);
        } else if let Ok(value) = std::fs::read_to_string(&path) {
            // Some are write-only, and some say something else at each look.
            let name = path.to_string_lossy().into_owned();
            if !name.ends_with("stable_secret") && !name.contains("netdev_rss_key") {
                lines.insert(format!("{name} = {}", value.trim()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_do_not_count_and_addresses_do() {
        let line = "    valid_lft 3599sec preferred_lft 1799sec";
        assert_eq!(steady(line), steady("  valid_lft 12sec preferred_lft 7sec"));
        assert_ne!(steady("inet6 2001:db8::1/64 scope global"), steady("inet6 2001:db8::2/64 scope global"));
    }
}
