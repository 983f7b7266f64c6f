//! Folders that nobody but the system and administrators may write to.

use crate::dll;
use crate::sddl::{self, Of};
use crate::sys::registry;
use crate::sys::security::{self, Descriptor};
use std::io;
use std::path::{Path, PathBuf};

/// Why a folder is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Somebody else may write there.
    #[error("{path} can be written by {who}: {advice}")]
    Writable {
        /// The folder.
        path: PathBuf,
        /// Who, by SID or its two letters.
        who: String,
        /// What to do.
        advice: &'static str,
    },
    /// The system said no.
    #[error("{path}: {reason}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What it said.
        reason: io::Error,
    },
}

/// Where the system says that programs keep their data, below HKEY_LOCAL_MACHINE.
const PROFILES: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList";

/// Where journal, secret and configuration are when nobody says otherwise. The environment does not count: whoever starts
/// the program can change it, and a service may have another one than the command that asks for its journal.
#[must_use]
pub fn default_state() -> PathBuf {
    let base = registry::text(PROFILES, "ProgramData").unwrap_or_else(|_| r"C:\ProgramData".to_owned());
    Path::new(&base).join("CLAT")
}

/// Makes the state folder, or checks that the one that is there is not somebody else's: every user may make folders in
/// ProgramData, and could have been first.
///
/// # Errors
/// [`FolderError`]
pub fn create_state(path: &Path) -> Result<(), FolderError> {
    let failed = |e: io::Error| FolderError::Io { path: path.to_owned(), reason: e };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let descriptor = Descriptor::parse(sddl::STATE_FOLDER).map_err(|e| failed(e.into()))?;
    if !security::create_folder(path, &descriptor).map_err(|e| failed(e.into()))? {
        check(path, Of::Contents, "delete it, and CLAT makes it anew")?;
    }
    Ok(())
}

/// Whether a DLL below the system's own folder is safe to load: the file, and the folder that its maker put it in.
///
/// # Errors
/// [`FolderError`]
pub fn check_library(path: &Path) -> Result<(), FolderError> {
    let mut both = [Some(path), path.parent()].into_iter().flatten();
    both.try_for_each(|p| check(p, Of::Contents, "the DLL will not be loaded: install it again"))
}

/// Whether a program and the DLL beside it are safe for a service: whoever can replace them becomes the system. A file
/// that was moved from another place has kept its access list.
///
/// # Errors
/// [`FolderError`]
pub fn check_program(program: &Path) -> Result<(), FolderError> {
    const ADVICE: &str = "a service from there would hand them the machine; install the MSI, or copy (not move) the files \
                          to C:\\Program Files\\CLAT";
    let library = program.with_file_name(dll::FILE_NAME);
    if library.exists() {
        check(&library, Of::Contents, ADVICE)?;
    }
    check_with_folders(program, ADVICE)
}

/// Looks at a file, its folder, and every folder above: who can rename one of them can put another in its place.
fn check_with_folders(file: &Path, advice: &'static str) -> Result<(), FolderError> {
    check(file, Of::Contents, advice)?;
    for (distance, folder) in file.ancestors().skip(1).enumerate() {
        let of = match (distance, folder.parent()) {
            (0, _) => Of::Contents,
            (_, Some(_)) => Of::Above,
            (_, None) => Of::Root,
        };
        check(folder, of, advice)?;
    }
    Ok(())
}

fn check(path: &Path, of: Of, advice: &'static str) -> Result<(), FolderError> {
    let found = security::describe(path);
    let sddl = found.map_err(|e| FolderError::Io { path: path.to_owned(), reason: e.into() })?;
    match sddl::writer(&sddl, of) {
        // Wine has one user, to whom everything belongs.
        Some(who) if crate::wine() => {
            tracing::debug!("{}: {who} may write there, as everywhere in Wine", path.display());
            Ok(())
        }
        Some(who) => Err(FolderError::Writable { path: path.to_owned(), who, advice }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_where_the_system_says_whatever_the_environment_is() {
        let state = default_state();
        assert!(state.ends_with(r"ProgramData\CLAT"), "{}", state.display());
    }
}
