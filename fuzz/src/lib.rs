//! What the targets share: an input is a few octets of configuration, then a packet that is made
//! plausible ([`clat_model::mend`]), because no fuzzer guesses a checksum.
//!
//! ```text
//! | prefix, policy | MTUs | what is not mended | packet ...
//! ```

pub mod program;
pub mod shell;

// The program is no library: what it reads from others is compiled in as it is, under the names that it has
// there, and most of it is not called.
#[allow(dead_code)]
#[path = "../../clat-cli/src/config/file.rs"]
mod config_file;
#[allow(dead_code)]
mod control;
#[allow(dead_code)]
#[path = "../../clat-cli/src/metrics.rs"]
mod metrics;
#[allow(dead_code, unused_imports)]
#[path = "../../clat-linux/src/netlink/mod.rs"]
mod netlink;
#[allow(dead_code, unused_imports)]
#[path = "../../clat-cli/src/pcap/mod.rs"]
mod pcap;
#[allow(dead_code)]
mod status;
#[allow(dead_code)]
#[path = "../../clat-linux/src/watch/mod.rs"]
mod watch;

#[path = "../../clat-core/tests/common/mod.rs"]
mod common;

use clat_core::{ClatMap, Parts, QueueState, Translator, Verdict};
use clat_model::build::LOCAL_V4;
use clat_model::judge::Did;
use clat_model::mend::{Ends, Leave, mend};
use clat_model::{Config, Row};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

/// Octets in front of the packet.
pub const CONTROL: usize = 3;

/// An input taken apart.
#[derive(Debug)]
pub struct Case {
    pub config: Config,
    pub leave: Leave,
    pub packet: Vec<u8>,
}

impl Case {
    /// `None` where there is nothing to translate. The packet is as it came.
    pub fn raw(data: &[u8]) -> Option<Self> {
        let (control, packet) = data.split_first_chunk::<CONTROL>()?;
        let config = config(control[0], control[1]);
        Some(Self { config, leave: Leave(control[2]), packet: packet.get(..8192).unwrap_or(packet).to_vec() })
    }

    /// The packet made plausible.
    pub fn mended(data: &[u8]) -> Option<Self> {
        Self::mended_by(data, mend)
    }

    /// The packet made plausible in this way.
    pub fn mended_by(data: &[u8], mend: fn(&mut [u8], Leave, Ends)) -> Option<Self> {
        let mut case = Self::raw(data)?;
        mend(&mut case.packet, case.leave, Ends::of(&case.config));
        Some(case)
    }

    pub fn translator(&self) -> Translator<ClatMap<4>> {
        common::translator(&self.config)
    }

    /// What the core does with the packet.
    pub fn did(&self) -> Did {
        common::did(self.translator().translate(&self.packet, &mut state()))
    }
}

/// A translator of each configuration, made once.
pub fn prepared(first: u8, second: u8) -> &'static (Translator<ClatMap<4>>, Ends) {
    static ALL: OnceLock<Vec<(Translator<ClatMap<4>>, Ends)>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let configs = (0..=u16::MAX).step_by(7).map(|i| config(i.to_be_bytes()[0], i.to_be_bytes()[1]));
        configs.map(|c| (common::translator(&c), Ends::of(&c))).collect()
    });
    &all[usize::from(u16::from_be_bytes([first, second])) / 7]
}

/// Looks at every byte of a verdict without keeping any.
pub fn drain(verdict: Verdict<'_>) {
    let look = |parts: Parts<'_>| {
        let slices = parts.slices();
        assert_eq!(slices.iter().map(|s| s.len()).sum::<usize>(), parts.len());
        assert!(parts.len() >= 20, "not even a header");
        let sent =
            if slices[0][0] >> 4 == 4 { [slices[0][2], slices[0][3]] } else { [slices[0][4], slices[0][5]] };
        let header = if slices[0][0] >> 4 == 4 { 0 } else { 40 };
        assert_eq!(header + usize::from(u16::from_be_bytes(sent)), parts.len(), "length of the header");
    };
    match verdict {
        Verdict::Forward(parts) | Verdict::Reply(parts, _) => look(parts),
        Verdict::Fragment(pieces) => pieces.for_each(look),
        Verdict::Drop(_) => {}
        Verdict::Segment => panic!("Segment for a packet without segments"),
    }
}

pub fn state() -> QueueState {
    static SEEDED: OnceLock<QueueState> = OnceLock::new();
    SEEDED.get_or_init(common::state).clone()
}

/// A verdict in plain types, its parts read in every way.
pub fn did(verdict: Verdict<'_>) -> Did {
    common::did(verdict)
}

/// Panics when a packet that leaves is malformed in the eyes of etherparse and smoltcp.
pub fn judge_output(case: &Case, did: &Did) {
    for packet in &did.forwarded {
        let mtu = match packet[0] >> 4 {
            6 => case.config.v6_mtu.max(1280),
            _ => case.config.v4_mtu.max(68),
        };
        assert!(packet.len() <= mtu as usize, "{} bytes, MTU {mtu}", packet.len());
    }
    if let Some(reply) = &did.replied {
        common::judges::is_well_formed(reply);
        assert_eq!(common::judges::smoltcp_verifies(reply), Some(true));
    }
    let right = common::judges::smoltcp_verifies(&case.packet) == Some(true);
    if let ([packet], true) = (did.forwarded.as_slice(), right) {
        assert_ne!(common::judges::smoltcp_verifies(packet), Some(false), "a right checksum became wrong");
    }
}

fn config(first: u8, second: u8) -> Config {
    const PREFIXES: [([u16; 6], u8); 8] = [
        ([0x64, 0xff9b, 0, 0, 0, 0], 96),
        ([0x64, 0xff9b, 0, 0, 0, 0], 96),
        ([0x2001, 0xdb8, 0x122, 0x344, 0, 0], 96),
        ([0x2001, 0xdb8, 0x122, 0x344, 0, 0], 64),
        ([0x2001, 0xdb8, 0x122, 0x300, 0, 0], 56),
        ([0x2001, 0xdb8, 0x122, 0, 0, 0], 48),
        ([0x2001, 0xdb8, 0x100, 0, 0, 0], 40),
        ([0x2001, 0xdb8, 0, 0, 0, 0], 32),
    ];
    const MTUS: [u32; 4] = [1500, 1280, 1300, 70_000];
    const V4_MTUS: [u32; 4] = [1500, 576, 68, 70_000];
    let ([a, b, c, d, e, f], len) = PREFIXES[usize::from(first & 7)];
    let local = Ipv6Addr::new(0x2001, 0x470, 0x464, 0, 0, 0, 0, 0x464);
    let mut config = Config::host((Ipv6Addr::new(a, b, c, d, e, f, 0, 0), len), LOCAL_V4, local);
    config.drop_udp_zero = first & 8 != 0;
    config.drop_private = first & 16 != 0;
    config.native_source = config.native_source.filter(|_| first & 32 == 0);
    config.errors = first & 64 == 0;
    if first & 128 != 0 {
        let v6 = Ipv6Addr::new(0x2001, 0x470, 0xeeee, 0, 0, 0, 0, 0);
        config.rows.push(Row { v4: Ipv4Addr::new(203, 0, 113, 0), v4_len: 24, v6, v6_len: 120 });
    }
    config.v6_mtu = MTUS[usize::from(second & 3)];
    config.v4_mtu = V4_MTUS[usize::from(second >> 2 & 3)];
    config.lowest_v6_mtu = MTUS[usize::from(second >> 4 & 3)];
    config.tos = (second & 64 != 0).then_some(second);
    config
}
