//! What the finished program asks of Windows: no DLL and no function that Windows 10 does not have, and less than three
//! megabytes.

use crate::process::output;
use crate::workspace::root;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The functions that the program may import, in the root of the workspace. Each is in Windows 10 22H2 (19045) by
/// Microsoft's documentation, most since Vista; what is not everywhere is looked up at run time. A change is a decision.
const FUNCTIONS: &str = "xtask/windows-imports.txt";

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
const SIZE_LIMIT: u64 = 2_500_000;

/// Checks the program.
pub(super) fn check(exe: &Path) -> Result<()> {
    let size = std::fs::metadata(exe)?.len();
    ensure!(size < SIZE_LIMIT, "{} has {size} bytes, the limit is {SIZE_LIMIT}", exe.display());
    let headers = output(Command::new("x86_64-w64-mingw32-objdump").arg("-p").arg(exe))?;
    let foreign: Vec<&str> = dlls(&headers).filter(|dll| !known(dll)).collect();
    ensure!(foreign.is_empty(), "not part of Windows 10: {}", foreign.join(", "));
    let text = std::fs::read_to_string(root().join(FUNCTIONS)).context(FUNCTIONS)?;
    let listed: BTreeSet<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    let new: Vec<String> = functions(&headers).filter(|f| !listed.contains(f.as_str())).collect();
    ensure!(
        new.is_empty(),
        "imported and not in {FUNCTIONS}; look up since which Windows each exists:\n{}",
        new.join("\n")
    );
    Ok(())
}

fn dlls(headers: &str) -> impl Iterator<Item = &str> {
    headers.lines().filter_map(dll)
}

fn dll(line: &str) -> Option<&str> {
    line.trim().strip_prefix("DLL Name: ")
}

fn known(dll: &str) -> bool {
    WINDOWS_10.iter().any(|k| k.eq_ignore_ascii_case(dll))
}

/// `dll function`, the DLL in small letters: in objdump's listing the functions follow their DLL, each a line of address,
/// hint and name, up to an empty one.
fn functions(headers: &str) -> impl Iterator<Item = String> {
    let mut of = None;
    headers.lines().filter_map(move |line| {
        if let Some(dll) = dll(line) {
            of = Some(dll.to_lowercase());
            return None;
        }
        if line.trim().is_empty() {
            of = None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, hint, name] = words[..] else { return None };
        let row = u64::from_str_radix(address, 16).is_ok() && hint.parse::<u32>().is_ok();
        row.then(|| Some(format!("{} {name}", of.as_deref()?))).flatten()
    })
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
    #[test]
    fn functions_are_listed_with_their_dll_until_the_table_ends() {
        let headers = "\tDLL Name: KERNEL32.dll\n\tvma:  Hint/Ord Member-Name Bound-To\n\t2f1a3c\t  281  CloseHandle\n\
                       \t2f1a4a\t  205  Sleep\n\n 00000001 12 Export\n\tDLL Name: ntdll.dll\n\t2f\t3\tNtReadFile\n";
        let found: Vec<String> = functions(headers).collect();
        assert_eq!(found, ["kernel32.dll CloseHandle", "kernel32.dll Sleep", "ntdll.dll NtReadFile"]);
    }
}
