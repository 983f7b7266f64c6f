use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("clat-journal-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> Result<Journal, JournalError> {
        Journal::open(&self.0, &Identity::here())
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn changes(journal: &Journal) -> Vec<&str> {
    journal.entries().iter().map(|entry| entry.change.as_str()).collect()
}

#[test]
fn what_was_begun_and_not_undone_is_there_after_a_crash() {
    let folder = Folder::new("crash");
    let mut journal = folder.open().unwrap();
    let first = journal.begin("one").unwrap();
    journal.begin("two").unwrap();
    journal.begin("three").unwrap();
    journal.undone(first).unwrap();
    drop(journal);
    let mut journal = folder.open().unwrap();
    assert_eq!(changes(&journal), ["two", "three"]);
    assert_eq!(journal.begin("four").unwrap(), 4, "numbers are not used twice");
}

#[test]
fn a_closed_journal_leaves_no_file_unless_something_is_in_force() {
    let folder = Folder::new("close");
    let mut journal = folder.open().unwrap();
    let number = journal.begin("one").unwrap();
    journal.close().unwrap();
    assert!(folder.file().exists());
    let mut journal = folder.open().unwrap();
    journal.undone(number).unwrap();
    journal.close().unwrap();
    assert!(!folder.file().exists());
}

#[test]
fn a_journal_torn_at_any_byte_holds_what_was_whole() {
    let folder = Folder::new("torn");
    let mut journal = folder.open().unwrap();
    journal.begin("one").unwrap();
    let number = journal.begin("two").unwrap();
    journal.undone(number).unwrap();
    drop(journal);
    let whole = fs::read(folder.file()).unwrap();
    for cut in 0..whole.len() {
        fs::write(folder.file(), &whole[..cut]).unwrap();
        let mut journal = folder.open().unwrap();
        let found = changes(&journal);
        assert!(found.is_empty() || found == ["one"] || found == ["one", "two"], "{cut}: {found:?}");
        journal.begin("after").unwrap();
        drop(journal);
        assert_eq!(folder.open().unwrap().entries().last().unwrap().change, "after");
    }
}

#[test]
fn a_damaged_line_costs_only_itself() {
    let folder = Folder::new("damaged");
    let mut journal = folder.open().unwrap();
    for change in ["one", "two", "three"] {
        journal.begin(change).unwrap();
    }
    drop(journal);
    let text = fs::read_to_string(folder.file()).unwrap().replace("two", "tow");
    fs::write(folder.file(), text).unwrap();
    assert_eq!(changes(&folder.open().unwrap()), ["one", "three"]);
}

#[test]
fn a_journal_of_an_earlier_boot_or_another_namespace_is_thrown_away() {
    let folder = Folder::new("boot");
    for other in ["boot 0 netns 1", "boot 1 netns 0"] {
        let mut journal = Journal::open(&folder.0, &Identity(other.to_owned())).unwrap();
        journal.begin("one").unwrap();
        drop(journal);
        let journal = Journal::open(&folder.0, &Identity("boot 0 netns 0".to_owned())).unwrap();
        assert!(journal.entries().is_empty());
    }
}

#[test]
fn a_journal_of_another_version_is_refused_and_kept() {
    let folder = Folder::new("version");
    folder.open().unwrap().close().unwrap();
    fs::write(folder.file(), sealed("clat-journal 2 boot x netns 1")).unwrap();
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(folder.open(), Err(JournalError::Version(_))));
    assert!(folder.file().exists());
}

#[test]
fn a_second_instance_is_refused_and_told_whose_turn_it_is() {
    let folder = Folder::new("busy");
    let first = folder.open().unwrap();
    let text = folder.open().unwrap_err().to_string();
    assert!(text.contains(&std::process::id().to_string()) && text.contains("clat-cli stop"), "{text}");
    drop(first);
    folder.open().unwrap();
}

#[test]
fn a_closed_journal_leaves_nothing_and_whoever_waited_for_the_lock_gets_the_next_one() {
    let folder = Folder::new("closed");
    let waiting = {
        let journal = folder.open().unwrap();
        let waiting = File::open(folder.0.join(LOCK)).unwrap();
        journal.close().unwrap();
        waiting
    };
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    assert!(still_there(&waiting, &folder.0).is_err(), "the old lock locks nothing");
    fs::remove_dir(&folder.0).unwrap();
    let first = folder.open().unwrap();
    assert!(matches!(folder.open(), Err(JournalError::Busy(_))));
    drop(first);
}

#[test]
fn a_program_being_started_with_a_copy_of_the_lock_does_not_hold_it() {
    let folder = Folder::new("copy");
    let journal = folder.open().unwrap();
    let copy = journal.lock.0.try_clone().unwrap();
    drop(journal);
    folder.open().unwrap();
    drop(copy);
}

#[test]
fn links_and_foreign_rights_are_refused() {
    let folder = Folder::new("unsafe");
    folder.open().unwrap().close().unwrap();
    let target = folder.0.join("target");
    fs::write(&target, "precious").unwrap();
    symlink(&target, folder.file()).unwrap();
    assert!(matches!(folder.open(), Err(JournalError::Unsafe { .. })));
    fs::remove_file(folder.file()).unwrap();
    fs::hard_link(&target, folder.file()).unwrap();
    assert!(matches!(folder.open(), Err(JournalError::Unsafe { .. })));
    fs::remove_file(folder.file()).unwrap();
    fs::write(folder.file(), "").unwrap();
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(folder.open(), Err(JournalError::Unsafe { .. })));
    fs::remove_file(folder.file()).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(folder.open(), Err(JournalError::Unsafe { .. })));
    let other = folder.0.join("link");
    symlink(&folder.0, &other).unwrap();
    assert!(matches!(Journal::open(&other, &Identity::here()), Err(JournalError::Unsafe { .. })));
    assert_eq!(fs::read_to_string(target).unwrap(), "precious");
}

#[test]
fn a_long_life_does_not_make_a_long_file() {
    let folder = Folder::new("compact");
    let mut journal = folder.open().unwrap();
    journal.begin("stays").unwrap();
    for round in 0..600 {
        let number = journal.begin(&format!("round {round}")).unwrap();
        journal.undone(number).unwrap();
    }
    assert!(fs::metadata(folder.file()).unwrap().len() < 2 * COMPACT_BYTES);
    drop(journal);
    assert_eq!(changes(&folder.open().unwrap()), ["stays"]);
}

#[test]
fn the_files_are_for_the_owner_only() {
    let folder = Folder::new("mode");
    let journal = folder.open().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    assert_eq!(mode(&folder.file()), 0o600);
    assert_eq!(mode(&folder.0.join(LOCK)), 0o600);
    drop(journal);
}
