//! Where the journal, the secret and the doors of an instance are.

use std::path::{Path, PathBuf};

/// The folder of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateDir {
    path: PathBuf,
    explicit: bool,
}

impl StateDir {
    /// `%ProgramData%\CLAT`, or the folder that somebody named.
    pub(crate) fn here(explicit: Option<&Path>) -> Self {
        match explicit {
            Some(path) => Self { path: path.to_owned(), explicit: true },
            None => Self { path: clat_windows::folder::default_state(), explicit: false },
        }
    }

    /// The folder to look for an instance in.
    pub(crate) fn find(explicit: Option<&Path>) -> Self {
        Self::here(explicit)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What tells its pipes from those of the machine's own instance.
    pub(crate) fn instance(&self) -> Option<&Path> {
        self.explicit.then_some(self.path.as_path())
    }
}
