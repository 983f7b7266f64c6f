//! A manifest for winget, of one file, with the digest of this MSI.

use super::Arch;
use crate::process::output;
use crate::workspace::version;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A place that winget can fetch from: an https URL of a real host.
pub(super) fn release_url(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    let host = url.strip_prefix("https://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let reserved = [".invalid", ".test", ".example", ".localhost"].iter().any(|end| host.ends_with(end));
    match host.contains('.') && !reserved && !url.contains(char::is_whitespace) {
        true => Ok(url.to_owned()),
        false => Err("write https://HOST/PATH, the folder that the MSI is published in".to_owned()),
    }
}

/// Writes the manifest beside the MSI.
pub(super) fn write(msi: &Path, arch: Arch, url: &str, dist: &Path) -> Result<PathBuf> {
    let digest: String = Sha256::digest(fs::read(msi)?).iter().map(|b| format!("{b:02X}")).collect();
    let code = product_code(msi)?;
    let (version, arch) = (version(), arch.word());
    let name = msi.file_name().context("an MSI without a name")?.to_string_lossy();
    let text = format!(
        "# yaml-language-server: $schema=https://aka.ms/winget-manifest.singleton.1.6.0.schema.json
PackageIdentifier: CLAT.CLAT
PackageVersion: {version}
PackageLocale: en-US
Publisher: The CLAT contributors
PackageName: CLAT
License: MIT OR Apache-2.0
ShortDescription: 464XLAT for Windows 10 - IPv4-only programs on IPv6-only networks
Platform: [Windows.Desktop]
MinimumOSVersion: 10.0.19045.0
InstallerType: wix
Scope: machine
UpgradeBehavior: install
ElevationRequirement: elevationRequired
Installers:
  - Architecture: {arch}
    InstallerUrl: {url}/{name}
    InstallerSha256: {digest}
    ProductCode: '{code}'
ManifestType: singleton
ManifestVersion: 1.6.0
"
    );
    let path = dist.join(format!("CLAT.CLAT.{version}.yaml"));
    fs::write(&path, text)?;
    Ok(path)
}

fn product_code(msi: &Path) -> Result<String> {
    let table = output(Command::new("msiinfo").arg("export").arg(msi).arg("Property"))?;
    let code = table.lines().find_map(|l| l.strip_prefix("ProductCode\t"));
    code.map(|c| c.trim().to_owned()).context("the MSI has no product code")
}

#[cfg(test)]
mod tests {
    use super::release_url;

    #[test]
    fn only_a_place_that_can_be_fetched_from_is_taken() {
        assert_eq!(
            release_url("https://clat.dev/releases/v1/").as_deref(),
            Ok("https://clat.dev/releases/v1")
        );
        for bad in
            ["", "clat.dev/x", "http://clat.dev/x", "https://", "https://a b.c/", "https://x.invalid/y"]
        {
            assert!(release_url(bad).is_err(), "{bad:?}");
        }
    }
}
