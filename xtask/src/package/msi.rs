//! The MSI by wixl, and by msibuild what wixl does not know. The same files give the same MSI, byte for byte.

use super::{Arch, stamp};
use crate::process::run;
use crate::workspace::root;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The search path: our folder is appended at installation and taken out at removal. `=-*` is set, removed, of the
/// machine; `[~]` is what is there.
const ENVIRONMENT: &str = "Environment\tName\tValue\tComponent_\r\ns72\tl255\tL255\ts72\r\n\
     Environment\tEnvironment\r\nSearchPath\t=-*PATH\t[~];[INSTALLDIR]\tProgram\r\n";

/// Actions that only the Environment table needs, at the places that Microsoft's documentation gives them.
const ACTIONS: [(&str, u32); 2] = [("WriteEnvironmentStrings", 5200), ("RemoveEnvironmentStrings", 3300)];

/// The summary's subject and author, which msibuild sets together with the rest; clat.wxs has them too.
const SUMMARY: [&str; 2] = ["464XLAT customer-side translator", "The CLAT contributors"];

/// The files whose versions Windows Installer is told, by their keys in clat.wxs. Without them it takes the wintun.dll
/// that is there for newer than ours, leaves it to the older package at an upgrade, and that one removes it.
const VERSIONED: [(&str, &str); 2] = [("Exe", "clat-cli.exe"), ("WintunDll", "wintun.dll")];

/// Builds the MSI from the payload's files.
pub(super) fn build(payload: &Path, arch: Arch, version: &str, msi: &Path) -> Result<PathBuf> {
    let source = root().join("packaging/windows/clat.wxs");
    let code = |purpose| code(purpose, payload, arch, version);
    let (product, package) = (code("product")?, code("package")?);
    let define = |name: &str, value: &str| ["-D".to_owned(), format!("{name}={value}")];
    run(Command::new("wixl")
        .current_dir(payload)
        .env("TZ", "UTC")
        .args(["-a", "x64"])
        .args(define("Version", version))
        .args(define("ProductCode", &product))
        .arg("-o")
        .arg(msi)
        .arg(&source))?;
    let table = msi.with_file_name("Environment.idt");
    fs::write(&table, ENVIRONMENT).context("cannot write the Environment table")?;
    run(Command::new("msibuild").arg(msi).arg("-i").arg(&table))?;
    fs::remove_file(&table)?;
    for query in queries(payload, version)? {
        run(Command::new("msibuild").arg(msi).args(["-q", &query]))?;
    }
    let [subject, author] = SUMMARY;
    run(Command::new("msibuild").arg(msi).args(["-s", subject, author, arch.template(), &package]))?;
    stamp::msi(msi)?;
    Ok(msi.to_path_buf())
}

/// What is changed in the tables of wixl.
fn queries(payload: &Path, version: &str) -> Result<Vec<String>> {
    let mut queries: Vec<String> = ACTIONS
        .iter()
        .map(|(action, sequence)| {
            format!("INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('{action}', {sequence})")
        })
        .collect();
    // The older package goes within the transaction: a failure puts it back.
    queries.push(
        "UPDATE InstallExecuteSequence SET Sequence = 1501 WHERE Action = 'RemoveExistingProducts'".into(),
    );
    // Another package of the same version takes its place too (msidbUpgradeAttributesVersionMaxInclusive), and is not
    // installed beside it.
    queries.push("DELETE FROM Upgrade WHERE Attributes = 1".into());
    queries.push(format!(
        "INSERT INTO Upgrade (UpgradeCode, VersionMax, Attributes, ActionProperty) VALUES ('{UPGRADE_CODE}', \
         '{version}', 513, 'WIX_UPGRADE_DETECTED')"
    ));
    for (key, file) in VERSIONED {
        let bytes = fs::read(payload.join(file)).with_context(|| file.to_owned())?;
        if let Some(version) = file_version(&bytes) {
            queries.push(format!(
                "UPDATE File SET Version = '{version}', Language = '1033' WHERE File = '{key}'"
            ));
        }
    }
    Ok(queries)
}

/// What all our packages have in common; clat.wxs has it too.
const UPGRADE_CODE: &str = "{2F7E6BD4-5D3B-4A5C-9F0E-64C1A7000001}";

/// A code for Windows Installer that is made of everything in the package (RFC 9562 section 5.8): packages that differ
/// have different ones.
fn code(purpose: &str, payload: &Path, arch: Arch, version: &str) -> Result<String> {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    for text in [purpose, arch.word(), version, include_str!("../../../packaging/windows/clat.wxs")] {
        add(text.as_bytes());
    }
    for name in stamp::names(payload)? {
        add(name.as_bytes());
        add(&fs::read(payload.join(&name))?);
    }
    let mut guid: [u8; 16] = *digest.finalize().first_chunk().context("a digest of 32 bytes")?;
    guid[6] = guid[6] & 0x0f | 0x80;
    guid[8] = guid[8] & 0x3f | 0x80;
    let hex: String = guid.iter().map(|b| format!("{b:02X}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(format!("{{{}-{}-{}-{}-{}}}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

/// The version in a program's resources (`VS_FIXEDFILEINFO`: signature, structure version 1.0, file version). That of a
/// driver within the file is not the file's own.
fn file_version(bytes: &[u8]) -> Option<String> {
    const START: [u8; 8] = [0xbd, 0x04, 0xef, 0xfe, 0, 0, 1, 0];
    const VERSION: usize = 8;
    const FILE_TYPE: usize = 36;
    const PROGRAM_OR_LIBRARY: [u8; 2] = [1, 2];
    let info = bytes.windows(FILE_TYPE + 4).find(|info| {
        let of = info.get(FILE_TYPE..).and_then(<[u8]>::first);
        info.starts_with(&START) && of.is_some_and(|kind| PROGRAM_OR_LIBRARY.contains(kind))
    })?;
    let words: [u8; 8] = *info.get(VERSION..)?.first_chunk()?;
    let [minor, major, build, patch] = [0, 2, 4, 6].map(|i| u16::from_le_bytes([words[i], words[i + 1]]));
    Some(format!("{major}.{minor}.{patch}.{build}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_files_own_and_not_that_of_a_driver_in_it() {
        let info = |minor: u8, kind: u8| {
            let mut info = [0; 52];
            info[..8].copy_from_slice(&[0xbd, 4, 0xef, 0xfe, 0, 0, 1, 0]);
            info[8..16].copy_from_slice(&[minor, 0, 2, 0, 7, 0, 3, 0]);
            info[36] = kind;
            info
        };
        let (driver, library) = (info(99, 3), info(14, 2));
        assert_eq!(file_version(&[&[0; 9][..], &driver, &library].concat()).as_deref(), Some("2.14.3.7"));
        assert_eq!(file_version(&driver), None);
        for len in 0..40 {
            assert_eq!(file_version(&library[..len]), None, "{len}");
        }
    }

    #[test]
    fn the_version_of_wintun_is_read_from_the_dll_itself() {
        let dll = crate::workspace::package_dir("wintun").unwrap().join("wintun/bin/amd64/wintun.dll");
        assert_eq!(file_version(&fs::read(dll).unwrap()).as_deref(), Some("0.14.1.0"));
    }

    #[test]
    fn the_codes_here_are_those_of_the_source() {
        let source = include_str!("../../../packaging/windows/clat.wxs");
        for text in [UPGRADE_CODE, SUMMARY[0], SUMMARY[1]] {
            assert!(source.contains(&format!("=\"{text}\"")), "{text}");
        }
        for (key, file) in VERSIONED {
            assert!(source.contains(&format!("<File Id=\"{key}\" Source=\"{file}\"")), "{file}");
        }
        let codes = source.split("Code=\"{").skip(1).filter_map(|rest| rest.split('}').next());
        assert!(
            codes.map(|c| c.to_owned()).all(|c| c == c.to_uppercase()),
            "Windows Installer wants capitals"
        );
    }
}
