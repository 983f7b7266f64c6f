//! What users of Windows install: `cargo xtask msi` makes an MSI, a zip and, for a release, a manifest for winget.

mod arch;
mod msi;
mod payload;
mod stamp;
mod winget;

pub(crate) use arch::Arch;

use crate::process::run;
use crate::workspace::{version, windows_dir};
use crate::{sbom, windows};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `cargo xtask msi` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// This program instead of building one
    #[arg(long)]
    exe: Option<PathBuf>,
    /// The processor it is for; a program for arm64 comes from elsewhere, by --exe
    #[arg(long, value_enum, default_value_t = Arch::X64)]
    arch: Arch,
    /// The folder on the web that the MSI will be published in; winget's manifest is made only with it
    #[arg(long, value_name = "URL", value_parser = winget::release_url)]
    release_url: Option<String>,
}

/// Makes everything in `dist`. The path of the MSI is the last line written.
pub(crate) fn all(options: &Options) -> Result<()> {
    windows::require_package_tools()?;
    let arch = options.arch;
    let exe = match (&options.exe, arch) {
        (Some(exe), _) => exe.clone(),
        (None, Arch::X64) => windows::release()?,
        (None, Arch::Arm64) => bail!(
            "Debian has no C runtime for arm64 Windows to link with: build clat-cli.exe on Windows (--target \
             aarch64-pc-windows-msvc) and name it with --exe"
        ),
    };
    let dist = windows_dir().join("dist");
    fs::create_dir_all(&dist).with_context(|| format!("cannot make {}", dist.display()))?;
    let msi = build(&exe, arch, version(), &dist)?;
    println!("{}", zip(&dist.join("CLAT"), arch, &dist)?.display());
    println!("{}", sbom::write(arch.sbom_target(), &dist)?.display());
    match &options.release_url {
        Some(url) => println!("{}", winget::write(&msi, arch, url, &dist)?.display()),
        None => eprintln!("no manifest for winget: it needs the place of the release (--release-url URL)"),
    }
    println!("{}", msi.display());
    Ok(())
}

/// Builds the MSI of a version in a folder, beside the folder `CLAT` with what is in it.
pub(crate) fn build(exe: &Path, arch: Arch, version: &str, dist: &Path) -> Result<PathBuf> {
    arch.check(exe)?;
    let payload = payload::collect(exe, arch, &dist.join("CLAT"))?;
    msi::build(&payload, arch, version, &dist.join(format!("clat-{version}-{}.msi", arch.word())))
}

/// The same files for whoever wants no installer.
fn zip(payload: &Path, arch: Arch, dist: &Path) -> Result<PathBuf> {
    let path = dist.join(format!("clat-{}-{}.zip", version(), arch.word()));
    if path.exists() {
        // zip would add to it.
        fs::remove_file(&path)?;
    }
    let folder = payload.file_name().context("a payload without a name")?;
    let files = stamp::names(payload)?.into_iter().map(|name| Path::new(folder).join(name));
    run(Command::new("zip").current_dir(dist).env("TZ", "UTC").args(["-q", "-X"]).arg(&path).args(files))?;
    Ok(path)
}
