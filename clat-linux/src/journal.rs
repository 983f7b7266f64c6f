//! The journal: what was changed on this host, written down before it is changed.
//!
//! A text file of the owner alone in a folder of the owner alone. Each line is a checksum and a record, on
//! the disk before the caller goes on:
//!
//! ```text
//! 1f0c6b7a clat-journal 1 boot 4b0e...-... netns 4211
//! 8a21f3d0 begin 1 set-link-up dev device; on 7 was 0 name 7=clat0
//! 02d14c98 undone 1
//! ```
//!
//! A torn or damaged line counts as not written. A journal of an earlier boot or of another network namespace
//! is about things that no longer exist and is thrown away. A lock beside it makes a second instance refuse.

use crate::sys::socket::netns_cookie;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, mkdir, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A file this long is written anew with what is still in force.
const COMPACT_BYTES: u64 = 32 * 1024;
/// More than this is no journal of ours.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why there is no journal, or no record in it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another instance holds the lock.
    #[error("another instance (process {0}) is at work here: end it with `clat-cli stop`")]
    Busy(String),
    /// The folder or a file in it could be somebody else's work.
    #[error("{path} is not safe to use: {why}. Remove it and start again")]
    Unsafe {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A journal of a version that this one does not know.
    #[error(
        "{0} was written by another version of this program: run that version's `stop --recover`, or remove the file"
    )]
    Version(PathBuf),
    /// Reading or writing failed.
    #[error("the journal {path} cannot be {what}: {error}. Nothing is changed on this host without it")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// A change that is in force, or may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the journal.
    pub number: u64,
    /// The change, as it was handed to [`Journal::begin`].
    pub change: String,
}

/// What this boot and this network namespace are, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(String);

impl Identity {
    /// That of the calling thread.
    #[must_use]
    pub fn here() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        // Before Linux 5.14 there are no cookies; 0 stands for all namespaces then.
        let cookie = socket(AddressFamily::UNIX, SocketType::DGRAM, None)
            .map_err(io::Error::from)
            .and_then(netns_cookie)
            .unwrap_or(0);
        Self(format!("boot {} netns {cookie}", boot.trim()))
    }

    fn header(&self) -> String {
        format!("{MAGIC} 1 {}", self.0)
    }
}

const MAGIC: &str = "clat-journal";
const FILE: &str = "journal";
const NEW: &str = "journal.new";
const LOCK: &str = "lock";

/// The journal of one instance.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    dir: OwnedFd,
    file: File,
    length: u64,
    header: String,
    entries: Vec<Entry>,
    last: u64,
    /// Held until the end.
    lock: Lock,
}

impl Journal {
    /// Opens the journal in that folder, which is made where it is not there, and takes the lock.
    /// [`Journal::entries`] then tells what a dead instance has left in force.
    ///
    /// # Errors
    /// As [`JournalError`] tells.
    pub fn open(folder: &Path, identity: &Identity) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        let (dir, lock) = enter(folder)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND;
        let file = open_file(&dir, FILE, flags).map_err(failed(&path, "opened"))?;
        check(&file, &path)?;
        let mut journal = Self {
            path,
            dir,
            file: file.into(),
            length: 0,
            header: identity.header(),
            entries: Vec::new(),
            last: 0,
            lock,
        };
        journal.load()?;
        Ok(journal)
    }

    /// The changes in force, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Writes down a change that is about to be made. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the change must not be made then.
    pub fn begin(&mut self, change: &str) -> Result<u64, JournalError> {
        let number = self.last.saturating_add(1);
        self.append(&format!("begin {number} {change}"))?;
        self.last = number;
        self.entries.push(Entry { number, change: change.to_owned() });
        if self.length > COMPACT_BYTES {
            self.compact()?;
        }
        Ok(number)
    }

    /// Writes down that a change is not in force any more.
    ///
    /// # Errors
    /// [`JournalError::Io`]. The host is in order all the same: a change that is undone twice stays undone.
    pub fn undone(&mut self, number: u64) -> Result<(), JournalError> {
        self.entries.retain(|entry| entry.number != number);
        self.append(&format!("undone {number}"))
    }

    /// Ends the journal. Its files are removed where nothing is in force.
    ///
    /// # Errors
    /// [`JournalError::Io`] where it cannot be removed.
    pub fn close(self) -> Result<(), JournalError> {
        if !self.entries.is_empty() {
            return Ok(());
        }
        let none = rustix::fs::AtFlags::empty();
        unlinkat(&self.dir, FILE, none).map_err(failed(&self.path, "removed"))?;
        // Last, and while it is held: who has opened it meanwhile sees that it is nobody's any more.
        let removed =
            unlinkat(&self.dir, LOCK, none).map_err(failed(&self.path.with_file_name(LOCK), "removed"));
        drop(self.lock);
        removed
    }

    fn load(&mut self) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        let limit = (&self.file).take(MAX_BYTES).read_to_end(&mut bytes);
        limit.map_err(|error| self.failure("read", error))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut records = text.lines().filter_map(verified);
        match records.next() {
            Some(header) if header == self.header => {}
            Some(header) if other_version(header) => return Err(JournalError::Version(self.path.clone())),
            _ => return self.compact(),
        }
        for record in records {
            if let Some((number, change)) = begun(record) {
                self.last = self.last.max(number);
                self.entries.push(Entry { number, change: change.to_owned() });
            } else if let Some(number) = record.strip_prefix("undone ").and_then(|n| n.parse::<u64>().ok()) {
                self.entries.retain(|entry| entry.number != number);
            }
        }
        // A torn tail must not swallow the next record.
        self.compact()
    }

    /// Writes a new file with what is in force and puts it in the old one's place.
    fn compact(&mut self) -> Result<(), JournalError> {
        let mut text = sealed(&self.header);
        for entry in &self.entries {
            text += &sealed(&format!("begin {} {}", entry.number, entry.change));
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::APPEND;
        let new = open_file(&self.dir, NEW, flags).map_err(failed(&self.path, "written"))?;
        check(&new, &self.path.with_file_name(NEW))?;
        let mut new = File::from(new);
        let written = new.write_all(text.as_bytes()).and_then(|()| new.sync_all());
        written.map_err(|error| self.failure("written", error))?;
        renameat(&self.dir, NEW, &self.dir, FILE).map_err(failed(&self.path, "written"))?;
        rustix::fs::fsync(&self.dir).map_err(failed(&self.path, "written"))?;
        self.file = new;
        self.length = text.len() as u64;
        Ok(())
    }

    fn append(&mut self, record: &str) -> Result<(), JournalError> {
        let line = sealed(record);
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line must not spoil the next one.
            let _ = self.file.set_len(self.length);
            return Err(self.failure("written", error));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn failure(&self, what: &'static str, error: io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), what, error }
    }
}

/// Opens the folder and takes the lock. An instance that ends at this moment may take both away.
fn enter(folder: &Path) -> Result<(OwnedFd, Lock), JournalError> {
    const TRIES: usize = 5;
    let mut outcome = Err(failed(folder, "opened")(Errno::NOENT));
    for _ in 0..TRIES {
        outcome = open_folder(folder).and_then(|dir| take_lock(&dir, folder).map(|lock| (dir, lock)));
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if !matches!(&outcome, Err(JournalError::Io { error, .. }) if gone(error)) {
            break;
        }
    }
    outcome
}

fn open_folder(folder: &Path) -> Result<OwnedFd, JournalError> {
    if let Some(parent) = folder.parent() {
        let _ = std::fs::create_dir_all(parent);
    }
    match mkdir(folder, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(failed(folder, "created")(errno)),
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = match open(folder, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(Errno::LOOP | Errno::NOTDIR) => return Err(not_safe(folder, "it is not a folder")),
        Err(errno) => return Err(failed(folder, "opened")(errno)),
    };
    let stat = fstat(&dir).map_err(failed(folder, "opened"))?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(not_safe(folder, "it belongs to another user"));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(not_safe(folder, "other users may write to it"));
    }
    Ok(dir)
}

/// Given back in so many words: a program being started at this moment holds a copy of the descriptor.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

fn take_lock(dir: &OwnedFd, folder: &Path) -> Result<Lock, JournalError> {
    let path = folder.join(LOCK);
    let lock = open_file(dir, LOCK, OFlags::RDWR | OFlags::CREATE).map_err(failed(&path, "opened"))?;
    still_there(&lock, &path)?;
    check(&lock, &path)?;
    let mut file = File::from(lock);
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = (&file).take(16).read_to_string(&mut holder);
            return Err(JournalError::Busy(holder.trim().to_owned()));
        }
        Err(errno) => return Err(failed(&path, "locked")(errno)),
    }
    still_there(&file, &path)?;
    // The number is for people; the lock works without it.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(Lock(file))
}

/// A lock without a name locks nothing: its last holder has removed it.
fn still_there(lock: impl AsFd, path: &Path) -> Result<(), JournalError> {
    let stat = fstat(lock).map_err(failed(path, "opened"))?;
    if stat.st_nlink == 0 { Err(failed(path, "opened")(Errno::NOENT)) } else { Ok(()) }
}

fn open_file(dir: &OwnedFd, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(dir, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
}

/// A file that somebody else may read, write or name differently is not ours.
fn check(file: impl AsFd, path: &Path) -> Result<(), JournalError> {
    let stat = fstat(file).map_err(failed(path, "opened"))?;
    let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    if !regular || stat.st_nlink != 1 {
        return Err(not_safe(path, "it is not a plain file"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o077 != 0 {
        return Err(not_safe(path, "other users have rights to it"));
    }
    Ok(())
}

fn not_safe(path: &Path, why: &'static str) -> JournalError {
    JournalError::Unsafe { path: path.to_owned(), why }
}

fn failed<'a>(path: &'a Path, what: &'static str) -> impl Fn(Errno) -> JournalError + 'a {
    move |errno| match errno {
        Errno::LOOP => not_safe(path, "it is a symbolic link"),
        errno => JournalError::Io { path: path.to_owned(), what, error: errno.into() },
    }
}

fn other_version(header: &str) -> bool {
    header.strip_prefix(MAGIC).is_some_and(|rest| !rest.starts_with(" 1 "))
}

fn begun(record: &str) -> Option<(u64, &str)> {
    let (number, change) = record.strip_prefix("begin ")?.split_once(' ')?;
    Some((number.parse().ok()?, change))
}

/// A record with its checksum and its end.
fn sealed(record: &str) -> String {
    let mut line = String::with_capacity(record.len() + 10);
    let _ = writeln!(line, "{:08x} {record}", checksum(record));
    line
}

/// The record of a line, where the checksum is right.
fn verified(line: &str) -> Option<&str> {
    let (sum, record) = line.split_once(' ')?;
    (u32::from_str_radix(sum, 16).ok()? == checksum(record)).then_some(record)
}

/// FNV-1a: finds torn lines and flipped bits, not malice (the folder's rights keep that out).
fn checksum(record: &str) -> u32 {
    record.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
