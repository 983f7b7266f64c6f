//! What a step of the plan found, so that it can be put back: one word list in the journal.

use std::fmt;
use std::str::FromStr;

/// What was before a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// Nothing that needs to be remembered: the inverse takes away what the step added.
    #[default]
    Nothing,
    /// The step found its object there already and did not make it: the inverse leaves it.
    There,
    /// MTUs in bytes, of the families that are bound to the interface.
    Mtu {
        /// IPv4
        v4: Option<u32>,
        /// IPv6
        v6: Option<u32>,
    },
    /// IPv6 forwarding, router discovery and advertising.
    Forwarding {
        /// Whether packets were forwarded.
        forwarding: bool,
        /// Whether Router Advertisements were heeded.
        router_discovery: bool,
        /// Whether Router Advertisements were sent.
        advertising: bool,
    },
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => f.write_str("nothing"),
            Self::There => f.write_str("there"),
            Self::Mtu { v4, v6 } => write!(f, "mtu {} {}", v4.unwrap_or(0), v6.unwrap_or(0)),
            Self::Forwarding { forwarding, router_discovery, advertising } => {
                let bit = u8::from;
                write!(f, "forwarding {} {} {}", bit(forwarding), bit(router_discovery), bit(advertising))
            }
        }
    }
}

/// A text that is no [`Before`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not what a step could have found")]
pub struct ParseBeforeError;

impl FromStr for Before {
    type Err = ParseBeforeError;

    fn from_str(text: &str) -> Result<Self, ParseBeforeError> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |word: &str| word.parse::<u32>().map_err(|_| ParseBeforeError);
        let mtu = |word: &str| Ok((number(word)? != 0).then_some(number(word)?));
        let bit = |word: &str| match word {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(ParseBeforeError),
        };
        match words.as_slice() {
            ["nothing"] => Ok(Self::Nothing),
            ["there"] => Ok(Self::There),
            ["mtu", v4, v6] => Ok(Self::Mtu { v4: mtu(v4)?, v6: mtu(v6)? }),
            ["forwarding", f, r, a] => {
                Ok(Self::Forwarding { forwarding: bit(f)?, router_discovery: bit(r)?, advertising: bit(a)? })
            }
            _ => Err(ParseBeforeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_journal() {
        for before in [
            Before::Nothing,
            Before::There,
            Before::Mtu { v4: Some(1500), v6: Some(1280) },
            Before::Mtu { v4: None, v6: Some(1280) },
            Before::Forwarding { forwarding: false, router_discovery: true, advertising: false },
        ] {
            assert_eq!(before.to_string().parse(), Ok(before));
        }
    }

    #[test]
    fn a_torn_line_is_refused() {
        for text in ["", "mtu", "mtu 1500", "forwarding 0 1", "forwarding 0 1 2", "mtu x 1", "nothing "] {
            assert_eq!(text.parse::<Before>(), Err(ParseBeforeError), "{text:?}");
        }
    }
}
