//! Neighbour Discovery on real links: a raw socket that hears, one that speaks, and one for what must be said
//! before the host has an address.
//!
//! Heard are Router Advertisements (also where the kernel itself does not listen: `accept_ra` 0), solicitations,
//! advertisements and echo replies, with the interface, the destination and the hop limit that the engine
//! judges them by. Spoken is whatever the engine says, with the header it asks for: the source may be an
//! address that is not this host's (RFC 4862 section 5.4.2, proxied advertisements).

use crate::sys::socket::{receive6, send_frame, set, set_int};
use clat_engine::{Icmpv6In, Icmpv6Out, Input};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use std::io;
use std::net::SocketAddrV6;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// `ICMP6_FILTER` of RFC 3542 section 3.2.
const ICMP6_FILTER: i32 = 1;
/// The types that are let through: echo reply, RA, NS, NA.
const WANTED: [u8; 4] = [129, 134, 135, 136];
/// Longer than any message that matters; a longer one is cut and its checksum then fails.
const BUFFER: usize = 4096;
/// Messages handled before others get their turn: a flood must not hold up the control thread.
const AT_ONCE: usize = 64;

/// The sockets. Readable ([`AsFd`]) when something was heard.
#[derive(Debug)]
pub struct Icmp6 {
    ears: OwnedFd,
    mouth: OwnedFd,
    /// A packet socket, where the kernel has them.
    shout: Option<OwnedFd>,
}

impl Icmp6 {
    /// Opens the sockets, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or where IPv6 is switched off. Without them PREF64s are learnt by netlink and DNS
    /// only, and no Router Solicitation is sent.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let raw = |protocol| socket_with(AddressFamily::INET6, SocketType::RAW, flags, Some(protocol));
        let ears = raw(rustix::net::ipproto::ICMPV6)?;
        set(&ears, libc::IPPROTO_ICMPV6, ICMP6_FILTER, &filter())?;
        set_int(&ears, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        set_int(&ears, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
        // With this protocol the kernel takes our IPv6 header as it is.
        let mouth = raw(rustix::net::ipproto::RAW)?;
        let shout = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None).ok();
        Ok(Self { ears, mouth, shout })
    }

    /// Tells what was heard; returns at once when nothing was.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> io::Result<()> {
        let mut buffer = [0; BUFFER];
        for _ in 0..AT_ONCE {
            let heard = match receive6(&self.ears, &mut buffer) {
                Ok(heard) => heard,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // An error that a link had for somebody (down, gone) is not the end of the socket.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENETDOWN | libc::ENODEV)) => continue,
                Err(error) => return Err(error),
            };
            sink(Input::Icmpv6(Icmpv6In {
                ifindex: heard.ifindex,
                source: heard.source,
                destination: heard.destination,
                hop_limit: heard.hop_limit,
                source_mac: None,
                message: buffer.get(..heard.len).unwrap_or_default(),
            }));
        }
        Ok(())
    }

    /// Sends a message on its link. The kernel finds the neighbour.
    ///
    /// # Errors
    /// What the kernel says (link down, no buffers).
    pub fn send(&self, out: &Icmpv6Out) -> io::Result<()> {
        let packet = out.packet();
        let to = SocketAddrV6::new(out.destination, 0, 0, out.ifindex);
        // Only an address of the link's own scope carries the interface; any other must be bound to it.
        set_int(&self.mouth, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, signed(out.ifindex))?;
        set(&self.mouth, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_IF, &out.ifindex.to_be_bytes())?;
        match sendto(&self.mouth, &packet, SendFlags::DONTWAIT, &to) {
            Ok(_) => Ok(()),
            Err(Errno::ADDRNOTAVAIL) => self.shout(out, &packet),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The kernel routes nothing on a link where all addresses are tentative; a frame goes without it.
    fn shout(&self, out: &Icmpv6Out, packet: &[u8]) -> io::Result<()> {
        let (Some(socket), Some(mac)) = (&self.shout, out.link_layer()) else {
            return Err(Errno::ADDRNOTAVAIL.into());
        };
        send_frame(socket, signed(out.ifindex), mac, packet)
    }
}

impl AsFd for Icmp6 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ears.as_fd()
    }
}

fn signed(index: u32) -> i32 {
    i32::try_from(index).unwrap_or(0)
}

/// A set bit blocks a type; words are in the host's byte order.
fn filter() -> [u8; 32] {
    let mut words = [u32::MAX; 8];
    for kind in WANTED {
        if let Some(word) = words.get_mut(usize::from(kind / 32)) {
            *word &= !(1 << (kind % 32));
        }
    }
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_lets_only_the_wanted_types_through() {
        let bytes = filter();
        for kind in 0..=255_u8 {
            let at = usize::from(kind / 32) * 4;
            let word = u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!(word & (1 << (kind % 32)) == 0, WANTED.contains(&kind), "{kind}");
        }
    }
}
