//! Every change to the machine is written down before it is made, and struck out when it is undone.
//!
//! One line a record: `do ID LUID STEP | BEFORE` and `undone ID`. A start after a crash reads what is left and undoes
//! it in reverse. What matters is compared with the machine before it is touched, so a stale line does no harm; the
//! interface is named by its LUID, which a restart does not change.

use crate::before::Before;
use clat_engine::{Step, StepId};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// File name in the state folder.
const FILE_NAME: &str = "journal";

/// A step that was begun and not undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The step's number in the run that made it.
    pub id: StepId,
    /// The interface, or zero for our own device.
    pub luid: u64,
    /// The step.
    pub step: Step,
    /// What was before.
    pub before: Before,
}

/// The open journal. Nobody else can open it while it is.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    open: Vec<Entry>,
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another instance has it.
    #[error("another instance is running: it has {0} open")]
    Busy(PathBuf),
    /// The file cannot be read or written.
    #[error("{path}: {reason}. Without a journal nothing is changed on this machine")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl Journal {
    /// Opens the journal in the folder, which only administrators may write, with what an earlier run left.
    ///
    /// # Errors
    /// [`JournalError`]
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(FILE_NAME);
        let failed = |reason: io::Error| match reason.raw_os_error() {
            // ERROR_SHARING_VIOLATION
            Some(32) if cfg!(windows) => JournalError::Busy(path.clone()),
            _ => JournalError::Io { path: path.clone(), reason },
        };
        let mut file = exclusive().open(&path).map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let open = parse(&String::from_utf8_lossy(&text));
        Ok(Self { file, path, open })
    }

    /// The steps that are in force, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.open
    }

    /// Writes a step down; it may be made when this returns.
    ///
    /// # Errors
    /// What the system said; then the step must not be made.
    pub fn begin(&mut self, entry: Entry) -> Result<(), JournalError> {
        let Entry { id, luid, step, before } = entry;
        self.append(&format!("do {} {luid} {step} | {before}\n", id.0))?;
        self.open.push(entry);
        Ok(())
    }

    /// Strikes a step out. The last one empties the file.
    ///
    /// # Errors
    /// What the system said; a later start then undoes the step once more, which does no harm.
    pub fn end(&mut self, id: StepId) -> Result<(), JournalError> {
        self.open.retain(|e| e.id != id);
        if self.open.is_empty() {
            return self.clear();
        }
        self.append(&format!("undone {}\n", id.0))
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// What the system said.
    pub fn clear(&mut self) -> Result<(), JournalError> {
        self.open.clear();
        let done = self.file.set_len(0).and_then(|()| self.file.sync_data());
        done.map_err(|reason| JournalError::Io { path: self.path.clone(), reason })
    }

    fn append(&mut self, line: &str) -> Result<(), JournalError> {
        let done = self
            .file
            .seek(SeekFrom::End(0))
            .and_then(|_| self.file.write_all(line.as_bytes()))
            .and_then(|()| self.file.sync_data());
        done.map_err(|reason| JournalError::Io { path: self.path.clone(), reason })
    }
}

fn exclusive() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        options.share_mode(0);
    }
    options
}

/// What is in force after these lines. A line that makes no sense, as after a power cut, counts as not written: the
/// step behind it was not made.
fn parse(text: &str) -> Vec<Entry> {
    let mut open: Vec<Entry> = Vec::new();
    for line in text.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')) {
        if let Some(id) = line.strip_prefix("undone ").and_then(|id| id.parse().ok()) {
            open.retain(|e| e.id != StepId(id));
        } else if let Some(entry) = line.strip_prefix("do ").and_then(entry) {
            open.push(entry);
        }
    }
    open
}

fn entry(text: &str) -> Option<Entry> {
    let (id, rest) = text.split_once(' ')?;
    let (luid, rest) = rest.split_once(' ')?;
    let (step, before) = rest.split_once(" | ")?;
    Some(Entry {
        id: StepId(id.parse().ok()?),
        luid: luid.parse().ok()?,
        step: step.parse().ok()?,
        before: before.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clat_engine::Iface;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("clat-journal-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn sample(id: u32) -> Entry {
        let before = Before::Forwarding { forwarding: false, router_discovery: true, advertising: false };
        Entry { id: StepId(id), luid: 7 << 24, step: Step::SetForwarding { iface: Iface::Index(5) }, before }
    }

    #[test]
    fn a_start_after_a_crash_finds_what_was_not_undone() {
        let at = folder("crash");
        let mut journal = Journal::open(&at).unwrap();
        (1..=3).for_each(|id| journal.begin(sample(id)).unwrap());
        journal.end(StepId(2)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&at).unwrap().entries(), [sample(1), sample(3)]);
        std::fs::remove_dir_all(at).unwrap();
    }

    #[test]
    fn the_last_undo_leaves_an_empty_file() {
        let at = folder("empty");
        let mut journal = Journal::open(&at).unwrap();
        journal.begin(sample(1)).unwrap();
        journal.end(StepId(1)).unwrap();
        drop(journal);
        assert_eq!(std::fs::metadata(at.join(FILE_NAME)).unwrap().len(), 0);
        std::fs::remove_dir_all(at).unwrap();
    }

    #[test]
    fn a_line_torn_anywhere_is_a_step_that_was_not_made() {
        let mut whole = String::from("do 1 0 open-device | nothing\n");
        let second = "do 2 117440512 set-forwarding dev 5 | forwarding 0 1 0\n";
        for cut in 0..second.len() {
            let text = format!("{whole}{}", &second[..cut]);
            assert_eq!(parse(&text).len(), 1, "{text:?}");
        }
        whole.push_str(second);
        assert_eq!(parse(&whole), [parse(&whole)[0], sample(2)]);
    }

    #[test]
    fn foreign_lines_are_passed_over() {
        assert_eq!(parse("\n\0\0\ndo x\nundone\nformat c:\n"), []);
    }

    #[cfg(windows)]
    #[test]
    fn a_second_instance_is_told_who_is_in_the_way() {
        let at = folder("busy");
        let first = Journal::open(&at).unwrap();
        assert!(matches!(Journal::open(&at), Err(JournalError::Busy(_))));
        drop(first);
        Journal::open(&at).unwrap();
    }
}
