//! The program as a process, captures as bytes, and tshark as the judge.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test says where it fails")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The addresses that `clat_model::build` takes for granted.
pub(crate) const ADDRESSES: [&str; 6] =
    ["--pref64", "64:ff9b::/96", "--clat-v4", "192.0.0.1", "--clat-v6", "2001:db8::464"];

/// What the program said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let err = String::from_utf8(output.stderr).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: output.stdout, err }
    }
}

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_clat-cli"))
}

/// Runs the program with an empty standard input.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Said {
    program().args(args).stdin(Stdio::null()).output().unwrap().into()
}

/// Runs the program with these bytes on standard input.
pub(crate) fn run_with_input<S: AsRef<std::ffi::OsStr>>(args: &[S], input: &[u8]) -> Said {
    let mut command = program();
    let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // It may have read enough.
        let _ = stdin.write_all(&input);
    });
    let said = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    said
}

/// A folder of this test's own, empty.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A classic capture: little endian, microseconds, packet `n` at `n` seconds and `n` microseconds.
pub(crate) fn capture<P: AsRef<[u8]>>(link: u32, packets: &[P]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link] {
        file.extend(u32::to_le_bytes(word));
    }
    for (n, packet) in (0_u32..).zip(packets) {
        let len = u32::try_from(packet.as_ref().len()).unwrap();
        for word in [n, n, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet.as_ref());
    }
    file
}

/// Seconds, fraction and bytes of each record of a raw-IP classic capture as the program writes it.
pub(crate) fn records(file: &[u8]) -> Vec<(u32, u32, Vec<u8>)> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert!([0xa1b2_c3d4, 0xa1b2_3c4d].contains(&word(0)), "magic {:x}", word(0));
    assert_eq!((word(4), word(20)), (0x0004_0002, 101), "version and link type");
    let (mut at, mut records) = (24, Vec::new());
    while at < file.len() {
        let len = word(at + 8) as usize;
        assert_eq!(word(at + 8), word(at + 12), "captured whole");
        records.push((word(at), word(at + 4), file[at + 16..at + 16 + len].to_vec()));
        at += 16 + len;
    }
    records
}

/// The packets of such a capture.
pub(crate) fn packets(file: &[u8]) -> Vec<Vec<u8>> {
    records(file).into_iter().map(|r| r.2).collect()
}

/// Translates a capture held in memory; the second is what was written.
pub(crate) fn translate(test: &str, input: &[u8], extra: &[&str]) -> (Said, Vec<u8>) {
    let folder = folder(test);
    let (input_file, output_file) = (folder.join("in.pcap"), folder.join("out.pcap"));
    std::fs::write(&input_file, input).unwrap();
    let files = [input_file.to_str().unwrap(), output_file.to_str().unwrap()];
    let said = run(&[&["translate"][..], &ADDRESSES, extra, &files].concat());
    let mut written = Vec::new();
    if let Ok(mut file) = std::fs::File::open(output_file) {
        file.read_to_end(&mut written).unwrap();
    }
    (said, written)
}

/// Runs tshark; `None` where it is not installed, which fails in CI.
pub(crate) fn tshark(args: &[&str]) -> Option<String> {
    let output = match Command::new("tshark").args(args).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => {
            let ci = std::env::var_os("CI").is_some_and(|v| v == "true");
            assert!(!ci, "tshark is missing in CI: {error}");
            eprintln!("NOT TESTED: tshark cannot be started ({error}); install it to have the output judged");
            return None;
        }
    };
    assert!(output.status.success(), "tshark {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
