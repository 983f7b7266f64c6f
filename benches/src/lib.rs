//! The packets that are measured, each as it comes from a device, and what they are measured against.

#![forbid(unsafe_code)]

pub mod floor;
mod packets;

use clat_core::{ClatMap, Csum, EamRow, EamTable, Gso, GsoKind, Offload, Policy, Pref64, Translator};
use core::net::{Ipv4Addr, Ipv6Addr};
use floor::Floor;
use packets::{checksummed, icmp, pseudo_v6, transport, v4, v6};

/// The host's IPv4 address.
pub const LOCAL_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
/// The CLAT's IPv6 address.
pub const LOCAL_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x464);
/// The server, as the host knows it.
pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// Room before a packet that is translated in place.
pub const HEADROOM: usize = 64;

/// Most rows of a measured table of explicit mappings.
pub const MAX_ROWS: usize = 4096;

/// The server, as the network knows it.
#[must_use]
pub const fn server_v6() -> Ipv6Addr {
    Pref64::WELL_KNOWN.embed(SERVER_V4)
}

/// The translator of a host.
#[must_use]
pub fn translator() -> Translator<ClatMap> {
    Translator::new(ClatMap::host(Pref64::WELL_KNOWN, LOCAL_V4, LOCAL_V6), Policy::new())
}

/// What does the same as [`translator`], but only for packets that are in order.
#[must_use]
pub fn floor() -> Floor {
    Floor::new(Pref64::WELL_KNOWN, LOCAL_V4, LOCAL_V6)
}

/// A packet and what the device says about it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the tables.
    pub name: &'static str,
    /// The bytes.
    pub packet: Vec<u8>,
    /// Checksum and segmentation state.
    pub offload: Offload,
}

impl Case {
    fn new(name: &'static str, packet: Vec<u8>) -> Self {
        Self { name, packet, offload: Offload::NONE }
    }

    /// TCP or UDP with its transport header at `start`.
    fn super_packet(name: &'static str, packet: Vec<u8>, start: u16, kind: GsoKind) -> Self {
        let (offset, header_len) = if kind == GsoKind::Udp { (6, 8) } else { (16, 20) };
        let gso = Gso { kind, ecn: false, size: 1400, header_len: start + header_len };
        Self { name, packet, offload: Offload { csum: Csum::Partial { start, offset }, gso: Some(gso) } }
    }

    /// Whether it is IPv4.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        self.packet[0] >> 4 == 4
    }

    /// Whether the floor handles it: whole TCP, UDP and echoes.
    #[must_use]
    pub fn has_floor(&self) -> bool {
        ["tcp", "udp", "echo"].iter().any(|kind| self.name[3..].starts_with(kind))
    }

    /// The translation by the floor, of the packet at [`HEADROOM`] of `buf`.
    pub fn floor(&self, floor: &mut Floor, buf: &mut [u8]) {
        let partial = matches!(self.offload.csum, Csum::Partial { .. });
        if self.is_v4() {
            floor.v4_to_v6(buf, HEADROOM, partial);
        } else {
            let segment = self.offload.gso.map_or(self.packet.len() - 20, |gso| usize::from(gso.size) + 40);
            floor.v6_to_v4(buf, HEADROOM, partial, segment);
        }
    }
}

/// All cases of a host, both directions.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = cases_v4();
    cases.extend(cases_v6());
    cases
}

fn tcp(len: usize) -> Vec<u8> {
    transport(6, len, 16)
}

fn udp(len: usize) -> Vec<u8> {
    transport(17, len, 6)
}

fn cases_v4() -> Vec<Case> {
    let packet = |protocol, payload: &[u8]| v4(protocol, LOCAL_V4, SERVER_V4, payload);
    let error = icmp(11, &v4(17, SERVER_V4, LOCAL_V4, &udp(28)), 0);
    let mut fragment = packet(17, &udp(1024));
    fragment[6] = 0x20;
    vec![
        Case::new("v4_udp_64", packet(17, &udp(44))),
        Case::new("v4_udp_1400", packet(17, &udp(1380))),
        Case::super_packet("v4_udp_64k", packet(17, &udp(65000)), 20, GsoKind::Udp),
        Case::new("v4_tcp_64", packet(6, &tcp(44))),
        Case::new("v4_tcp_576", packet(6, &tcp(556))),
        Case::new("v4_tcp_1400", packet(6, &tcp(1380))),
        Case::super_packet("v4_tcp_64k", packet(6, &tcp(65000)), 20, GsoKind::TcpV4),
        Case::new("v4_echo_64", packet(1, &icmp(8, &[0; 36], 0))),
        Case::new("v4_echo_1400", packet(1, &icmp(8, &[0; 1372], 0))),
        Case::new("v4_error", packet(1, &error)),
        Case::new("v4_fragment", checksummed(fragment)),
    ]
}

fn cases_v6() -> Vec<Case> {
    let packet = |next_header, payload: &[u8]| v6(next_header, server_v6(), LOCAL_V6, payload);
    let echo = |len: u32| icmp(128, &vec![0; len as usize - 8], pseudo_v6(len));
    let error = icmp(3, &v6(17, LOCAL_V6, server_v6(), &udp(28)), pseudo_v6(76));
    let extended = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp(64)].concat();
    let fragment = [&[17, 0, 0, 1, 0, 0, 0, 9][..], &udp(1024)].concat();
    vec![
        Case::new("v6_udp_64", packet(17, &udp(44))),
        Case::new("v6_udp_1400", packet(17, &udp(1380))),
        Case::super_packet("v6_udp_64k", packet(17, &udp(65000)), 40, GsoKind::Udp),
        Case::new("v6_tcp_64", packet(6, &tcp(44))),
        Case::new("v6_tcp_576", packet(6, &tcp(556))),
        Case::new("v6_tcp_1400", packet(6, &tcp(1380))),
        Case::super_packet("v6_tcp_64k", packet(6, &tcp(65000)), 40, GsoKind::TcpV6),
        Case::new("v6_echo_64", packet(58, &echo(44))),
        Case::new("v6_echo_1400", packet(58, &echo(1380))),
        Case::new("v6_error", packet(58, &error)),
        Case::new("v6_fragment", packet(44, &fragment)),
        Case::new("v6_extensions", packet(0, &extended)),
    ]
}

/// `rows` blocks of 16 addresses, and packets for one in the middle.
fn table(rows: u16, names: [&'static str; 2]) -> Table {
    let host = |row: u16, host: u16| {
        let [hi, lo] = (row * 16 + host).to_be_bytes();
        (Ipv4Addr::new(10, 0, hi, lo), Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, row, host))
    };
    let mut map = ClatMap::from_parts(Pref64::WELL_KNOWN, EamTable::new());
    for row in 0..rows {
        let (v4, v6) = host(row, 0);
        let added = EamRow::new(v4, 28, v6, 124).and_then(|row| map.insert(row));
        debug_assert_eq!(added, Ok(()), "row {row}");
    }
    let (local_v4, local_v6) = host(rows / 2, 5);
    let cases = [
        Case::new(names[0], v4(6, local_v4, SERVER_V4, &tcp(44))),
        Case::new(names[1], v6(6, server_v6(), local_v6, &tcp(44))),
    ];
    (Box::new(Translator::new(map, Policy::new())), cases)
}

/// Rows of a table, and what its cases are called.
const TABLES: [(u16, [&str; 2]); 3] =
    [(1, ["v4_eam_1", "v6_eam_1"]), (64, ["v4_eam_64", "v6_eam_64"]), (4096, ["v4_eam_4096", "v6_eam_4096"])];

/// A translator with a table of explicit mappings, and a TCP packet of each direction for it.
pub type Table = (Box<Translator<ClatMap<MAX_ROWS>>>, [Case; 2]);

/// All tables that are measured.
pub fn tables() -> impl Iterator<Item = Table> {
    TABLES.into_iter().map(|(rows, names)| {
        // A table passes through the stack on its way to the heap.
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        let built = thread.spawn(move || table(rows, names)).expect("a thread");
        built.join().expect("a table")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clat_core::{AddressMap, QueueState, Verdict};

    fn forwarded<M: AddressMap>(translator: &Translator<M>, case: &Case) -> Vec<u8> {
        let verdict = translator.translate_offloaded(&case.packet, case.offload, &mut QueueState::new(1));
        let Verdict::Forward(parts) = verdict else { panic!("{}: {verdict:?}", case.name) };
        parts.slices().concat()
    }

    #[test]
    fn every_case_is_translated() {
        for (translator, cases) in tables() {
            assert_eq!(cases.map(|case| forwarded(&translator, &case).len()), [84, 64]);
        }
        for case in cases() {
            assert!(!forwarded(&translator(), &case).is_empty());
        }
    }

    /// IPv4 identification and header checksum aside.
    #[test]
    fn the_floor_says_the_same() {
        let mut floor = floor();
        for case in cases().iter().filter(|case| case.has_floor()) {
            let mut ours = forwarded(&translator(), case);
            let mut buf = [&[0; HEADROOM][..], &case.packet].concat();
            case.floor(&mut floor, &mut buf);
            let mut floors = buf.split_off(if case.is_v4() { HEADROOM - 20 } else { HEADROOM + 20 });
            if !case.is_v4() {
                assert_eq!(checksummed(floors.clone()), floors, "{}", case.name);
                for packet in [&mut ours, &mut floors] {
                    packet[4..6].fill(0);
                    packet[10..12].fill(0);
                }
            }
            assert_eq!(ours, floors, "{}", case.name);
        }
    }
}
