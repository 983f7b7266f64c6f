//! A Wine prefix of our own and programs started in it.

use super::toolchain::{self, MINGW, WINE, WINESERVER};
use crate::process::run;
use crate::workspace::windows_dir;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Rust's std takes its random bytes from this DLL, which Wine 8.0 does not have. One function of Windows' own
/// advapi32 does the same.
const BCRYPTPRIMITIVES: &str = "#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) { return SystemFunction036(p, (ULONG)n); }
";

/// The prefix that unit tests share.
pub(crate) fn prefix() -> PathBuf {
    windows_dir().join("wine-prefix")
}

/// Makes the prefix unless it is there: Windows 10, with the DLL that Wine 8.0 lacks.
pub(crate) fn ensure_prefix() -> Result<PathBuf> {
    toolchain::require(&[toolchain::TEST])?;
    once(prefix(), make_prefix)
}

/// Makes a prefix unless it is complete.
pub(crate) fn once(prefix: PathBuf, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if !prefix.join("complete").exists() {
        make(&prefix)?;
        fs::write(prefix.join("complete"), "")?;
    }
    Ok(prefix)
}

/// A fresh prefix at `prefix` as Wine makes it, set to Windows 10; about five seconds.
pub(crate) fn make_plain_prefix(prefix: &Path) -> Result<()> {
    fs::create_dir_all(prefix).with_context(|| format!("cannot make {}", prefix.display()))?;
    eprintln!("making the Wine prefix {}", prefix.display());
    run(wine(prefix).args(["wineboot", "-i"]))?;
    run(wine(prefix).args(["winecfg", "-v", "win10"]))
}

/// The same with the DLL that Wine 8.0 lacks: tests are programs that import it.
pub(crate) fn make_prefix(prefix: &Path) -> Result<()> {
    make_plain_prefix(prefix)?;
    let source = prefix.join("bcryptprimitives.c");
    fs::write(&source, BCRYPTPRIMITIVES)?;
    run(Command::new(MINGW)
        .args(["-shared", "-O2", "-nostartfiles", "-Wl,-e,0", "-o"])
        .arg(prefix.join("drive_c/windows/system32/bcryptprimitives.dll"))
        .arg(&source)
        .arg("-ladvapi32"))
}

/// Wine in `prefix`, quiet, without a display.
pub(crate) fn wine(prefix: &Path) -> Command {
    let mut command = Command::new(WINE);
    command
        .env("WINEPREFIX", prefix)
        .env("WINEDEBUG", "-all")
        .env_remove("DISPLAY")
        .env_remove("LD_LIBRARY_PATH");
    command
}

/// Ends every program of the prefix, and waits until none is left.
pub(crate) fn end_session(prefix: &Path) -> Result<()> {
    for word in ["-k", "-w"] {
        let mut command = Command::new(WINESERVER);
        // Nothing to end is an error of wineserver's, and fine.
        command.env("WINEPREFIX", prefix).arg(word).status().context("cannot start wineserver")?;
    }
    Ok(())
}

/// The value of cargo's `runner` setting: this program itself.
pub(crate) fn runner() -> Result<OsString> {
    let mut runner = std::env::current_exe().context("cannot find this program's own path")?.into_os_string();
    runner.push(" windows exec");
    Ok(runner)
}

/// Runs the Windows program `args[0]` and hands its exit code on.
pub(crate) fn exec(args: &[String]) -> Result<ExitCode> {
    let prefix = std::env::var_os("WINEPREFIX").map_or_else(ensure_prefix, |p| Ok(PathBuf::from(p)))?;
    let status = wine(&prefix).args(args).status().context("cannot start wine64")?;
    Ok(status.code().and_then(|c| u8::try_from(c).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
