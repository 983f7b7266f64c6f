//! The raw ICMPv6 socket of one interface: what the engine sends and hears of Neighbour Discovery.
//!
//! Windows hands such a socket to administrators, fills in the checksum on sending and never shows the IPv6 header.
//! Whether it hears solicitations for an address that is not the host's is not documented: everything that must work
//! is done by sending only.

use crate::sys::icmp6::{self, RecvMsg};
use crate::win32;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

/// How long a receiver waits before it looks whether it should end.
const LOOK: Duration = Duration::from_millis(250);

/// A message that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its length in bytes, from the type octet on.
    pub len: usize,
    /// The IPv6 source.
    pub source: Ipv6Addr,
    /// The IPv6 destination.
    pub destination: Ipv6Addr,
    /// The interface it came in by.
    pub ifindex: u32,
    /// The hop limit on arrival.
    pub hop_limit: u8,
}

/// A raw ICMPv6 socket bound to an address of one interface.
#[derive(Debug)]
pub struct Icmp6Socket {
    socket: Socket,
    recv: RecvMsg,
    ifindex: u32,
    /// Whether it also hears what is not addressed to this host.
    pub hears_all: bool,
}

impl Icmp6Socket {
    /// Opens a socket on the interface, bound to `local`, its link-local address.
    ///
    /// # Errors
    /// What the system said: access denied without administrator's rights, 10043 where there is no such protocol (Wine).
    pub fn open(ifindex: u32, local: Ipv6Addr) -> io::Result<Self> {
        let socket = raw_socket(ifindex, local)?;
        icmp6::want_control_data(&socket)?;
        socket.set_read_timeout(Some(LOOK))?;
        let recv = RecvMsg::of(&socket)?;
        let hears_all = match icmp6::hear_all(&socket) {
            Ok(()) => true,
            Err(e) => {
                tracing::warn!(
                    "solicitations for the CLAT address may go unheard ({e}); routers are kept informed instead"
                );
                false
            }
        };
        Ok(Self { socket, recv, ifindex, hears_all })
    }

    /// The next message, or `None` after a quarter of a second without one, and for a message that is of no use: one
    /// that is too long for `buf`, which anybody on the link may send, or that came without its control data.
    ///
    /// # Errors
    /// What the system said; the socket is of no use any more.
    pub fn receive(&self, buf: &mut [u8]) -> io::Result<Option<Heard>> {
        match self.recv.receive(&self.socket, buf) {
            Ok(r) => Ok(Some(Heard {
                len: r.len,
                source: r.source,
                destination: r.destination,
                ifindex: if r.ifindex == 0 { self.ifindex } else { r.ifindex },
                hop_limit: r.hop_limit,
            })),
            Err(e) if is_of_one_message(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Joins a multicast group on the interface, which also programs its filter and tells snooping switches.
    ///
    /// # Errors
    /// What the system said.
    pub fn join(&self, group: Ipv6Addr) -> io::Result<()> {
        self.socket.join_multicast_v6(&group, self.ifindex)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    /// What the system said.
    pub fn leave(&self, group: Ipv6Addr) -> io::Result<()> {
        self.socket.leave_multicast_v6(&group, self.ifindex)
    }
}

/// Sends one ICMPv6 message from `source`, which must be an address of this host, by the interface.
///
/// # Errors
/// What the system said; an address that the host does not have is one.
pub fn send(ifindex: u32, source: Ipv6Addr, to: Ipv6Addr, hop_limit: u8, message: &[u8]) -> io::Result<()> {
    let socket = raw_socket(ifindex, source)?;
    socket.set_unicast_hops_v6(hop_limit.into())?;
    socket.set_multicast_hops_v6(hop_limit.into())?;
    let to = SocketAddrV6::new(to, 0, 0, scope(to, ifindex));
    socket.send_to(message, &to.into()).map(drop)
}

/// Whether the next message may well be received.
fn is_of_one_message(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionReset, InvalidData, TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock | InvalidData | ConnectionReset)
        || matches!(error.raw_os_error(), Some(win32::WSAEMSGSIZE | win32::WSAENETRESET))
}

fn raw_socket(ifindex: u32, local: Ipv6Addr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.set_multicast_if_v6(ifindex)?;
    socket.bind(&SocketAddrV6::new(local, 0, 0, scope(local, ifindex)).into())?;
    Ok(socket)
}

/// Link-local addresses mean something on one interface only.
const fn scope(addr: Ipv6Addr, ifindex: u32) -> u32 {
    if addr.is_unicast_link_local() || addr.is_multicast() { ifindex } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_too_long_is_not_the_end_of_hearing() {
        for code in [10_040, 10_052, 10_054, 10_060, 10_035] {
            assert!(is_of_one_message(&io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(is_of_one_message(&io::ErrorKind::InvalidData.into()));
        for code in [10_009, 10_038, 10_050, 6] {
            assert!(!is_of_one_message(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }
}
