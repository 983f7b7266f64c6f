//! What the finished program asks of Windows: no DLL that Windows 10 does not have, and less than three megabytes.

use crate::process::output;
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;

/// Every DLL that the program may import; each is part of Windows 10.
const WINDOWS_10: &[&str] = &[
    "advapi32.dll",
    "api-ms-win-core-synch-l1-2-0.dll",
    "bcryptprimitives.dll",
    "dnsapi.dll",
    "fwpuclnt.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "msvcrt.dll",
    "ntdll.dll",
    "psapi.dll",
    "rpcrt4.dll",
    "userenv.dll",
    "ws2_32.dll",
];

/// An upper limit in bytes.
const SIZE_LIMIT: u64 = 3_000_000;

/// Checks the program.
pub(super) fn check(exe: &Path) -> Result<()> {
    let size = std::fs::metadata(exe)?.len();
    ensure!(size < SIZE_LIMIT, "{} has {size} bytes, the limit is {SIZE_LIMIT}", exe.display());
    let headers = output(Command::new("x86_64-w64-mingw32-objdump").arg("-p").arg(exe))?;
    let foreign: Vec<&str> = dlls(&headers).filter(|dll| !known(dll)).collect();
    ensure!(foreign.is_empty(), "not part of Windows 10: {}", foreign.join(", "));
    Ok(())
}

fn dlls(headers: &str) -> impl Iterator<Item = &str> {
    headers.lines().filter_map(|l| l.trim().strip_prefix("DLL Name: "))
}

fn known(dll: &str) -> bool {
    WINDOWS_10.iter().any(|k| k.eq_ignore_ascii_case(dll))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dll_of_a_compilers_runtime_is_seen() {
        let headers = "\tDLL Name: KERNEL32.dll\n\tvma: Hint\n\tDLL Name: libgcc_s_seh-1.dll\n";
        let foreign: Vec<&str> = dlls(headers).filter(|dll| !known(dll)).collect();
        assert_eq!(foreign, ["libgcc_s_seh-1.dll"]);
    }
}
