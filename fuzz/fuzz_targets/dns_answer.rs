//! Answers to the query for ipv4only.arpa: compression loops, counts that lie, records of every kind.
#![no_main]

use clat_engine::{Action, Config, Input, Instant};
use clat_fuzz::shell::{LINK, Shell};
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv6Addr};

const SERVER: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x53));

fuzz_target!(|data: &[u8]| {
    let mut shell = Shell::ready(Config::new([1; 16], 1));
    shell.engine.handle_input(
        Instant::from_millis(shell.now),
        Input::Resolvers { ifindex: LINK, servers: &[SERVER] },
    );
    let mut query = None;
    for _ in 0..60 {
        while let Some(action) = shell.engine.poll_action() {
            if let Action::QueryDns(q) = action {
                query = Some(q);
            }
        }
        if query.is_some() {
            break;
        }
        shell.now += 1000;
        shell.engine.handle_input(Instant::from_millis(shell.now), Input::Timer);
    }
    let Some(query) = query else { return };
    // The question and the identifier come back as they were; what follows is the input.
    let mut message = query.message.to_vec();
    let (control, body) = data.split_first_chunk::<8>().map_or(([0; 8], data), |(c, b)| (*c, b));
    if control[0] & 1 == 0 {
        message[2..12].copy_from_slice(&[
            0x81,
            0x80,
            0,
            1,
            0,
            control[1] & 7,
            0,
            control[2] & 3,
            0,
            control[3] & 3,
        ]);
    } else {
        message[2..10].copy_from_slice(&control);
    }
    message.extend(body);
    shell.tell(Input::DnsReply { server: query.server, message: &message });
    shell.stop();
});
