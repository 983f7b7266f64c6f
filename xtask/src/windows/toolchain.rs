//! The programs that must be installed, and the Debian packages that bring them.

use crate::process::output;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;

/// Debian's compiler. rustup's own stays the default for everything else.
pub(crate) const RUSTC: &str = "/usr/bin/rustc";
/// The standard library's source in the version of [`RUSTC`]: a symlink that the package makes.
pub(crate) const RUST_SRC: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
/// Clippy in the version of [`RUSTC`].
pub(crate) const CLIPPY: &str = "/usr/bin/cargo-clippy";
/// Debian's `wine64` puts no program into the search path.
pub(crate) const WINE: &str = "/usr/lib/wine/wine64";
/// Keeps a session of Wine programs together.
pub(crate) const WINESERVER: &str = "/usr/lib/wine/wineserver64";
/// Compiles stand-in DLLs that call Linux.
pub(crate) const WINEGCC: &str = "/usr/bin/winegcc-stable";
/// Makes the placeholder beside a Winelib DLL.
pub(crate) const WINEBUILD: &str = "/usr/lib/wine/winebuild";
/// Links for the target and compiles the native stand-ins.
pub(crate) const MINGW: &str = "/usr/bin/x86_64-w64-mingw32-gcc";

/// Compiles what Explorer shows of the program; it comes with the compiler.
pub(crate) const WINDRES: &str = "/usr/bin/x86_64-w64-mingw32-windres";

/// A file that must exist and the Debian package that holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    path: &'static str,
    package: &'static str,
}

const fn tool(path: &'static str, package: &'static str) -> Tool {
    Tool { path, package }
}

/// For compiling.
pub(crate) const BUILD: &[Tool] =
    &[tool(RUSTC, "rustc-web"), tool(RUST_SRC, "rust-web-src"), tool(MINGW, "gcc-mingw-w64-x86-64-win32")];
/// For linting.
pub(crate) const LINT: &[Tool] = &[tool(CLIPPY, "rust-web-clippy")];
/// For running the result.
pub(crate) const TEST: &[Tool] = &[
    tool(WINE, "wine64"),
    tool(WINEGCC, "wine64-tools"),
    tool("/usr/include/wine/wine/windows/windows.h", "libwine-dev"),
    tool("/usr/include/pcap/pcap.h", "libpcap-dev"),
];
/// For the packages.
pub(crate) const PACKAGE: &[Tool] =
    &[tool("/usr/bin/wixl", "wixl"), tool("/usr/bin/msibuild", "msitools"), tool("/usr/bin/zip", "zip")];
/// What `setup` looks for.
pub(crate) const SETUP: &[&[Tool]] = &[BUILD, LINT, TEST, PACKAGE];

/// Fails with the one command that installs all that is missing.
pub(crate) fn require(groups: &[&[Tool]]) -> Result<()> {
    let missing: Vec<&str> =
        groups.iter().flat_map(|g| *g).filter(|t| !Path::new(t.path).exists()).map(|t| t.package).collect();
    if !missing.is_empty() {
        bail!(
            "missing: {}\nOn Debian 12: apt-get install -y --no-install-recommends {}",
            missing.join(", "),
            missing.join(" ")
        );
    }
    Ok(())
}

/// `rustc -vV` of Debian's compiler.
pub(crate) fn version() -> Result<String> {
    output(Command::new(RUSTC).arg("-vV")).context("Debian's rustc does not start")
}

/// Ten hex digits that change with the compiler and with `recipe`: the name of what was built by them.
pub(crate) fn key(recipe: &str) -> Result<String> {
    let digest = Sha256::new().chain_update(version()?).chain_update(recipe).finalize();
    Ok(digest.iter().take(5).map(|b| format!("{b:02x}")).collect())
}
