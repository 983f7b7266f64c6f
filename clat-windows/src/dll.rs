//! Which wintun.dll may be loaded: the signed release 0.14.1 and no other.
//!
//! The DLL installs a kernel driver. It is taken from the program's own folder by absolute path, its bytes are
//! compared with the release that WireGuard LLC signed on 17 October 2021, and no switch turns that off.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The release that the digests belong to.
pub const VERSION: &str = "0.14.1";

/// File name beside the program.
pub const FILE_NAME: &str = "wintun.dll";

/// SHA-256 of the DLL for each architecture of a Windows program, by the name that Rust gives it.
const RELEASES: [(&str, &str); 4] = [
    ("x86_64", "e5da8447dc2c320edc0fc52fa01885c103de8c118481f683643cacc3220dafce"),
    ("aarch64", "f7ba89005544be9d85231a9e0d5f23b2d15b3311667e2dad0debd344918a3f80"),
    ("x86", "d694fa46ab4cfebcb2632d094c7aa97278eef2f8052438621766d863ae98a931"),
    ("arm", "daad267411ecdc70a0535e274d2c3e9da3d0084bdac7662cb8424dd4a031b4d9"),
];

/// Why wintun.dll cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DllError {
    /// There is no file, or it cannot be read.
    #[error(
        "cannot read {path}: {reason}. The file belongs beside the program: install again, or copy it from the zip"
    )]
    Unreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The bytes are not those of the signed release.
    #[error(
        "{path} is not Wintun {VERSION} as signed by WireGuard LLC (sha256 {found}, expected {expected}). \
         It will not be loaded: install again"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// The release's digest.
        expected: &'static str,
    },
    /// There is no Wintun for this processor.
    #[error("Wintun has no release for {0} processors")]
    Architecture(&'static str),
    /// Windows refused to load it.
    #[error("cannot load {path}: {reason}")]
    Load {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
}

/// The digest that wintun.dll must have on `architecture` (as in [`std::env::consts::ARCH`]).
#[must_use]
pub fn expected_sha256(architecture: &str) -> Option<&'static str> {
    RELEASES.iter().find(|(name, _)| *name == architecture).map(|(_, digest)| *digest)
}

/// Compares the DLL's bytes with the release for `architecture`.
///
/// # Errors
/// [`DllError::Foreign`] for other bytes, [`DllError::Architecture`] where no release exists.
pub fn verify(path: &Path, bytes: &[u8], architecture: &'static str) -> Result<(), DllError> {
    let expected = expected_sha256(architecture).ok_or(DllError::Architecture(architecture))?;
    let found: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    if found != expected {
        return Err(DllError::Foreign { path: path.to_path_buf(), found, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_is_refused_and_both_digests_are_named() {
        let error = verify(Path::new("wintun.dll"), b"MZ", "x86_64").unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&Sha256::digest(b"MZ").iter().map(|b| format!("{b:02x}")).collect::<String>()),
            "{text}"
        );
        assert!(text.contains(RELEASES[0].1), "{text}");
    }

    #[test]
    fn an_architecture_without_a_release_is_named() {
        assert!(matches!(verify(Path::new("x"), b"", "riscv64"), Err(DllError::Architecture("riscv64"))));
    }

    #[test]
    fn this_architecture_has_a_release_on_windows() {
        if cfg!(windows) {
            assert!(expected_sha256(std::env::consts::ARCH).is_some());
        }
        assert!(
            RELEASES
                .iter()
                .all(|(_, digest)| digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
        );
    }
}
