//! From a captured frame to the IP packet in it, by link type.

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    /// A packet that tells its version by itself.
    Ip(&'a [u8]),
    /// A packet that the frame says to be IPv4.
    V4(&'a [u8]),
    /// A packet that the frame says to be IPv6.
    V6(&'a [u8]),
    /// Something else: ARP, a spanning tree, a frame too short for its header.
    NotIp,
}

/// Raw IP, either version: the link type of everything that is written.
pub(crate) const RAW: u16 = 101;

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
/// Raw IP in files that carry the value of a system's `DLT_RAW` instead of the link type.
const RAW_BSD: u16 = 12;
const RAW_OPENBSD: u16 = 14;
const LOOP: u16 = 108;
const LINUX_SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const LINUX_SLL2: u16 = 276;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Tags that may be stacked: 802.1Q, 802.1ad, and two that came before it.
const VLAN_TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// Whether frames of this link type can be read.
pub(crate) fn is_known(link: u16) -> bool {
    matches!(
        link,
        NULL | ETHERNET | RAW_BSD | RAW_OPENBSD | RAW | LOOP | LINUX_SLL | IPV4 | IPV6 | LINUX_SLL2
    )
}

/// The IP packet in a frame.
pub(crate) fn payload(link: u16, frame: &[u8]) -> Payload<'_> {
    match link {
        RAW | RAW_BSD | RAW_OPENBSD => Payload::Ip(frame),
        IPV4 => Payload::V4(frame),
        IPV6 => Payload::V6(frame),
        ETHERNET => tagged(frame, 12),
        LINUX_SLL => tagged(frame, 14),
        LINUX_SLL2 => sll2(frame),
        NULL | LOOP => loopback(frame),
        _ => Payload::NotIp,
    }
}

/// An EtherType at `at`, behind any number of VLAN tags, then the packet.
fn tagged(frame: &[u8], mut at: usize) -> Payload<'_> {
    loop {
        let Some(ethertype) = u16_at(frame, at) else { return Payload::NotIp };
        if !VLAN_TAGS.contains(&ethertype) {
            return by_ethertype(ethertype, frame.get(at + 2..));
        }
        at += 4;
    }
}

fn sll2(frame: &[u8]) -> Payload<'_> {
    match u16_at(frame, 0) {
        // The 20-byte header ends where the tag's control information starts.
        Some(tag) if VLAN_TAGS.contains(&tag) => tagged(frame, 22),
        Some(ethertype) => by_ethertype(ethertype, frame.get(20..)),
        None => Payload::NotIp,
    }
}

fn by_ethertype(ethertype: u16, packet: Option<&[u8]>) -> Payload<'_> {
    match (ethertype, packet) {
        (ETHERTYPE_IPV4, Some(packet)) => Payload::V4(packet),
        (ETHERTYPE_IPV6, Some(packet)) => Payload::V6(packet),
        _ => Payload::NotIp,
    }
}

/// An address family in the byte order of the machine that captured, then the packet.
/// `AF_INET` is 2 everywhere; `AF_INET6` is 10, 23, 24, 28 or 30.
fn loopback(frame: &[u8]) -> Payload<'_> {
    let Some((family, packet)) = frame.split_first_chunk::<4>() else { return Payload::NotIp };
    let native = u32::from_le_bytes(*family);
    match native.min(native.swap_bytes()) {
        2 => Payload::V4(packet),
        10 | 23 | 24 | 28 | 30 => Payload::V6(packet),
        _ => Payload::NotIp,
    }
}

fn u16_at(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_link_type() {
        let v4 = [0x45, 1, 2, 3];
        let with = |head: &[u8]| [head, &v4[..]].concat();
        let macs = [0_u8; 12];
        let ether = |tags: &[u8]| with(&[&macs[..], tags].concat());
        let sll = with(&[&[0_u8; 14][..], &[0x08, 0]].concat());
        let sll2 = with(&[&[0x08_u8, 0][..], &[0; 18]].concat());
        for (link, frame) in [
            (228, v4.to_vec()),
            (1, ether(&[0x08, 0x00])),
            (1, ether(&[0x81, 0, 0, 7, 0x08, 0x00])),
            (1, ether(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x08, 0x00])),
            (113, sll),
            (276, sll2),
            (276, with(&[&[0x81_u8, 0][..], &[0; 18], &[0, 7, 0x08, 0x00]].concat())),
            (0, with(&[2, 0, 0, 0])),
            (0, with(&[0, 0, 0, 2])),
            (108, with(&[0, 0, 0, 2])),
        ] {
            assert!(is_known(link));
            assert_eq!(payload(link, &frame), Payload::V4(&v4), "{link}: {frame:02x?}");
            for cut in 0..frame.len() - v4.len() {
                assert_eq!(
                    payload(link, &frame[..cut]),
                    if link == 228 { Payload::V4(&[]) } else { Payload::NotIp }
                );
            }
        }
        assert_eq!(payload(101, &v4), Payload::Ip(&v4));
        assert_eq!(payload(229, &v4), Payload::V6(&v4));
        assert_eq!(payload(0, &with(&[30, 0, 0, 0])), Payload::V6(&v4));
        assert_eq!(payload(1, &ether(&[0x08, 0x06])), Payload::NotIp);
        assert_eq!(payload(147, &v4), Payload::NotIp);
    }
}
