//! `run`, `status`, `stop` and `doctor` where nothing runs: what they say, and how they end.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]
use std::path::PathBuf;
use std::process::{Command, Output};

fn clat(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clat-cli")).args(args).env_remove("CLAT_LOG").output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("clat-words-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn arg(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn no_configure_needs_the_addresses_by_hand() {
    let output = clat(&["run", "--no-configure"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("--pref64"), "{}", err(&output));
}

#[test]
fn an_unknown_key_is_shown_where_it_stands() {
    let folder = Folder::new("config");
    let file = folder.file("clat.toml", "tun = \"clat0\"\nmut = 1400\n");
    let output = clat(&["run", "--config", &file]);
    assert_eq!(output.status.code(), Some(2));
    let text = err(&output);
    assert!(text.contains("line 2") && text.contains("^^^") && text.contains("mut"), "{text}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = clat(&["run", "--config", "/no/such/clat.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("/no/such/clat.toml"), "{}", err(&output));
}

#[cfg(not(feature = "live"))]
#[test]
fn a_build_without_libpcap_says_what_to_do() {
    let folder = Folder::new("frames");
    let output = clat(&["run", "--source", "pcap", "--uplink", "lo", "--state-dir", folder.arg()]);
    assert_eq!(output.status.code(), Some(1));
    let word = "--source pcap: this program was built without live capture: \
                cargo build --features live, which needs libpcap-dev";
    assert!(err(&output).contains(word), "{}", err(&output));
}

#[test]
fn status_of_nothing_is_stopped() {
    let folder = Folder::new("status");
    let output = clat(&["status", "--json", "--state-dir", folder.arg()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), r#"{"state":"stopped"}"#);
}

#[test]
fn stopping_nothing_is_done_already() {
    let folder = Folder::new("stop");
    let output = clat(&["stop", "--state-dir", folder.arg()]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn doctor_ends_with_the_code_of_its_first_fault() {
    let folder = Folder::new("doctor");
    let output = clat(&["doctor", "--json", "--state-dir", folder.arg()]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["code"].as_i64(), output.status.code().map(i64::from));
    assert_eq!(report["ok"], false);
    let first = report["checks"].as_array().unwrap().iter().find(|c| c["severity"] == "fault").unwrap();
    assert_eq!(first["code"], report["code"]);
    assert!(first["advice"].is_string());
}
