//! The questions of RFC 7050: to one resolver of the uplink by datagram, and to the DNS client of Windows.
//!
//! RFC 7050 section 3 wants the resolvers of the network itself. The DNS client picks servers by policy (NRPT, a VPN's),
//! so a resolver is asked directly at first. Where it keeps silent, as where the network or the machine allows
//! encrypted DNS only, the client is asked as well, on the same interface and past its cache: it knows how.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

/// How long an answer may take; the engine asks again.
const PATIENCE: Duration = Duration::from_secs(3);

/// After so much silence the DNS client is asked too. The engine waits for a second.
pub const SILENCE: Duration = Duration::from_millis(400);

/// Longest answer that is taken, in bytes.
const LONGEST: usize = 4096;

/// The name whose addresses tell the prefix (RFC 7050 section 3).
#[cfg(windows)]
const IPV4ONLY: &str = "ipv4only.arpa";

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

/// What the DNS client of Windows knows of `ipv4only.arpa`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its AAAA records; never empty.
    pub addresses: Vec<Ipv6Addr>,
    /// The smallest time to live of them in seconds.
    pub ttl_s: u32,
}

impl Told {
    /// Nothing where there is no record: a client that was sent elsewhere by a policy knows nothing of this network.
    #[must_use]
    pub fn from_records(records: &[(Ipv6Addr, u32)]) -> Option<Self> {
        let ttl_s = records.iter().map(|(_, ttl)| *ttl).min()?;
        Some(Self { addresses: records.iter().map(|(address, _)| *address).collect(), ttl_s })
    }
}

/// Asks the DNS client. Blocks until it gives up, some twelve seconds.
///
/// # Errors
/// What the client said.
#[cfg(windows)]
pub fn ask_client(ifindex: u32) -> io::Result<Option<Told>> {
    Ok(Told::from_records(&crate::sys::dns::aaaa(IPV4ONLY, ifindex)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_life_counts_and_no_records_are_no_answer() {
        let [a, b]: [Ipv6Addr; 2] = ["64:ff9b::c000:aa", "64:ff9b::c000:ab"].map(|a| a.parse().unwrap());
        let told = Told::from_records(&[(a, 300), (b, 60)]).unwrap();
        assert_eq!((told.addresses.as_slice(), told.ttl_s), (&[a, b][..], 60));
        assert_eq!(Told::from_records(&[]), None);
    }
}
