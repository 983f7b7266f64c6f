//! Judges that share no code with ours: etherparse re-reads every packet strictly and computes checksums
//! from scratch, smoltcp verifies them.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet, IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket};

/// Panics unless the packet is one that etherparse reads without a complaint, its lengths exact and an
/// IPv4 header checksum right.
pub(crate) fn is_well_formed(packet: &[u8]) {
    let sliced = SlicedPacket::from_ip(packet).unwrap_or_else(|e| panic!("etherparse: {e}: {packet:02x?}"));
    match sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            assert_eq!(usize::from(ip.header().total_len()), packet.len());
            assert_eq!(ip.header().ihl(), 5, "options");
            assert!(Ipv4Packet::new_checked(packet).expect("smoltcp").verify_checksum());
        }
        Some(NetSlice::Ipv6(ip)) => {
            assert_eq!(40 + usize::from(ip.header().payload_length()), packet.len());
            assert_eq!(ip.header().flow_label().value(), 0);
            Ipv6Packet::new_checked(packet).expect("smoltcp");
        }
        other => panic!("no IP: {other:?}"),
    }
}

/// By how much the transport checksum of a whole packet is wrong, modulo 65535: 0 is right. `None`
/// where there is no checksum, or only a part of the packet that it covers.
pub(crate) fn checksum_error(packet: &[u8]) -> Option<u32> {
    let sliced = SlicedPacket::from_ip(packet).ok()?;
    let net = sliced.net?;
    if net.ip_payload_ref().is_none_or(|p| p.fragmented) {
        return None;
    }
    let difference = |got: u16, right: u16| (u32::from(got) + 65535 - u32::from(right)) % 65535;
    let (got, right) = match (&net, sliced.transport?) {
        (NetSlice::Ipv4(ip), TransportSlice::Udp(udp)) => {
            let right = udp.to_header().calc_checksum_ipv4(&ip.header().to_header(), udp.payload()).ok()?;
            (udp.checksum(), right)
        }
        (NetSlice::Ipv4(ip), TransportSlice::Tcp(tcp)) => {
            let right = tcp.to_header().calc_checksum_ipv4(&ip.header().to_header(), tcp.payload()).ok()?;
            (tcp.checksum(), right)
        }
        (NetSlice::Ipv4(_), TransportSlice::Icmpv4(icmp)) => {
            (icmp.checksum(), icmp.icmp_type().calc_checksum(icmp.payload()))
        }
        (NetSlice::Ipv6(ip), TransportSlice::Udp(udp)) => {
            let right = udp.to_header().calc_checksum_ipv6(&ip.header().to_header(), udp.payload()).ok()?;
            (udp.checksum(), right)
        }
        (NetSlice::Ipv6(ip), TransportSlice::Tcp(tcp)) => {
            let right = tcp.to_header().calc_checksum_ipv6(&ip.header().to_header(), tcp.payload()).ok()?;
            (tcp.checksum(), right)
        }
        (NetSlice::Ipv6(ip), TransportSlice::Icmpv6(icmp)) => {
            let (src, dst) = (ip.header().source(), ip.header().destination());
            (icmp.checksum(), icmp.icmp_type().calc_checksum(src, dst, icmp.payload()).ok()?)
        }
        _ => return None,
    };
    // A UDP checksum of zero is none.
    (got != 0 || !is_udp(packet)).then(|| difference(got, right))
}

fn is_udp(packet: &[u8]) -> bool {
    matches!(SlicedPacket::from_ip(packet).map(|s| s.transport), Ok(Some(TransportSlice::Udp(_))))
}

/// Whether smoltcp takes the transport checksum for right; `None` where it does not look.
pub(crate) fn smoltcp_verifies(packet: &[u8]) -> Option<bool> {
    let (src, dst, protocol, payload): (IpAddress, IpAddress, u8, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let ip = Ipv4Packet::new_checked(packet).ok()?;
            if ip.more_frags() || ip.frag_offset() != 0 {
                return None;
            }
            let (src, dst) = (ip.src_addr().into(), ip.dst_addr().into());
            (src, dst, ip.next_header().into(), Ipv4Packet::new_checked(packet).ok()?.payload())
        }
        _ => {
            let ip = Ipv6Packet::new_checked(packet).ok()?;
            let (src, dst) = (ip.src_addr().into(), ip.dst_addr().into());
            (src, dst, ip.next_header().into(), Ipv6Packet::new_checked(packet).ok()?.payload())
        }
    };
    match (protocol, src, dst) {
        (6, ..) => Some(TcpPacket::new_checked(payload).ok()?.verify_checksum(&src, &dst)),
        (17, ..) => Some(UdpPacket::new_checked(payload).ok()?.verify_checksum(&src, &dst)),
        (1, ..) => Some(Icmpv4Packet::new_checked(payload).ok()?.verify_checksum()),
        (58, IpAddress::Ipv6(src), IpAddress::Ipv6(dst)) => {
            Some(Icmpv6Packet::new_checked(payload).ok()?.verify_checksum(&src, &dst))
        }
        _ => None,
    }
}
