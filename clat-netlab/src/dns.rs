//! A small name server: DNS64 on the customer's side, an ordinary one in the IPv4 Internet.
//!
//! It knows `ipv4only.arpa` (RFC 7050), [`WEB`] and [`BIG`], whose TXT record does not fit in a
//! plain UDP answer.

use crate::Ns;
use crate::lab::SERVER_V4;
use crate::servers::{Stop, accept_loop, datagram_loop};
use anyhow::{Context as _, Result};
use clat_core::Pref64;
use simple_dns::rdata::{A, AAAA, RData, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A name with an A record only: the lab's web server.
pub const WEB: &str = "web.lab.test";
/// A name whose TXT record takes about 3000 bytes.
pub const BIG: &str = "big.lab.test";
const IPV4ONLY: &str = "ipv4only.arpa";

/// How AAAA questions for names without such a record are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dns64 {
    /// One synthesised record for each A record and prefix.
    Synthesise(Vec<Pref64>),
    /// An answer without records: no DNS64 here.
    NoData,
    /// `ipv4only.arpa` does not exist.
    NxDomain,
    /// A record that holds no IPv4 address at any of the six positions.
    Foreign(Ipv6Addr),
    /// No answer at all.
    Silent,
}

/// What the server says.
#[derive(Clone, Debug)]
pub struct DnsConfig {
    /// Whether it is a DNS64.
    pub dns64: Dns64,
    /// The lifetime of every record, in seconds.
    pub ttl_s: u32,
}

/// A server on UDP and TCP port 53 of a namespace.
#[derive(Debug)]
pub struct DnsServer {
    config: Arc<Mutex<DnsConfig>>,
    _stop: Stop,
}

impl DnsServer {
    /// Starts it on `addr`.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start(ns: &Ns, addr: IpAddr, config: DnsConfig) -> Result<Self> {
        let at = SocketAddr::new(addr, 53);
        let (udp, tcp) = ns
            .enter(|| Ok::<_, std::io::Error>((UdpSocket::bind(at)?, TcpListener::bind(at)?)))?
            .with_context(|| format!("binding port 53 of {addr}"))?;
        let config = Arc::new(Mutex::new(config));
        let mut stop = Stop::default();
        let shared = Arc::clone(&config);
        datagram_loop(&mut stop, udp, move |question| answer(&locked(&shared), question, Some(512)))?;
        let shared = Arc::clone(&config);
        accept_loop(&mut stop, tcp, move |stream| {
            // A client that goes away is not the server's trouble.
            let _ = serve_tcp(&shared, stream);
        })?;
        Ok(Self { config, _stop: stop })
    }

    /// Changes what it says.
    pub fn set(&self, change: impl FnOnce(&mut DnsConfig)) {
        change(&mut locked(&self.config));
    }
}

fn locked(config: &Mutex<DnsConfig>) -> MutexGuard<'_, DnsConfig> {
    config.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve_tcp(config: &Mutex<DnsConfig>, mut stream: TcpStream) -> std::io::Result<()> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut question)?;
    let Some(reply) = answer(&locked(config), &question, None) else { return Ok(()) };
    let len = u16::try_from(reply.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&len.to_be_bytes()[..], &reply].concat())
}

/// The answer's bytes; cut to the question's header and marked when it is longer than `plain_limit`
/// (UDP without EDNS) or than what the client's EDNS record allows.
fn answer(config: &DnsConfig, question: &[u8], plain_limit: Option<usize>) -> Option<Vec<u8>> {
    let query = Packet::parse(question).ok()?;
    let asked = query.questions.first()?;
    let name = asked.qname.to_string().to_ascii_lowercase();
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE | PacketFlag::RECURSION_DESIRED);
    reply.questions.push(asked.clone());
    let big = "0123456789".repeat(25);
    match records(config, &name, asked.qtype, &big)? {
        Ok(found) => {
            let record = |data| ResourceRecord::new(asked.qname.clone(), CLASS::IN, config.ttl_s, data);
            reply.answers = found.into_iter().map(record).collect();
        }
        Err(code) => *reply.rcode_mut() = code,
    }
    let limit = plain_limit.map(|plain| query.opt().map_or(plain, |opt| usize::from(opt.udp_packet_size)));
    let bytes = reply.build_bytes_vec_compressed().ok()?;
    if limit.is_none_or(|limit| bytes.len() <= limit) {
        return Some(bytes);
    }
    reply.answers.clear();
    reply.set_flags(PacketFlag::TRUNCATION);
    reply.build_bytes_vec_compressed().ok()
}

/// The records for a question, an error code, or `None` for silence.
fn records<'a>(
    config: &DnsConfig,
    name: &str,
    qtype: QTYPE,
    big: &'a str,
) -> Option<Result<Vec<RData<'a>>, RCODE>> {
    let v4: Vec<Ipv4Addr> = match name {
        IPV4ONLY => vec![Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)],
        WEB => vec![SERVER_V4],
        BIG => Vec::new(),
        _ => return Some(Err(RCODE::NameError)),
    };
    let v4_record = |a: &Ipv4Addr| RData::A(A { address: a.to_bits() });
    let v6_record = |a: Ipv6Addr| RData::AAAA(AAAA { address: a.to_bits() });
    let asks = |kind| qtype == QTYPE::TYPE(kind);
    Some(Ok(if asks(TYPE::A) {
        v4.iter().map(v4_record).collect()
    } else if asks(TYPE::AAAA) {
        match &config.dns64 {
            Dns64::Synthesise(prefixes) => {
                prefixes.iter().flat_map(|p| v4.iter().map(|a| v6_record(p.embed(*a)))).collect()
            }
            Dns64::NoData => Vec::new(),
            Dns64::NxDomain => return Some(Err(RCODE::NameError)),
            Dns64::Foreign(addr) => vec![v6_record(*addr)],
            Dns64::Silent => return None,
        }
    } else if asks(TYPE::TXT) && name == BIG {
        let mut txt = TXT::new();
        for _ in 0..12 {
            txt.add_string(big).ok()?;
        }
        vec![RData::TXT(txt)]
    } else {
        Vec::new()
    }))
}

/// A question as bytes, for clients that are not dig.
///
/// # Errors
/// When the name is no name.
pub fn question(name: &str, kind: TYPE) -> Result<Vec<u8>> {
    let mut packet = Packet::new_query(0x4664);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(|e| anyhow::anyhow!("{name}: {e:?}"))?;
    packet.questions.push(simple_dns::Question::new(name, QTYPE::TYPE(kind), CLASS::IN.into(), false));
    packet.build_bytes_vec().map_err(|e| anyhow::anyhow!("{e:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(dns64: Dns64, name: &str, kind: TYPE) -> Option<Vec<u8>> {
        let config = DnsConfig { dns64, ttl_s: 60 };
        answer(&config, &question(name, kind).unwrap(), Some(512))
    }

    #[test]
    fn rfc7050_section_3_both_well_known_addresses_under_each_prefix() {
        let prefixes = vec![Pref64::WELL_KNOWN, "3fff:464::/32".parse().unwrap()];
        let reply = ask(Dns64::Synthesise(prefixes), "ipv4only.arpa", TYPE::AAAA).unwrap();
        let reply = Packet::parse(&reply).unwrap();
        let found: Vec<String> = reply.answers.iter().filter_map(|r| aaaa(&r.rdata)).collect();
        assert_eq!(
            found,
            ["64:ff9b::c000:aa", "64:ff9b::c000:ab", "3fff:464:c000:aa::", "3fff:464:c000:ab::"]
        );
    }

    fn aaaa(data: &RData<'_>) -> Option<String> {
        if let RData::AAAA(a) = data { Some(Ipv6Addr::from(a.address).to_string()) } else { None }
    }

    #[test]
    fn no_dns64_says_so_in_three_ways() {
        let code = |dns64| {
            let reply = ask(dns64, "ipv4only.arpa", TYPE::AAAA)?;
            Packet::parse(&reply).ok().map(|p| (p.rcode(), p.answers.len()))
        };
        assert_eq!(code(Dns64::NoData), Some((RCODE::NoError, 0)));
        assert_eq!(code(Dns64::NxDomain), Some((RCODE::NameError, 0)));
        assert_eq!(code(Dns64::Silent), None);
    }

    #[test]
    fn rfc1035_section_4_2_1_a_long_answer_is_truncated_over_udp() {
        let reply = ask(Dns64::NoData, BIG, TYPE::TXT).unwrap();
        assert!(Packet::parse(&reply).unwrap().has_flags(PacketFlag::TRUNCATION));
        let config = DnsConfig { dns64: Dns64::NoData, ttl_s: 60 };
        let whole = answer(&config, &question(BIG, TYPE::TXT).unwrap(), None).unwrap();
        assert!(whole.len() > 3000);
    }
}
