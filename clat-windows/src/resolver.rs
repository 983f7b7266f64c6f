//! One question to one resolver: a datagram there, a datagram back.
//!
//! The DNS client of Windows picks servers by policy (NRPT, DNS over HTTPS, a VPN's), answers from a cache whose age it
//! does not tell, and cannot be asked to use one IPv6 resolver of one interface. RFC 7050 section 3 wants the resolvers
//! of the network itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

/// How long an answer may take; the engine asks again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Longest answer that is taken, in bytes.
const LONGEST: usize = 4096;

/// Sends `message` to `server` on port 53 and returns the answer. Blocks for three seconds at most.
///
/// # Errors
/// What the system said: timed out, unreachable.
pub fn ask(ifindex: u32, server: IpAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let (own, server): (IpAddr, SocketAddr) = match server {
        IpAddr::V4(v4) => (Ipv4Addr::UNSPECIFIED.into(), (v4, 53).into()),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() { ifindex } else { 0 };
            (Ipv6Addr::UNSPECIFIED.into(), SocketAddrV6::new(v6, 53, 0, scope).into())
        }
    };
    let socket = UdpSocket::bind((own, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // Connected: answers of anybody else are not heard.
    socket.connect(server)?;
    socket.send(message)?;
    let mut answer = vec![0; LONGEST];
    let len = socket.recv(&mut answer)?;
    answer.truncate(len);
    Ok(answer)
}
