//! Datagrams of the kernel about links, addresses, routes and options.
#![no_main]

use clat_fuzz::program::netlink_events;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| netlink_events(data));
