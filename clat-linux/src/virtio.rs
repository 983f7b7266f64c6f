//! The virtio-net header that travels before each packet of the TUN (virtio 1.2 section 5.1.6),
//! little-endian on every machine (`TUNSETVNETLE`).

use clat_core::{Csum, Gso, GsoKind, Offload};

/// Bytes of the header (`struct virtio_net_hdr_mrg_rxbuf`).
pub const HEADER_LEN: usize = 12;

const F_NEEDS_CSUM: u8 = 1;
const F_DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// Reads a header. `None` for a segmentation type that was never asked for (the old UDP fragmentation
/// offload).
#[must_use]
pub fn parse(header: &[u8; HEADER_LEN]) -> Option<Offload> {
    let [flags, gso_type, hl0, hl1, gs0, gs1, cs0, cs1, co0, co1, _, _] = *header;
    let csum = if flags & F_NEEDS_CSUM != 0 {
        Csum::Partial { start: u16::from_le_bytes([cs0, cs1]), offset: u16::from_le_bytes([co0, co1]) }
    } else if flags & F_DATA_VALID != 0 {
        Csum::Verified
    } else {
        Csum::Complete
    };
    let kind = match gso_type & !GSO_ECN {
        GSO_NONE => return Some(Offload { csum, gso: None }),
        GSO_TCPV4 => GsoKind::TcpV4,
        GSO_TCPV6 => GsoKind::TcpV6,
        GSO_UDP_L4 => GsoKind::Udp,
        _ => return None,
    };
    let gso = Gso {
        kind,
        ecn: gso_type & GSO_ECN != 0,
        size: u16::from_le_bytes([gs0, gs1]),
        header_len: u16::from_le_bytes([hl0, hl1]),
    };
    Some(Offload { csum, gso: Some(gso) })
}

/// Writes a header.
#[must_use]
pub fn emit(offload: Offload) -> [u8; HEADER_LEN] {
    let (flags, start, offset) = match offload.csum {
        Csum::Complete => (0, 0, 0),
        Csum::Verified => (F_DATA_VALID, 0, 0),
        Csum::Partial { start, offset } => (F_NEEDS_CSUM, start, offset),
    };
    let (gso_type, size, header_len) = match offload.gso {
        None => (GSO_NONE, 0, 0),
        Some(gso) => (gso_type(gso), gso.size, gso.header_len),
    };
    let [hl0, hl1] = header_len.to_le_bytes();
    let [gs0, gs1] = size.to_le_bytes();
    let [cs0, cs1] = start.to_le_bytes();
    let [co0, co1] = offset.to_le_bytes();
    [flags, gso_type, hl0, hl1, gs0, gs1, cs0, cs1, co0, co1, 0, 0]
}

const fn gso_type(gso: Gso) -> u8 {
    let kind = match gso.kind {
        GsoKind::TcpV4 => GSO_TCPV4,
        GsoKind::TcpV6 => GSO_TCPV6,
        GsoKind::Udp => GSO_UDP_L4,
    };
    if gso.ecn { kind | GSO_ECN } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tso4_header_of_linux_reads_as_it_is_written() {
        let bytes = [1, 0x81, 54, 0, 0xb4, 5, 34, 0, 16, 0, 0, 0];
        let offload = parse(&bytes).unwrap();
        assert_eq!(offload.csum, Csum::Partial { start: 34, offset: 16 });
        assert_eq!(offload.gso, Some(Gso { kind: GsoKind::TcpV4, ecn: true, size: 1460, header_len: 54 }));
        assert_eq!(emit(offload), bytes);
    }

    #[test]
    fn every_offload_comes_back_from_its_header() {
        let csums = [Csum::Complete, Csum::Verified, Csum::Partial { start: 40, offset: 6 }];
        for csum in csums {
            for kind in [GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::Udp] {
                for ecn in [false, true] {
                    let gso = Some(Gso { kind, ecn, size: 1200, header_len: 48 });
                    assert_eq!(parse(&emit(Offload { csum, gso })), Some(Offload { csum, gso }));
                }
            }
            assert_eq!(parse(&emit(Offload { csum, gso: None })), Some(Offload { csum, gso: None }));
        }
    }

    #[test]
    fn an_unknown_segmentation_type_is_refused() {
        assert_eq!(parse(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None, "VIRTIO_NET_HDR_GSO_UDP");
        assert_eq!(parse(&[0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
