//! The floor: the least that turns a packet around. A new header, a checksum moved by a constant, and not
//! one check: what comes in is whole, has no options or extension headers, at least 20 bytes behind its
//! header, and is TCP, UDP or an echo of the one pair. Not a translator; what ours is measured against.

use clat_core::Pref64;
use core::net::{Ipv4Addr, Ipv6Addr};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV4: u8 = 1;
const ICMPV6: u8 = 58;

/// Bytes that are looked at or written: the longer header and the start of the payload.
const WINDOW: usize = 60;
/// What the headers differ by.
const DIFFERENCE: usize = 20;

/// What is known beforehand.
#[derive(Clone, Debug)]
pub struct Floor {
    v4: [u8; 4],
    v6: [u8; 16],
    prefix: [u8; 12],
    /// Pseudo-header of IPv6 less that of IPv4.
    delta: u16,
    /// The ICMPv6 pseudo-header without length and embedded address.
    icmp: u16,
    ident: u16,
}

impl Floor {
    /// For a host and a /96.
    #[must_use]
    pub fn new(pref64: Pref64, v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        let mut prefix = [0; 12];
        prefix.copy_from_slice(&pref64.prefix().octets()[..12]);
        let (v4, v6) = (v4.octets(), v6.octets());
        let pseudo = sum(&prefix) + sum(&v6);
        let delta = fold(pseudo + u32::from(!fold(sum(&v4))));
        Self { v4, v6, prefix, delta, icmp: fold(pseudo + u32::from(ICMPV6)), ident: 0 }
    }

    /// Translates the IPv4 packet at `at`, which leaves 20 bytes earlier. `partial`: its checksum field
    /// holds the sum of the pseudo-header.
    pub fn v4_to_v6(&self, buf: &mut [u8], at: usize, partial: bool) {
        let rest = &mut buf[at - DIFFERENCE..];
        let window: &mut [u8; WINDOW] = rest.first_chunk_mut().expect("a packet");
        let [tos, l0, l1] = [window[21], window[22], window[23]];
        let (ttl, protocol) = (window[28], window[29]);
        let dst = [window[36], window[37], window[38], window[39]];
        let len = u16::from_be_bytes([l0, l1]) - 20;
        let delta = if partial { self.delta } else { !self.delta };
        let next_header = if protocol == ICMPV4 { ICMPV6 } else { protocol };
        match protocol {
            TCP => adjust(window, 56, delta),
            UDP => adjust(window, 46, delta),
            _ => {
                let pseudo = fold(u32::from(self.icmp) + sum(&dst) + u32::from(len));
                echo(window, if window[40] == 8 { 128 } else { 129 }, !pseudo);
            }
        }
        let [l0, l1] = len.to_be_bytes();
        window[..8].copy_from_slice(&[0x60 | tos >> 4, tos << 4, 0, 0, l0, l1, next_header, ttl - 1]);
        window[8..24].copy_from_slice(&self.v6);
        window[24..36].copy_from_slice(&self.prefix);
        window[36..40].copy_from_slice(&dst);
    }

    /// Translates the IPv6 packet at `at`, which leaves 20 bytes later. Segments of `segment` bytes
    /// leave with Don't Fragment where they are longer than 1260 bytes.
    pub fn v6_to_v4(&mut self, buf: &mut [u8], at: usize, partial: bool, segment: usize) {
        let window: &mut [u8; WINDOW] = buf[at..].first_chunk_mut().expect("a packet");
        let tos = (window[0] << 4) | (window[1] >> 4);
        let len = u16::from_be_bytes([window[4], window[5]]);
        let (next_header, hop_limit) = (window[6], window[7]);
        let src = [window[20], window[21], window[22], window[23]];
        let delta = if partial { !self.delta } else { self.delta };
        let protocol = if next_header == ICMPV6 { ICMPV4 } else { next_header };
        match next_header {
            TCP => adjust(window, 56, delta),
            UDP => adjust(window, 46, delta),
            _ => {
                let pseudo = fold(u32::from(self.icmp) + sum(&src) + u32::from(len));
                echo(window, if window[40] == 128 { 8 } else { 0 }, pseudo);
            }
        }
        self.ident = self.ident.wrapping_add(1);
        let df = if segment > 1260 { 0x4000 } else { 0 };
        let header = [
            u32::from_be_bytes([0x45, tos, 0, 0]) | u32::from(len + 20),
            u32::from(self.ident) << 16 | df,
            u32::from_be_bytes([hop_limit - 1, protocol, 0, 0]),
            u32::from_be_bytes(src),
            u32::from_be_bytes(self.v4),
        ];
        let sum = header.iter().fold(0u64, |sum, word| sum + u64::from(*word));
        let checksum = !fold((sum >> 32) as u32 + (sum as u32 >> 16) + (sum as u32 & 0xffff));
        let [w0, w1, w2, w3, w4] = header;
        for (place, word) in
            window[20..40].chunks_exact_mut(4).zip([w0, w1, w2 | u32::from(checksum), w3, w4])
        {
            place.copy_from_slice(&word.to_be_bytes());
        }
    }
}

/// Adds to the checksum field at `at`, in one's complement.
fn adjust(window: &mut [u8; WINDOW], at: usize, difference: u16) {
    let field = u16::from_be_bytes([window[at], window[at + 1]]);
    let (sum, carry) = field.overflowing_add(difference);
    let [hi, lo] = (sum + u16::from(carry)).to_be_bytes();
    [window[at], window[at + 1]] = [hi, lo];
}

/// Another type, and the pseudo-header in or out of the checksum.
fn echo(window: &mut [u8; WINDOW], icmp_type: u8, pseudo: u16) {
    let old = u16::from_be_bytes([window[40], 0]);
    let new = u16::from_be_bytes([icmp_type, 0]);
    window[40] = icmp_type;
    adjust(window, 42, fold(u32::from(old) + u32::from(!new) + u32::from(pseudo)));
}

fn sum<const N: usize>(bytes: &[u8; N]) -> u32 {
    bytes.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum()
}

fn fold(sum: u32) -> u16 {
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}
