//! Any sequence of events: the engine acts finitely, answers every step, and finishes when it is told to.
#![no_main]

use clat_engine::{AddressState, Config, DefaultRoute6, Icmpv6In, Input, OtherClat, ReturnPath};
use clat_fuzz::shell::{HOST, LINK, ROUTER, Shell, address, link, native, unique};
use libfuzzer_sys::fuzz_target;
use std::net::Ipv6Addr;

fuzz_target!(|data: &[u8]| {
    let Some((&[first, fail_every], mut rest)) = data.split_first_chunk::<2>() else { return };
    let mut config = Config::new([first; 16], u64::from(first));
    config.return_path =
        [ReturnPath::Proxy, ReturnPath::Announce, ReturnPath::Frames][usize::from(first % 3)];
    config.ask_dns = first & 0x40 == 0;
    config.self_test = first & 0x80 == 0;
    config.pref64 = (first & 0x20 != 0).then_some(clat_core::Pref64::WELL_KNOWN);
    let mut shell = Shell::new(config, fail_every);
    for _ in 0..200 {
        let Some((&[kind, value], after)) = rest.split_first_chunk::<2>() else { break };
        rest = after;
        event(&mut shell, &config, kind, value, &mut rest);
    }
    shell.stop();
});

fn event(shell: &mut Shell, config: &Config, kind: u8, value: u8, rest: &mut &[u8]) {
    let on = value & 1 == 1;
    let other = Ipv6Addr::from_bits(HOST.to_bits() + u128::from(value));
    match kind % 22 {
        0 => shell.tell(Input::Link(link(on, u32::from(value) * 64))),
        1 => shell.tell(Input::LinkGone(LINK)),
        2 => shell.tell(Input::Address6(address(other, state(value)))),
        3 => shell.tell(Input::Address6Gone { ifindex: LINK, addr: other }),
        4 => shell.tell(Input::Default6(DefaultRoute6 {
            ifindex: LINK,
            router: Some(ROUTER),
            metric: value.into(),
        })),
        5 => {
            shell.tell(Input::Default6Gone(DefaultRoute6 { ifindex: LINK, router: Some(ROUTER), metric: 0 }))
        }
        6 => shell.tell(Input::Default4(native(value.into()))),
        7 => shell.tell(Input::Default4Gone(native(value.into()))),
        8 => shell.tell(Input::Resync),
        9 | 10 => shell.tell(Input::Synced),
        11 => message(shell, value, rest),
        12 => {
            let option = take(rest, usize::from(value) % 24);
            shell.tell(Input::Pref64Option { ifindex: LINK, router: ROUTER, option });
        }
        13 => {
            let message = take(rest, value.into());
            shell.tell(Input::DnsReply { server: HOST.into(), message });
        }
        14 => {
            let claimed = shell.engine.status().clat_v6.unwrap_or(other);
            shell.tell(unique(claimed, on));
        }
        15 => shell.lose_device(),
        16 => shell.tell(Input::OtherClat { ifindex: LINK, other: on.then_some(OtherClat::Microsoft) }),
        17 => shell.tell(if on { Input::Suspend } else { Input::Resume }),
        18 => {
            shell.now += u64::from(value) * 100_000;
            shell.tell(Input::Timer);
        }
        19 => shell.tell(Input::PathMtu { destination: other, mtu: u32::from(value) * 32 }),
        20 => {
            let mut config = *config;
            config.force = on;
            shell.tell(Input::Reconfigure(&config));
        }
        _ => {
            shell.now += u64::from(value) * 20;
            shell.tell(Input::Timer);
        }
    }
}

fn message(shell: &mut Shell, value: u8, rest: &mut &[u8]) {
    let message = take(rest, value.into());
    let input = Icmpv6In {
        ifindex: LINK,
        source: ROUTER,
        destination: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        hop_limit: 255,
        source_mac: Some([2, 0, 0, 0, 0, 2]),
        message,
    };
    shell.tell(Input::Icmpv6(input));
}

fn state(value: u8) -> AddressState {
    match value & 3 {
        0 => AddressState::Preferred,
        1 => AddressState::Tentative,
        2 => AddressState::Deprecated,
        _ => AddressState::Duplicate,
    }
}

fn take<'d>(rest: &mut &'d [u8], len: usize) -> &'d [u8] {
    let (front, back) = rest.split_at(len.min(rest.len()));
    *rest = back;
    front
}
