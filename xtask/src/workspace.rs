//! Where things lie in the workspace and in the registry's source folder.

use std::path::{Path, PathBuf};

/// The folder of the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    // The manifest folder of this crate is one level below.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// The cargo that started us, so that a pinned toolchain stays the same one.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Everything that the Windows chores make: `target/windows`, or `CLAT_WINDOWS_DIR` where a CI cache wants it elsewhere.
pub(crate) fn windows_dir() -> PathBuf {
    std::env::var_os("CLAT_WINDOWS_DIR").map_or_else(|| root().join("target").join("windows"), PathBuf::from)
}
