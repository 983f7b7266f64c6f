//! `demo`, `explain`, `completions` and `man` as processes.
#![allow(clippy::unwrap_used, reason = "a test says where it fails")]

mod util;

use clat_model::build::V4;
use std::fs;
use std::process::Stdio;
use util::{capture, folder, program, run, run_with_input};

fn hex(packet: &[u8]) -> String {
    packet.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn demo_works_and_is_the_same_every_time() {
    let said = run(&["demo"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let text = said.text();
    for part in
        ["200 OK", "3 of 3 answered", "the CLAT itself", "the same 4000 bytes came back", "All of it worked."]
    {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains('\x1b'), "colours without a terminal");
    assert_eq!(run(&["demo"]).text(), text);
    assert_eq!(run(&["demo", "--seed", "7"]).code, 0);
}

#[test]
fn explain_takes_a_packet_from_anywhere() {
    let folder = folder("explain");
    let packet = V4::out().udp(5000, 53, b"question");
    let (file, pcap) = (folder.join("packet.hex"), folder.join("in.pcap"));
    fs::write(&file, hex(&packet)).unwrap();
    fs::write(&pcap, capture(101, &[V4::out().ttl(1).udp(1, 2, b""), packet.clone()])).unwrap();
    let (file, pcap) = (file.to_str().unwrap(), pcap.to_str().unwrap());
    let expected = run(&["explain", &hex(&packet)]);
    assert_eq!(expected.code, 0, "{}", expected.err);
    assert!(expected.text().starts_with("IPv4 to IPv6: 36 bytes become 56"), "{}", expected.text());
    for said in [
        run(&["explain", "--file", file]),
        run(&["explain", "--pcap", pcap, "--packet", "2"]),
        run_with_input(&["explain", "--file", "-"], hex(&packet).as_bytes()),
    ] {
        assert_eq!((said.code, &said.out), (0, &expected.out), "{}", said.err);
    }
    let dropped = run(&["explain", "--pcap", pcap]);
    assert_eq!(dropped.code, 0, "a drop is an answer");
    assert!(dropped.text().contains("drop hop_limit (RFC 7915 sections 4.1 and 5.1)"), "{}", dropped.text());
}

#[test]
fn explain_says_what_is_wrong_with_its_input() {
    let folder = folder("explain-usage");
    let pcap = folder.join("in.pcap");
    fs::write(&pcap, capture(101, &[V4::out().udp(1, 2, b"")])).unwrap();
    let pcap = pcap.to_str().unwrap();
    for (args, part) in [
        (&["explain"][..], "HEX"),
        (&["explain", "xyz"], "is not a whole number of hex bytes"),
        (&["explain", "--file", "/nonexistent"], "cannot be read"),
        (&["explain", "--pcap", pcap, "--packet", "2"], "holds 1 packets, none is number 2"),
        (&["explain", "--packet", "2", "45"], "cannot be used with"),
    ] {
        let said = run(args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.err);
        assert!(said.err.contains(part), "{args:?}: {}", said.err);
    }
}

#[test]
fn completions_and_man_know_every_command() {
    let man = run(&["man"]);
    let help = run(&["--help"]).text();
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names: Vec<&str> = listed
        .lines()
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "))
        .map(|l| l.split_whitespace().next().unwrap())
        .collect();
    assert!(names.contains(&"translate") && names.contains(&"demo"), "{names:?}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completions", shell]).text();
        for name in &names {
            assert!(script.contains(name), "{shell} does not know {name}");
        }
    }
    let page = man.text().to_uppercase();
    for name in names.iter().filter(|n| **n != "help") {
        assert!(
            page.contains(&format!("CLAT-CLI {}", name.to_uppercase())),
            "the manual does not know {name}"
        );
    }
}

#[test]
fn a_reader_that_had_enough_is_no_error() {
    for args in [&["demo"][..], &["man"], &["completions", "bash"]] {
        let mut command = program();
        let command = command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && err.is_empty(), "{args:?}: {err}");
    }
}

#[test]
fn nobody_reading_standard_error_is_no_crash() {
    for (args, code) in [(&["explain", "xyz"][..], 2), (&["explain", "--file", "/nonexistent"], 2)] {
        let mut command = program();
        let mut child = command.args(args).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}");
    }
}

#[test]
fn help_and_version_end_with_0_and_nonsense_with_2() {
    assert_eq!(run(&["--help"]).code, 0);
    assert!(run(&["--version"]).text().starts_with("clat-cli "));
    assert_eq!(run(&["nonsense"]).code, 2);
    assert_eq!(run::<&str>(&[]).code, 2);
}
