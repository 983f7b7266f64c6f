//! A dropped packet, remembered by its first bytes and described only when somebody asks.

use clat_core::DropReason;
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

/// Bytes kept of a packet: an IPv6 header and the first of what follows.
const KEPT: usize = 48;

/// A dropped packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    reason: DropReason,
    /// Time since 1970.
    at: Duration,
    len: u32,
    front: [u8; KEPT],
}

impl Dropped {
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) fn new(reason: DropReason, packet: &[u8]) -> Self {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        let at = Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32);
        let mut front = [0; KEPT];
        let kept = packet.len().min(KEPT);
        if let (Some(to), Some(from)) = (front.get_mut(..kept), packet.get(..kept)) {
            to.copy_from_slice(from);
        }
        Self { reason, at, len: packet.len() as u32, front }
    }

    /// Why it was dropped.
    #[must_use]
    pub const fn reason(&self) -> DropReason {
        self.reason
    }

    /// When it was dropped, as exact as the kernel's tick.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.at
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn packet_len(&self) -> u32 {
        self.len
    }

    fn front(&self) -> &[u8] {
        self.front.get(..self.len as usize).unwrap_or(&self.front)
    }

    fn ports(&self, f: &mut fmt::Formatter<'_>, protocol: u8, start: usize) -> fmt::Result {
        let name = match protocol {
            1 => "ICMP",
            6 => "TCP",
            17 => "UDP",
            58 => "ICMPv6",
            number => return write!(f, " protocol {number}"),
        };
        write!(f, " {name}")?;
        match (protocol, self.front().get(start..start + 4)) {
            (1 | 58, Some([kind, code, ..])) => write!(f, " type {kind} code {code}"),
            (6 | 17, Some([a, b, c, d])) => {
                write!(f, " {} > {}", u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
            }
            _ => Ok(()),
        }
    }
}

/// One line: addresses, protocol, ports, length.
impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let front = self.front();
        let v4 = front.get(12..20).and_then(|a| <[u8; 8]>::try_from(a).ok());
        let v6 = front.get(8..40).and_then(|a| <[u8; 32]>::try_from(a).ok());
        match (front.first().map(|b| b >> 4), v4, v6) {
            (Some(4), Some([a, b, c, d, e, g, h, i]), _) => {
                write!(f, "{} > {}", Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, g, h, i))?;
                let [_, _, _, _, _, _, high, low, _, protocol, ..] = self.front;
                match u16::from_be_bytes([high, low]) & 0x1fff {
                    0 => self.ports(f, protocol, usize::from(front[0] & 15) * 4)?,
                    offset => write!(f, " protocol {protocol} fragment at {}", offset * 8)?,
                }
            }
            (Some(6), _, Some(both)) => {
                let (src, dst) = both.split_at(16);
                let address = |octets: &[u8]| <[u8; 16]>::try_from(octets).map(Ipv6Addr::from);
                if let (Ok(src), Ok(dst)) = (address(src), address(dst)) {
                    write!(f, "{src} > {dst}")?;
                }
                self.ports(f, self.front[6], 40)?;
            }
            _ => f.write_str("no IP packet")?,
        }
        write!(f, ", {} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clat_offload::testing::Packet;

    #[test]
    fn a_packet_is_described_in_one_line() {
        let describe = |packet: &[u8]| Dropped::new(DropReason::TooBig, packet).to_string();
        let v4 = Packet::v4().udp().payload(&[0; 10]).bytes();
        assert_eq!(describe(&v4), "192.0.0.1 > 198.51.100.1 UDP 1000 > 2000, 38 bytes");
        let fragment = Packet::v4().udp().network_byte(7, 185).bytes();
        assert_eq!(describe(&fragment), "192.0.0.1 > 198.51.100.1 protocol 17 fragment at 1480, 28 bytes");
        let v6 = Packet::v6().tcp(0, 2).bytes();
        assert_eq!(describe(&v6), "2001:db8::1 > 64:ff9b::c633:6401 TCP 1000 > 2000, 60 bytes");
        let mut icmp = v6;
        icmp[6] = 58;
        icmp[40] = 1;
        icmp[41] = 4;
        assert_eq!(describe(&icmp), "2001:db8::1 > 64:ff9b::c633:6401 ICMPv6 type 1 code 4, 60 bytes");
        assert_eq!(describe(&[0x45, 0]), "no IP packet, 2 bytes");
        assert_eq!(describe(&[]), "no IP packet, 0 bytes");
    }

    #[test]
    fn no_packet_is_too_short_or_too_odd_to_describe() {
        let packet = Packet::v6().tcp(0, 2).bytes();
        for len in 0..packet.len() {
            for first in [0x40, 0x45, 0x4f, 0x60, 0x00] {
                let mut odd = packet[..len].to_vec();
                odd.first_mut().into_iter().for_each(|b| *b = first);
                assert!(Dropped::new(DropReason::Truncated, &odd).to_string().ends_with("bytes"));
            }
        }
    }
}
