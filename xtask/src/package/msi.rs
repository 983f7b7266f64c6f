//! The MSI by wixl, and by msibuild what wixl does not know.

use super::Arch;
use crate::process::{output, run};
use crate::workspace::root;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The search path: our folder is appended at installation and taken out at removal. `=-*` is set, removed, of the
/// machine; `[~]` is what is there.
const ENVIRONMENT: &str = "Environment\tName\tValue\tComponent_\r\ns72\tl255\tL255\ts72\r\n\
     Environment\tEnvironment\r\nSearchPath\t=-*PATH\t[~];[INSTALLDIR]\tProgram\r\n";

/// Actions that only the Environment table needs, at the places that Microsoft's documentation gives them.
const ACTIONS: [(&str, u32); 2] = [("WriteEnvironmentStrings", 5200), ("RemoveEnvironmentStrings", 3300)];

/// Builds the MSI from the payload's files.
pub(super) fn build(payload: &Path, arch: Arch, version: &str, msi: &Path) -> Result<PathBuf> {
    let source = root().join("packaging/windows/clat.wxs");
    run(Command::new("wixl")
        .current_dir(payload)
        .args(["-a", "x64", "-D", &format!("Version={version}"), "-o"])
        .arg(msi)
        .arg(&source))?;
    let table = msi.with_file_name("Environment.idt");
    fs::write(&table, ENVIRONMENT).context("cannot write the Environment table")?;
    run(Command::new("msibuild").arg(msi).arg("-i").arg(&table))?;
    fs::remove_file(&table)?;
    for (action, sequence) in ACTIONS {
        let query =
            format!("INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('{action}', {sequence})");
        run(Command::new("msibuild").arg(msi).args(["-q", &query]))?;
    }
    arch.template().map_or(Ok(()), |template| set_template(msi, template))?;
    Ok(msi.to_path_buf())
}

/// Says in the summary which processor the MSI is for; the rest of what msibuild sets stays as wixl wrote it.
fn set_template(msi: &Path, template: &str) -> Result<()> {
    let summary = output(Command::new("msiinfo").arg("suminfo").arg(msi))?;
    let [subject, author, code] = ["Subject: ", "Author: ", "Revision number (UUID): "]
        .map(|name| summary.lines().find_map(|l| l.strip_prefix(name)).map(str::trim));
    let (Some(subject), Some(author), Some(code)) = (subject, author, code) else {
        bail!("the MSI has another summary than expected:\n{summary}");
    };
    run(Command::new("msibuild").arg(msi).args(["-s", subject, author, template, code]))
}
