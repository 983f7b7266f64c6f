//! Lines of the control channel, and requests of a scraper.
#![no_main]

use clat_fuzz::program::control_channel;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| control_channel(data));
