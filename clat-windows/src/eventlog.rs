//! The Application log of Windows.
//!
//! Messages are plain text. Their message table is that of `EventCreate.exe`, a part of every Windows, whose entries 1
//! to 1000 are "%1": no resource of our own is needed, and the text shows without the program being installed.

use crate::sys::eventlog::{self, Source};
use std::io;

/// Name of the source.
pub const SOURCE: &str = "CLAT";

/// The key that names the message table.
pub const KEY: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\CLAT";

/// Whose message table it is.
pub const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";

/// How grave an event is, with the number it has in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Translation cannot go on.
    Error,
    /// It goes on with a loss.
    Warning,
    /// A change of state.
    Information,
}

impl Grade {
    /// `EVENTLOG_*_TYPE` and the event's identifier.
    const fn numbers(self) -> (u16, u32) {
        match self {
            Self::Error => (1, 1),
            Self::Warning => (2, 2),
            Self::Information => (4, 3),
        }
    }
}

/// The open log.
#[derive(Debug)]
pub struct EventLog(Source);

impl EventLog {
    /// Opens the log under our name.
    ///
    /// # Errors
    /// What the system said; the program goes on without.
    pub fn open() -> io::Result<Self> {
        Ok(Self(Source::open(SOURCE)?))
    }

    /// Writes an event. A log that is full or gone loses it.
    pub fn write(&self, grade: Grade, text: &str) {
        let (kind, id) = grade.numbers();
        // There is nowhere left to say that this failed.
        let _ = self.0.report(kind, id, text);
    }
}

/// Tells the event viewer where our messages are.
///
/// # Errors
/// Access denied without administrator's rights.
pub fn register() -> io::Result<()> {
    eventlog::set_expandable(KEY, "EventMessageFile", MESSAGES)?;
    eventlog::set_number(KEY, "TypesSupported", 7)?;
    Ok(())
}

/// Takes our name out of the log's list.
///
/// # Errors
/// Not there, or access denied.
pub fn unregister() -> io::Result<()> {
    Ok(eventlog::delete_key(KEY)?)
}
