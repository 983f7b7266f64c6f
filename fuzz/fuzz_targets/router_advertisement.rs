//! Neighbour Discovery messages with right checksums and wrong everything else.
#![no_main]

use clat_engine::{Config, Icmpv6In, Input};
use clat_fuzz::shell::{LINK, ROUTER, Shell};
use libfuzzer_sys::fuzz_target;
use std::net::Ipv6Addr;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fuzz_target!(|data: &[u8]| {
    let Some((control, body)) = data.split_first() else { return };
    let mut message = body.get(..1500).unwrap_or(body).to_vec();
    if let Some(kind) = message.first_mut()
        && control & 1 == 0
    {
        *kind = [134, 135, 136, 129][usize::from(*kind & 3)];
    }
    clat_model::mend::sum_icmp6(&mut message, ROUTER, ALL_NODES);
    let mut shell = Shell::ready(Config::new([1; 16], 1));
    for _ in 0..2 {
        let input = Icmpv6In {
            ifindex: LINK,
            source: ROUTER,
            destination: ALL_NODES,
            hop_limit: if control & 2 == 0 { 255 } else { 64 },
            source_mac: None,
            message: &message,
        };
        shell.tell(Input::Icmpv6(input));
        shell.now += u64::from(*control) * 1000;
        shell.tell(Input::Timer);
    }
    let usable = shell.engine.prefixes().count();
    assert!(control & 2 == 0 || usable == 0, "from off the link");
    shell.stop();
});
