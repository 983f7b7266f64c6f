//! The requests and the answers.

use crate::status::model::Status;
use serde::{Deserialize, Serialize};

/// Longest request in bytes, its newline included.
pub(crate) const MAX_REQUEST: usize = 1024;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Everything about the instance.
    Status,
    /// Undo all changes and end. The answer comes when that is done.
    Stop,
    /// Read the configuration again.
    Reload,
}

impl Request {
    /// Whether it may come through the door that is open to everybody.
    pub(crate) const fn is_read_only(self) -> bool {
        match self {
            Self::Status => true,
            Self::Stop | Self::Reload => false,
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// To `status`.
    Status(Box<Status>),
    /// It was done; a sentence about it.
    Ok(String),
    /// It was not done, and why.
    Error(String),
}

/// Reads a request line.
pub(crate) fn parse(line: &[u8]) -> Result<Request, Answer> {
    serde_json::from_slice(line).map_err(|e| {
        Answer::Error(format!(r#"not understood ({e}); requests are {{"cmd":"status"}}, "stop", "reload""#))
    })
}

/// Whom this host talks to is its administrator's business: dropped packets are told without their addresses.
pub(crate) fn for_everybody(answer: &Answer) -> Answer {
    let hidden = if cfg!(windows) { "(shown to administrators)" } else { "(shown to root)" };
    let mut answer = answer.clone();
    if let Answer::Status(status) = &mut answer {
        for dropped in &mut status.last_drops {
            hidden.clone_into(&mut dropped.packet);
        }
    }
    answer
}

/// Writes a line.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and maps with string keys: there is nothing that JSON could refuse.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_one_word_and_nothing_else() {
        assert_eq!(parse(br#"{"cmd":"status"}"#), Ok(Request::Status));
        assert_eq!(parse(br#"{"cmd":"stop"}"#), Ok(Request::Stop));
        for bad in ["", "{}", r#"{"cmd":"halt"}"#, "stop", r#"{"cmd":"stop""#] {
            assert!(matches!(parse(bad.as_bytes()), Err(Answer::Error(_))), "{bad}");
        }
    }

    #[test]
    fn only_questions_come_through_the_open_door() {
        assert!(Request::Status.is_read_only());
        assert!(!Request::Stop.is_read_only() && !Request::Reload.is_read_only());
    }

    #[test]
    fn lines_are_lines() {
        for request in [Request::Status, Request::Stop, Request::Reload] {
            let bytes = line(&request);
            assert!(bytes.len() <= MAX_REQUEST && bytes.iter().filter(|b| **b == b'\n').count() == 1);
            assert_eq!(parse(bytes.trim_ascii_end()), Ok(request));
        }
    }

    #[test]
    fn everybody_is_told_why_but_not_whom() {
        let answer = Answer::Status(Box::new(crate::status::model::tests::sample()));
        let Answer::Status(told) = for_everybody(&answer) else { panic!("another answer") };
        assert_eq!(told.last_drops[0].reason, "hop_limit");
        assert!(told.last_drops[0].packet.starts_with("(shown to "), "{:?}", told.last_drops);
    }
}
