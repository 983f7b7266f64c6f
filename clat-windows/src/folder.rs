//! Folders that nobody but the system and administrators may write to.

use crate::sddl;
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
    #[error("{path}: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Where journal, secret and configuration are when nobody says otherwise.
#[must_use]
pub fn default_state() -> PathBuf {
    let base = std::env::var_os("ProgramData").unwrap_or_else(|| r"C:\ProgramData".into());
    Path::new(&base).join("CLAT")
}

/// Makes the state folder, or checks that the one that is there is not somebody else's: every user may make folders in
/// ProgramData, and could have been first.
///
/// # Errors
/// [`FolderError`]
pub fn create_state(path: &Path) -> Result<(), FolderError> {
    let failed = |e: io::Error| FolderError::Io { path: path.to_owned(), source: e };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let descriptor = Descriptor::parse(sddl::STATE_FOLDER).map_err(|e| failed(e.into()))?;
    if !security::create_folder(path, &descriptor).map_err(|e| failed(e.into()))? {
        check(path, "delete it, and CLAT makes it anew")?;
    }
    Ok(())
}

/// Whether the folder of a DLL that is to be loaded is safe.
///
/// # Errors
/// [`FolderError`]
pub fn check_library(path: &Path) -> Result<(), FolderError> {
    check(path, "its DLL will not be loaded: install it again")
}

/// Whether the folder of the program is safe for a service: whoever can write there becomes the system.
///
/// # Errors
/// [`FolderError`]
pub fn check_program(path: &Path) -> Result<(), FolderError> {
    check(
        path,
        "a service from there would hand them the machine; move the program to C:\\Program Files\\CLAT",
    )
}

fn check(path: &Path, advice: &'static str) -> Result<(), FolderError> {
    let found = security::describe(path);
    let sddl = found.map_err(|e| FolderError::Io { path: path.to_owned(), source: e.into() })?;
    match sddl::writer(&sddl) {
        // Wine has one user, to whom everything belongs.
        Some(who) if crate::wine() => {
            tracing::warn!("{}: {who} may write there, as everywhere in Wine", path.display());
            Ok(())
        }
        Some(who) => Err(FolderError::Writable { path: path.to_owned(), who, advice }),
        None => Ok(()),
    }
}
