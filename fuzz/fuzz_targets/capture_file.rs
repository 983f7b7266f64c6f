//! Captures, pcap and pcapng.
#![no_main]

use clat_fuzz::program::capture_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| capture_file(data));
