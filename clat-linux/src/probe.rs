//! The self-test's echo requests: from the CLAT's IPv4 address into our device, as any program's would go.
//!
//! The same socket hears the ICMP errors that come through the translator for this host: one that says
//! that a packet was too big tells the MTU of a path to the PLAT (RFC 8201).

use crate::sys::socket::{set, set_int};
use clat_core::Pref64;
use clat_engine::{Input, Probe, ProbeAnswer};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto, socket_with,
    sockopt,
};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const IP_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
/// The ICMP errors that quote a packet (RFC 792).
const ERRORS: [u8; 3] = [3, 11, 12];
/// Type and code of "fragmentation needed and DF set" (RFC 1191 section 4).
const TOO_BIG: [u8; 2] = [3, 4];
/// What an IPv4 packet grows by when it becomes IPv6, in bytes.
const GROWTH: u32 = 20;
const AT_ONCE: usize = 64;

/// A raw ICMPv4 socket bound to our device. Readable ([`AsFd`]) when answers have come.
#[derive(Debug)]
pub struct Prober {
    socket: OwnedFd,
    source: Ipv4Addr,
    pref64: Pref64,
    identifier: u16,
}

impl Prober {
    /// Opens the socket, bound to the device and to the CLAT's IPv4 address. `identifier` tells our probes
    /// from those of others; the PREF64 is that of the destinations whose MTU is told.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or when the device or the address is not there.
    pub fn open(device: &str, source: Ipv4Addr, pref64: Pref64, identifier: u16) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(rustix::net::ipproto::ICMP))?;
        set(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, device.as_bytes())?;
        // Don't Fragment, whatever path MTU the kernel has learnt: the probe is to find it.
        set_int(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
        bind(&socket, &SocketAddrV4::new(source, 0))?;
        Ok(Self { socket, source, pref64, identifier })
    }

    /// Whether it speaks from this address through this prefix.
    #[must_use]
    pub fn is_for(&self, source: Ipv4Addr, pref64: Pref64) -> bool {
        (self.source, self.pref64) == (source, pref64)
    }

    /// Sends a probe.
    ///
    /// # Errors
    /// What the kernel says; `EMSGSIZE` where it is larger than the device takes.
    pub fn send(&self, probe: &Probe) -> io::Result<()> {
        sockopt::set_ip_ttl(&self.socket, u32::from(probe.ttl.max(1)))?;
        let size = usize::from(probe.size).saturating_sub(IP_HEADER).max(ICMP_HEADER);
        let mut message = vec![0_u8; size];
        let [i0, i1] = self.identifier.to_be_bytes();
        let [s0, s1] = probe.sequence.to_be_bytes();
        if let Some(header) = message.first_chunk_mut() {
            *header = [ECHO_REQUEST, 0, 0, 0, i0, i1, s0, s1];
        }
        let [c0, c1] = checksum(&message).to_be_bytes();
        if let Some(header) = message.first_chunk_mut() {
            *header = [ECHO_REQUEST, 0, c0, c1, i0, i1, s0, s1];
        }
        sendto(&self.socket, &message, SendFlags::DONTWAIT, &SocketAddrV4::new(probe.target, 0))?;
        Ok(())
    }

    /// Tells the answers that have come.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> io::Result<()> {
        let mut buffer = [0_u8; 2048];
        for _ in 0..AT_ONCE {
            let received = recvfrom(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT);
            let length = match received.map_err(io::Error::from) {
                Ok((length, ..)) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENETDOWN | libc::ENODEV)) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let packet = buffer.get(..length).unwrap_or_default();
            if let Some(answer) = answer(packet, self.identifier) {
                sink(Input::ProbeAnswer(answer));
            }
            if let Some((destination, mtu)) = too_big(packet, self.source) {
                sink(Input::PathMtu { destination: self.pref64.embed(destination), mtu });
            }
        }
        Ok(())
    }
}

impl AsFd for Prober {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What an IPv4 packet says about one of our probes; `None` where it says nothing.
fn answer(packet: &[u8], identifier: u16) -> Option<ProbeAnswer> {
    let (source, message) = body(packet)?;
    let &[kind, ..] = message else { return None };
    let from = source;
    if kind == ECHO_REPLY {
        let sequence = ours(message, identifier)?;
        return Some(ProbeAnswer { sequence, from, echo_reply: true });
    }
    if !ERRORS.contains(&kind) {
        return None;
    }
    let (_, quoted) = body(message.get(ICMP_HEADER..)?)?;
    (*quoted.first()? == ECHO_REQUEST).then_some(())?;
    let sequence = ours(quoted, identifier)?;
    Some(ProbeAnswer { sequence, from, echo_reply: false })
}

/// The destination that a packet of ours was too big for, and the IPv6 MTU of the path in bytes. An MTU
/// of 0 is a router's that does not know (RFC 1191 section 5), and tells nothing.
fn too_big(packet: &[u8], own: Ipv4Addr) -> Option<(Ipv4Addr, u32)> {
    let (_, message) = body(packet)?;
    let &[kind, code, _, _, _, _, high, low] = message.first_chunk()?;
    let mtu = u16::from_be_bytes([high, low]);
    let quoted: &[u8; IP_HEADER] = message.get(ICMP_HEADER..)?.first_chunk()?;
    let &[first, .., a, b, c, d, e, f, g, h] = quoted;
    let ours = [kind, code] == TOO_BIG && first >> 4 == 4 && Ipv4Addr::new(a, b, c, d) == own;
    (ours && mtu > 0).then(|| (Ipv4Addr::new(e, f, g, h), u32::from(mtu) + GROWTH))
}

/// The source and what follows the header of an IPv4 packet that carries ICMP.
fn body(packet: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    const ICMP: u8 = 1;
    let header: &[u8; IP_HEADER] = packet.first_chunk()?;
    let [first, .., a, b, c, d, _, _, _, _] = *header;
    let length = usize::from(first & 0xf) * 4;
    let icmp = first >> 4 == 4 && header.get(9) == Some(&ICMP) && length >= IP_HEADER;
    let body = packet.get(length..).filter(|_| icmp)?;
    Some((Ipv4Addr::new(a, b, c, d), body))
}

/// The sequence number of an echo message that bears our identifier.
fn ours(message: &[u8], identifier: u16) -> Option<u16> {
    let &[_, _, _, _, i0, i1, s0, s1] = message.first_chunk()?;
    (u16::from_be_bytes([i0, i1]) == identifier).then_some(u16::from_be_bytes([s0, s1]))
}

/// RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in message.chunks(2) {
        let word = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
        sum += u32::from(u16::from_be_bytes(word));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(source: [u8; 4], body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0];
        packet.extend_from_slice(&source);
        packet.extend_from_slice(&[192, 0, 0, 1]);
        packet.extend_from_slice(body);
        packet
    }

    #[test]
    fn an_echo_reply_with_our_identifier_is_an_answer() {
        let packet = ip([192, 0, 0, 170], &[0, 0, 0, 0, 0x12, 0x34, 0, 7]);
        let found = answer(&packet, 0x1234).unwrap();
        assert_eq!((found.sequence, found.echo_reply), (7, true));
        assert_eq!(found.from, Ipv4Addr::new(192, 0, 0, 170));
        assert_eq!(answer(&packet, 0x1235), None);
    }

    #[test]
    fn an_error_that_quotes_our_probe_is_an_answer() {
        let quoted = ip([192, 0, 0, 1], &[8, 0, 0, 0, 0x12, 0x34, 0, 9]);
        let mut error = vec![11, 0, 0, 0, 0, 0, 0, 0];
        error.extend_from_slice(&quoted);
        let packet = ip([10, 0, 0, 1], &error);
        let found = answer(&packet, 0x1234).unwrap();
        assert_eq!((found.sequence, found.echo_reply), (9, false));
        for cut in 0..packet.len() {
            assert_eq!(answer(&packet[..cut], 0x1234), None, "{cut}");
        }
    }

    #[test]
    fn rfc8201_a_packet_of_ours_that_was_too_big_tells_the_path_mtu() {
        let own = Ipv4Addr::new(192, 0, 0, 1);
        let mut quoted = ip([192, 0, 0, 1], &[0; 8]);
        quoted[9] = 6;
        quoted[16..20].copy_from_slice(&[203, 0, 113, 7]);
        let error = |code, mtu: u16| {
            let mut error = vec![3, code, 0, 0, 0, 0];
            error.extend(mtu.to_be_bytes());
            error.extend_from_slice(&quoted);
            ip([192, 0, 0, 8], &error)
        };
        let told = Some((Ipv4Addr::new(203, 0, 113, 7), 1400));
        assert_eq!(too_big(&error(4, 1380), own), told);
        assert_eq!(too_big(&error(3, 1380), own), None, "another code");
        assert_eq!(too_big(&error(4, 0), own), None, "no MTU");
        assert_eq!(too_big(&error(4, 1380), Ipv4Addr::new(192, 0, 0, 2)), None, "not ours");
        let whole = error(4, 1380);
        for cut in 0..48 {
            assert_eq!(too_big(&whole[..cut], own), None, "{cut}");
        }
    }

    #[test]
    fn our_own_request_and_other_protocols_are_no_answers() {
        assert_eq!(answer(&ip([192, 0, 0, 1], &[8, 0, 0, 0, 0x12, 0x34, 0, 7]), 0x1234), None);
        let mut udp = ip([192, 0, 0, 1], &[0, 0, 0, 0, 0x12, 0x34, 0, 7]);
        udp[9] = 17;
        assert_eq!(answer(&udp, 0x1234), None);
    }

    #[test]
    fn rfc1071_section_3_the_sum_of_the_example() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff]), 0x00ff);
    }
}
