//! DNS as RFC 7050 wants it: the uplink's own resolvers, asked over the uplink and nothing else.

use crate::sys::socket::set;
use clat_engine::{DnsQuery, Input};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const PORT: u16 = 53;
/// Queries in flight; a new one pushes out the oldest.
const MOST: usize = 8;

/// Queries in flight, each on a socket and a random port of its own.
#[derive(Debug, Default)]
pub struct Dns {
    queries: Vec<Query>,
}

#[derive(Debug)]
struct Query {
    server: IpAddr,
    socket: OwnedFd,
}

impl Dns {
    /// None in flight.
    #[must_use]
    pub const fn new() -> Self {
        Self { queries: Vec::new() }
    }

    /// Sends a query over the interface of that name. The socket takes answers from that server only.
    ///
    /// # Errors
    /// No route to the server, no such interface, no descriptors.
    pub fn ask(&mut self, interface: &str, query: &DnsQuery) -> io::Result<()> {
        let family = if query.server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
        set(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, interface.as_bytes())?;
        connect(&socket, &address(query))?;
        send(&socket, &query.message, SendFlags::DONTWAIT)?;
        if self.queries.len() >= MOST {
            self.queries.remove(0);
        }
        self.queries.push(Query { server: query.server, socket });
        Ok(())
    }

    /// Tells the answers that have come. A socket is closed with its first answer.
    pub fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) {
        let mut buffer = [0_u8; 4096];
        self.queries.retain(|query| match recv(&query.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((length, _)) => {
                let message = buffer.get(..length).unwrap_or_default();
                sink(Input::DnsReply { server: query.server, message });
                false
            }
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => true,
            // Refused or unreachable: the engine's own timeout asks the next server.
            Err(_) => false,
        });
    }

    /// The sockets to wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.queries.iter().map(|query| query.socket.as_fd())
    }
}

fn address(query: &DnsQuery) -> SocketAddrAny {
    match query.server {
        IpAddr::V4(server) => SocketAddr::V4(SocketAddrV4::new(server, PORT)).into(),
        IpAddr::V6(server) => SocketAddr::V6(SocketAddrV6::new(server, PORT, 0, query.ifindex)).into(),
    }
}
