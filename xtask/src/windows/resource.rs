//! What Explorer, the task manager and the firewall show of the program, and what it tells Windows of itself: a version
//! and a manifest, compiled by mingw's windres.

use super::toolchain::WINDRES;
use crate::process::run;
use crate::workspace::{version, windows_dir};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Windows 10 and later (its GUID), no rights but those of whoever starts it, paths of any length.
const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3">
    <security><requestedPrivileges><requestedExecutionLevel level="asInvoker" uiAccess="false"/></requestedPrivileges></security>
  </trustInfo>
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1">
    <application><supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/></application>
  </compatibility>
  <application xmlns="urn:schemas-microsoft-com:asm.v3">
    <windowsSettings><longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware></windowsSettings>
  </application>
</assembly>
"#;

/// The object to link into the program.
pub(super) fn object() -> Result<PathBuf> {
    let folder = windows_dir().join("resource");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("clat-cli.manifest"), MANIFEST)?;
    fs::write(folder.join("clat-cli.rc"), script(version())?)?;
    let object = folder.join("resource.o");
    run(Command::new(WINDRES).current_dir(&folder).args(["-O", "coff", "clat-cli.rc", "resource.o"]))?;
    Ok(object)
}

/// The resources of this version: a manifest (24) for a program (1), and the version in United States English, Unicode.
fn script(version: &str) -> Result<String> {
    let numbers: Vec<u16> = version.split('.').map(str::parse).collect::<Result<_, _>>()?;
    let [major, minor, patch] = numbers[..] else { bail!("{version} is not three numbers") };
    let strings = [
        ("CompanyName", "The CLAT contributors"),
        ("FileDescription", "CLAT (464XLAT): IPv4 on IPv6-only networks"),
        ("FileVersion", version),
        ("InternalName", "clat-cli"),
        ("LegalCopyright", "The CLAT contributors. MIT or Apache-2.0"),
        ("OriginalFilename", "clat-cli.exe"),
        ("ProductName", "CLAT"),
        ("ProductVersion", version),
    ];
    let values: String =
        strings.iter().map(|(name, text)| format!("VALUE \"{name}\", \"{text}\\0\"\n")).collect();
    Ok(format!(
        "1 24 \"clat-cli.manifest\"\n1 VERSIONINFO\nFILEVERSION {major},{minor},{patch},0\n\
         PRODUCTVERSION {major},{minor},{patch},0\nFILEFLAGSMASK 0x3f\nFILEOS 0x40004\nFILETYPE 1\nBEGIN\n\
         BLOCK \"StringFileInfo\"\nBEGIN\nBLOCK \"040904B0\"\nBEGIN\n{values}END\nEND\n\
         BLOCK \"VarFileInfo\"\nBEGIN\nVALUE \"Translation\", 0x409, 1200\nEND\nEND\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_file_is_that_of_the_workspace() {
        assert!(script(version()).is_ok());
        assert!(script("12.3.45").unwrap().contains("\nFILEVERSION 12,3,45,0\n"));
        assert!(script("1.2").is_err() && script("1.2.x").is_err());
    }
}
