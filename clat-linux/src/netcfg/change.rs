//! A step together with what was there before it: all that its undo needs, on one line of the journal.

use super::sysctl::{Scope, Write};
use crate::netlink::Link;
use clat_engine::Step;
use std::fmt;
use std::str::FromStr;

/// A step, the interface it is about, and what was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The step.
    pub step: Step,
    /// The index of the step's interface; 0 for a step without one.
    pub ifindex: u32,
    /// The object was there already and is not ours to take away.
    pub(super) present: bool,
    /// The value before: an MTU, or 0 and 1 for down and up.
    pub(super) was: Option<u32>,
    /// The switches written.
    pub(super) writes: Vec<Write>,
    /// What the interfaces of the step and of its switches were called: an index may be another interface's later.
    pub(super) names: Vec<(u32, String)>,
}

impl Change {
    pub(super) const fn new(step: Step, ifindex: u32) -> Self {
        Self { step, ifindex, present: false, was: None, writes: Vec::new(), names: Vec::new() }
    }

    /// Notes the names of the interfaces that it is about.
    pub(super) fn name_from(&mut self, links: &[Link]) {
        let named = links.iter().filter(|link| self.is_about(link.index));
        self.names = named.map(|link| (link.index, link.name.clone())).collect();
    }

    fn is_about(&self, index: u32) -> bool {
        self.ifindex == index || self.writes.iter().any(|write| write.scope == Scope::Link(index))
    }

    /// The indices that are those of interfaces with other names now. A change without names, as earlier versions
    /// wrote them, goes by the index alone.
    pub(super) fn indices_of_others(&self, links: &[Link]) -> Vec<u32> {
        let other = |index: u32, name: &str| links.iter().any(|l| l.index == index && l.name != name);
        let others = self.names.iter().filter(|(index, name)| other(*index, name));
        others.map(|(index, _)| *index).collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; on {}", self.step, self.ifindex)?;
        if self.present {
            f.write_str(" present")?;
        }
        if let Some(was) = self.was {
            write!(f, " was {was}")?;
        }
        self.writes.iter().try_for_each(|write| write!(f, " {write}"))?;
        self.names.iter().try_for_each(|(index, name)| write!(f, " name {index}={name}"))
    }
}

/// A line that is no change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the line holds no change that this version knows")]
pub struct ParseChangeError;

impl FromStr for Change {
    type Err = ParseChangeError;

    fn from_str(line: &str) -> Result<Self, ParseChangeError> {
        let (step, before) = line.split_once(';').ok_or(ParseChangeError)?;
        let mut words = before.split_ascii_whitespace();
        let on = words.next() == Some("on");
        let ifindex =
            words.next().filter(|_| on).and_then(|word| word.parse().ok()).ok_or(ParseChangeError)?;
        let mut change = Self::new(step.parse().map_err(|_| ParseChangeError)?, ifindex);
        while let Some(word) = words.next() {
            match word {
                "present" => change.present = true,
                "was" => {
                    let value = words.next().and_then(|value| value.parse().ok());
                    change.was = Some(value.ok_or(ParseChangeError)?);
                }
                "name" => {
                    let (index, name) =
                        words.next().and_then(|word| word.split_once('=')).ok_or(ParseChangeError)?;
                    change.names.push((index.parse().map_err(|_| ParseChangeError)?, name.to_owned()));
                }
                write => change.writes.push(write.parse().map_err(|()| ParseChangeError)?),
            }
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_one_line_and_returns_from_it() {
        for line in [
            "open-device; on 0",
            "set-mtu dev device v4 1472 v6 1500; on 7 was 1500",
            "add-address dev device addr 192.0.0.1/32 role host; on 7 present",
            "set-forwarding dev 2; on 2 3.accept_ra^1>2 2.accept_ra=1>2 2.forwarding=0>1",
            "set-link-up dev device; on 7 was 0 name 7=clat0",
            "set-forwarding dev 2; on 2 3.accept_ra=1>2 name 2=name name 3=a=b",
        ] {
            assert_eq!(line.parse::<Change>().unwrap().to_string(), line);
        }
        for line in [
            "",
            "open-device",
            "open-device; on",
            "open-device; on 1 was",
            "open-device; on 1 2.mtu=1>2",
            "open-device; on 1 name",
            "open-device; on 1 name eth0",
        ] {
            assert_eq!(line.parse::<Change>(), Err(ParseChangeError), "{line}");
        }
    }
}
