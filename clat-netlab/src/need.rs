//! What a scene needs of the machine.
//!
//! A scene that cannot run says so on standard error, past the capture of the test runner. With
//! `CI=true` it fails instead.

use std::io::Write as _;
use std::path::PathBuf;

/// Every scene needs these.
const ALWAYS: [&str; 5] = ["ip", "tayga", "curl", "ping", "unshare"];

/// Whether the scene can run here. `tools` are the programs it needs beside the usual ones.
///
/// # Panics
/// When something is missing and `CI` is `true`.
#[must_use]
pub fn met(scene: &str, tools: &[&str]) -> bool {
    let mut missing: Vec<String> = ALWAYS
        .iter()
        .chain(tools)
        .filter(|tool| find_program(tool).is_none())
        .map(|tool| format!("the program {tool}"))
        .collect();
    if !rustix::process::geteuid().is_root() {
        missing.push("root".into());
    }
    if !PathBuf::from("/dev/net/tun").exists() {
        missing.push("/dev/net/tun".into());
    }
    if missing.is_empty() {
        return true;
    }
    let word = format!("scene {scene} CANNOT RUN here, missing: {}", missing.join(", "));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{word} (CI=true makes this a failure)");
    say(&word);
    false
}

/// As [`met`], for a scene with `--source pcap`: the program is built with libpcap for it.
///
/// # Panics
/// As [`met`].
#[must_use]
pub fn met_frames(scene: &str, tools: &[&str]) -> bool {
    if crate::clat::has_libpcap() {
        return met(scene, tools);
    }
    let word = format!("scene {scene} CANNOT RUN here, missing: the headers of libpcap (libpcap-dev)");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{word} (CI=true makes this a failure)");
    say(&word);
    false
}

/// Writes a line to standard error even while the test runner captures output.
pub fn say(line: &str) {
    // Nothing is left to do when standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "netlab: {line}");
}

/// The program's path, looked for in `PATH` and in the administrator's folders.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
