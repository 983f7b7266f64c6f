//! The registry value in which the DHCP client of Windows keeps a lease: records that lie about their length.
#![no_main]

use clat_engine::{Config, Input};
use clat_fuzz::shell::{LINK, Shell, link};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((now, options)) = data.split_first_chunk::<4>() else { return };
    let unix_s = u32::from_le_bytes(*now).into();
    let mut shell = Shell::ready(Config::new([1; 16], 1));
    shell.tell(Input::Link(link(true, 1500)));
    shell.tell(Input::Dhcp4Lease { ifindex: LINK, options, unix_s });
    let wait = shell.engine.status().v6_only_wait_s;
    // RFC 8925 section 3.4: no client waits less than five minutes.
    assert!(wait.is_none_or(|wait| wait >= 300));
    // What lies behind the last whole record changes nothing.
    let longer = [options, &[0xff; 3]].concat();
    shell.tell(Input::Dhcp4Lease { ifindex: LINK, options: &longer, unix_s });
    assert!(wait.is_none() || shell.engine.status().v6_only_wait_s == wait);
    shell.stop();
});
