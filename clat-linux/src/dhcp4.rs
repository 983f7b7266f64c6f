//! What DHCPv4 servers say to this host's client, overheard: packet sockets behind a filter of the kernel.
//!
//! A network that wants no IPv4 says so in option 108 (RFC 8925), and then there is no lease to read it from. The
//! sockets are opened at the start, while the program may; each is bound to one link, so that packets of other
//! devices, our own above all, never come near them. Nothing is sent.

use crate::sys::socket::{bind_to_link, filter};
use clat_engine::{IfIndex, Input};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socket_with};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How many links are listened to at once; the first ones by their index.
const LINKS: usize = 4;
/// Messages handled before others get their turn.
const AT_ONCE: usize = 16;
/// Longer than any message of a server on Ethernet.
const BUFFER: usize = 2048;
const ETH_P_IP: u16 = 0x0800;
const UDP_HEADER: usize = 8;

/// UDP from port 67 to port 68, not a later fragment; offsets from the IPv4 header on. `(code, jt, jf, k)` of
/// classic BPF.
const FROM_SERVERS: [(u16, u8, u8, u32); 10] = [
    (0x30, 0, 0, 9),      // ldb [9]: the protocol
    (0x15, 0, 7, 17),     // jeq 17
    (0x28, 0, 0, 6),      // ldh [6]: flags and offset
    (0x45, 5, 0, 0x1fff), // jset
    (0xb1, 0, 0, 0),      // ldxb 4*([0]&0xf): the header's length
    (0x48, 0, 0, 0),      // ldh [x]: the source port
    (0x15, 0, 2, 67),     // jeq 67
    (0x48, 0, 0, 2),      // ldh [x + 2]: the destination port
    (0x15, 1, 0, 68),     // jeq 68
    (0x06, 0, 0, 0),      // drop
];
/// Behind the filter: the whole packet.
const ACCEPT: (u16, u8, u8, u32) = (0x06, 0, 0, 0xffff);

/// The sockets.
#[derive(Debug)]
pub struct Dhcp4 {
    ears: Vec<(OwnedFd, Option<IfIndex>)>,
}

impl Dhcp4 {
    /// Opens the sockets, in the network namespace of the calling thread; they hear nothing yet.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or where the kernel has no packet sockets.
    pub fn open() -> io::Result<Self> {
        let mut program = FROM_SERVERS.to_vec();
        program.push(ACCEPT);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let mut ears = Vec::with_capacity(LINKS);
        for _ in 0..LINKS {
            // Without a protocol it hears nothing until it is bound, and by then the filter is there.
            let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)?;
            filter(&socket, &program)?;
            ears.push((socket, None));
        }
        Ok(Self { ears })
    }

    /// Listens on these links, the first ones that there is room for, and on no other.
    pub fn listen(&mut self, links: impl Iterator<Item = IfIndex>) {
        let wanted: Vec<IfIndex> = links.take(LINKS).collect();
        for (_, on) in &mut self.ears {
            *on = on.filter(|on| wanted.contains(on));
        }
        for link in wanted {
            if self.ears.iter().any(|(_, on)| *on == Some(link)) {
                continue;
            }
            let Some((socket, on)) = self.ears.iter_mut().find(|(_, on)| on.is_none()) else { return };
            // A link that is gone again is not listened to.
            *on = bind_to_link(&socket, link, ETH_P_IP).is_ok().then_some(link);
        }
    }

    /// What to wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ears.iter().filter(|(_, on)| on.is_some()).map(|(socket, _)| socket.as_fd())
    }

    /// Tells what was heard; returns at once when nothing was. A link that fell silent for good is one that is gone.
    pub fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) {
        let mut buffer = [0; BUFFER];
        for (socket, on) in &self.ears {
            let Some(ifindex) = *on else { continue };
            for _ in 0..AT_ONCE {
                let Ok((length, _)) = recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) else { break };
                if let Some(message) = payload(buffer.get(..length).unwrap_or_default()) {
                    sink(Input::Dhcp4 { ifindex, message });
                }
            }
        }
    }
}

/// The UDP payload of an IPv4 packet that the filter let through.
fn payload(packet: &[u8]) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let udp = packet.get(header..)?;
    let &[_, _, _, _, high, low, ..] = udp else { return None };
    udp.get(UDP_HEADER..usize::from(u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_what_the_lengths_say() {
        let mut packet = vec![0x46; 24];
        packet.extend([0, 67, 0, 68, 0, 11, 0, 0, 1, 2, 3, 9, 9]);
        assert_eq!(payload(&packet), Some(&[1, 2, 3][..]));
        for cut in 0..packet.len() - 2 {
            assert_eq!(payload(&packet[..cut]), None, "{cut}");
        }
    }
}
