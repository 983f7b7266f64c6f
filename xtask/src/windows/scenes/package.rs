//! The MSI under a plain Wine: no stand-ins, not even for the DLL of random numbers. Install, every command, repair,
//! upgrade, refusal of an older package, uninstall; nothing is left.

use super::Stage;
use super::service::keep_session;
use super::stage::said;
use crate::package::{self, Arch};
use anyhow::{Context, Result, bail, ensure};
use clat_netlab::{Lab, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

const SERVICE_KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\clat";
const EVENT_KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\CLAT";
const PATH_KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment";
const PRODUCTS_KEY: &str = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall";

/// Where the program is.
const INSTALLED: &str = r"C:\Program Files\CLAT\clat-cli.exe";

/// Commands with their exit codes and a piece of what they say where Wine's half of IP Helper is all there is.
const COMMANDS: [(&[&str], i32, &str); 8] = [
    (&["status"], 0, "the service cannot begin, and tries again by itself: this system cannot set addresses"),
    (&["status", "--json"], 0, r#""reason":"cannot-start""#),
    (&["doctor"], 12, "BAD  ip-helper"),
    (&["discover"], 1, "no NAT64 prefix on any interface"),
    (&["run", "--dry-run"], 1, "nothing would be translated"),
    (&["run", "--log", "warn"], 1, "functions of IP Helper are missing"),
    (&["demo"], 0, "200 OK"),
    (&["--help"], 0, "Usage: clat-cli.exe"),
];

pub(super) fn msi(exe: &Path) -> Result<()> {
    let stage = Stage::plain(Lab::builder().build()?)?;
    let mut session = keep_session(&stage)?;
    let result = scene(&stage, exe);
    session.kill()?;
    session.wait()?;
    result
}

fn scene(stage: &Stage, exe: &Path) -> Result<()> {
    ensure!(!folder(stage).exists(), "{} is there before", folder(stage).display());
    let path_before = reg(stage, PATH_KEY)?;
    let older = package::build(exe, Arch::X64, "0.0.1", stage.lab.dir())?;
    let newer = package::build(exe, Arch::X64, "0.0.2", stage.lab.dir())?;
    msiexec(stage, "/i", &older, &[])?;
    installed(stage)?;
    for (args, code, text) in COMMANDS {
        let out = command(stage, args)?;
        let all = said(&out);
        ensure!(
            out.status.code() == Some(code) && all.contains(text) && !all.contains("nimplemented"),
            "clat-cli {}: {}: {all}",
            args.join(" "),
            out.status
        );
    }
    stops_and_starts(stage)?;

    // What was lost is back after a repair; Wine's msiexec knows no /fa.
    fs::remove_file(folder(stage).join("LICENSE-MIT.txt")).context("removing a file")?;
    msiexec(stage, "/i", &older, &["REINSTALL=ALL", "REINSTALLMODE=vamus"])?;
    installed(stage)?;
    msiexec(stage, "/i", &newer, &[])?;
    installed(stage)?;
    let products = reg(stage, PRODUCTS_KEY)?.matches("The CLAT contributors").count();
    ensure!(products == 1, "{products} packages are installed after the upgrade");
    let out = msiexec_output(stage, "/i", &older, &[])?;
    ensure!(!out.status.success(), "an older package was installed over a newer one");
    installed(stage)?;

    msiexec(stage, "/x", &newer, &[])?;
    ensure!(!folder(stage).exists(), "{} is left", folder(stage).display());
    for (key, word) in [(SERVICE_KEY, "ImagePath"), (EVENT_KEY, "EventCreate"), (PRODUCTS_KEY, "CLAT")] {
        ensure!(!reg(stage, key)?.contains(word), "{word} is left in {key}");
    }
    ensure!(!reg(stage, PATH_KEY)?.contains("CLAT"), "the search path: {path_before} became another");
    Ok(())
}

/// `clat-cli stop` ends the service too, and `service start` brings it back.
fn stops_and_starts(stage: &Stage) -> Result<()> {
    for (args, state) in [(&["stop"][..], "STOPPED"), (&["service", "start"], "RUNNING")] {
        let out = command(stage, args)?;
        ensure!(out.status.success(), "clat-cli {}: {}", args.join(" "), said(&out));
        service(stage, state)?;
    }
    Ok(())
}

fn folder(stage: &Stage) -> PathBuf {
    stage.prefix().join("drive_c/Program Files/CLAT")
}

/// Everything is in its place, and the service runs.
fn installed(stage: &Stage) -> Result<()> {
    let files = [
        "clat-cli.exe",
        "wintun.dll",
        "LICENSE-WINTUN.txt",
        "LICENSE-MIT.txt",
        "LICENSE-APACHE.txt",
        "README.txt",
    ];
    for file in files {
        ensure!(folder(stage).join(file).exists(), "{file} is not installed");
    }
    ensure!(reg(stage, PATH_KEY)?.contains(r"Program Files\CLAT"), "not in the search path");
    ensure!(reg(stage, EVENT_KEY)?.contains("EventCreate.exe"), "no event source");
    service(stage, "RUNNING")
}

fn service(stage: &Stage, state: &str) -> Result<()> {
    let mut last = String::new();
    let found = wait_for(Duration::from_secs(30), || {
        let out = stage.wine_output(&["sc", "query", "clat"]).ok()?;
        last = said(&out);
        last.contains(state).then_some(())
    });
    match found {
        Some(()) => Ok(()),
        None => bail!("the service is not {state}: {last}"),
    }
}

fn command(stage: &Stage, args: &[&str]) -> Result<Output> {
    stage.wine_output(&[&[INSTALLED], args].concat())
}

fn msiexec(stage: &Stage, verb: &str, msi: &Path, properties: &[&str]) -> Result<()> {
    let out = msiexec_output(stage, verb, msi, properties)?;
    ensure!(out.status.success(), "msiexec {verb} {}: {}: {}", msi.display(), out.status, said(&out));
    Ok(())
}

fn msiexec_output(stage: &Stage, verb: &str, msi: &Path, properties: &[&str]) -> Result<Output> {
    let path = format!("Z:{}", msi.display()).replace('/', r"\");
    stage.wine_output(&[&["msiexec", verb, &path], properties, &["/qn"]].concat())
}

/// What `reg query` shows of a key and those below it; nothing when it is not there.
fn reg(stage: &Stage, key: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&stage.wine_output(&["reg", "query", key, "/s"])?.stdout).into_owned())
}
