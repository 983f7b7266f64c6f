//! Text as the configuration file.
#![no_main]

use clat_fuzz::program::config_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| config_file(text));
