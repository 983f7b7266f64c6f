//! A step together with what was there before it: all that its undo needs, on one line of the journal.

use super::sysctl::Write;
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
}

impl Change {
    pub(super) const fn new(step: Step, ifindex: u32) -> Self {
        Self { step, ifindex, present: false, was: None, writes: Vec::new() }
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
        self.writes.iter().try_for_each(|write| write!(f, " {write}"))
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
        ] {
            assert_eq!(line.parse::<Change>().unwrap().to_string(), line);
        }
        for line in
            ["", "open-device", "open-device; on", "open-device; on 1 was", "open-device; on 1 2.mtu=1>2"]
        {
            assert_eq!(line.parse::<Change>(), Err(ParseChangeError), "{line}");
        }
    }
}
