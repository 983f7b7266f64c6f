//! A packet field by field, for people. It reads what there is, however broken, and says `cut off`
//! where there is no more; it decides nothing.
//!
//! # Layout
//!
//! - [`slot`]: the fields, each in the place where both families have it.
//! - `ip`, `transport`, `icmp`: from bytes to fields.
//! - `sum`: whether checksums are right.

mod icmp;
mod ip;
pub(crate) mod slot;
mod sum;
mod transport;

use slot::Slot;

/// A field of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// 0 for the packet itself, 1 for the packet quoted in an ICMP error.
    pub(crate) depth: u8,
    /// Which field.
    pub(crate) slot: Slot,
    /// Its value.
    pub(crate) value: String,
}

/// The fields of a packet, in the order of their slots, those of a quoted packet behind.
pub(crate) fn dissect(packet: &[u8]) -> Vec<Field> {
    let mut fields = Fields { list: Vec::new(), depth: 0 };
    ip::packet(&mut fields, packet, false);
    fields.list
}

/// `IPv4`, `IPv6` or what else the first byte says.
pub(crate) fn family(packet: &[u8]) -> &'static str {
    match packet.first().map(|b| b >> 4) {
        Some(4) => "IPv4",
        Some(6) => "IPv6",
        _ => "unknown",
    }
}

/// Fields being collected.
struct Fields {
    list: Vec<Field>,
    depth: u8,
}

impl Fields {
    fn put(&mut self, slot: Slot, value: impl Into<String>) {
        self.list.push(Field { depth: self.depth, slot, value: value.into() });
    }

    /// A field that is there only when its bytes are.
    fn put_some(&mut self, slot: Slot, value: Option<impl Into<String>>) {
        match value {
            Some(value) => self.put(slot, value),
            None => self.put(slot, "cut off"),
        }
    }
}

fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    fn value(fields: &[Field], depth: u8, slot: Slot) -> Option<&str> {
        fields.iter().find(|f| f.depth == depth && f.slot == slot).map(|f| f.value.as_str())
    }

    fn tcp_v4() -> Vec<u8> {
        let mut packet = Vec::new();
        PacketBuilder::ipv4([192, 0, 0, 1], [198, 51, 100, 10], 64)
            .tcp(40_000, 80, 7, 1000)
            .syn()
            .write(&mut packet, b"hello")
            .unwrap();
        packet
    }

    #[test]
    fn every_field_of_a_tcp_segment() {
        let fields = dissect(&tcp_v4());
        for (slot, expected) in [
            (Slot::Version, "4"),
            (Slot::Length, "45 in all"),
            (Slot::Hops, "64"),
            (Slot::Protocol, "6 (TCP)"),
            (Slot::Source, "192.0.0.1"),
            (Slot::SourcePort, "40000"),
            (Slot::TcpFlags, "SYN"),
            (Slot::Payload, "5 bytes"),
        ] {
            assert_eq!(value(&fields, 0, slot), Some(expected), "{slot:?}");
        }
        for slot in [Slot::HeaderChecksum, Slot::Checksum] {
            assert!(value(&fields, 0, slot).unwrap().ends_with("right"), "{slot:?}");
        }
        assert!(fields.is_sorted_by_key(|f| (f.depth, f.slot)), "{fields:?}");
    }

    #[test]
    fn a_quoted_packet_is_one_level_deeper() {
        let quoted = tcp_v4();
        let mut packet = Vec::new();
        PacketBuilder::ipv4([198, 51, 100, 1], [192, 0, 0, 1], 60)
            .icmpv4_raw(3, 4, [0, 0, 5, 0])
            .write(&mut packet, &quoted[..28])
            .unwrap();
        let fields = dissect(&packet);
        assert_eq!(value(&fields, 0, Slot::Mtu), Some("1280"));
        assert_eq!(value(&fields, 1, Slot::Source), Some("192.0.0.1"));
        assert_eq!(value(&fields, 1, Slot::DestinationPort), Some("80"));
        assert_eq!(value(&fields, 1, Slot::Window), Some("cut off"));
        assert!(value(&fields, 1, Slot::Length).unwrap().starts_with("45"), "the original's length");
    }

    #[test]
    fn nothing_is_too_broken() {
        let mut packets = vec![tcp_v4(), vec![0x60; 200], vec![0x45; 200], vec![0xff; 64]];
        let mut chain = vec![0x60, 0, 0, 0, 0, 200, 0, 64];
        chain.extend([0; 32]);
        chain.extend([60, 0, 0, 0, 0, 0, 0, 0].repeat(20));
        packets.push(chain);
        for packet in packets {
            for len in 0..=packet.len() {
                for flip in [0, 0xff] {
                    let mut cut = packet[..len].to_vec();
                    if let Some(b) = cut.last_mut() {
                        *b ^= flip;
                    }
                    let fields = dissect(&cut);
                    assert!(fields.len() < 80, "{fields:?}");
                }
            }
        }
    }
}
