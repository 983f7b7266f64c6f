//! What is overheard of a DHCPv4 server: options that lie about their length, and option 108 among them.
#![no_main]

use clat_engine::{Config, Input};
use clat_fuzz::shell::{LINK, Shell, link};
use libfuzzer_sys::fuzz_target;

/// Octets before the options, the cookie included (RFC 2131 section 2).
const FIXED: usize = 240;

fuzz_target!(|data: &[u8]| {
    let Some((control, body)) = data.split_first() else { return };
    let mut message = body.to_vec();
    if control & 1 == 0 {
        // A reply to this host; the input is its options.
        let mut whole = vec![0; FIXED];
        whole[..3].copy_from_slice(&[2, 1, 6]);
        whole[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        whole[236..].copy_from_slice(&[99, 130, 83, 99]);
        whole.extend(body);
        message = whole;
    }
    let mut shell = Shell::ready(Config::new([1; 16], 1));
    shell.tell(Input::Link(link(true, 1500)));
    shell.tell(Input::Dhcp4 { ifindex: LINK, message: &message });
    // RFC 8925 section 3.4: no client waits less than five minutes.
    assert!(shell.engine.status().v6_only_wait_s.is_none_or(|wait| wait >= 300));
    shell.stop();
});
