//! A manifest for winget, of one file, with the digest of this MSI.

use crate::process::output;
use crate::workspace::version;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the MSI can be fetched. It is published nowhere yet: who publishes it puts the place in here.
const RELEASES: &str = "https://example.invalid/releases";

/// Writes the manifest beside the MSI.
pub(super) fn write(msi: &Path, dist: &Path) -> Result<PathBuf> {
    let digest: String = Sha256::digest(fs::read(msi)?).iter().map(|b| format!("{b:02X}")).collect();
    let code = product_code(msi)?;
    let (version, name) = (version(), msi.file_name().context("an MSI without a name")?.to_string_lossy());
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
  - Architecture: x64
    InstallerUrl: {RELEASES}/v{version}/{name}
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
