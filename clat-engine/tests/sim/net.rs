//! Routers, resolvers and neighbours.

use clat_core::{Pref64, RaPref64};
use clat_engine::{AddressState, DefaultRoute6, Icmpv6Out, IfIndex, LinkKind, Mac, Probe};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A router and what it advertises.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) addr: Ipv6Addr,
    pub(crate) mac: Mac,
    pub(crate) metric: u32,
    /// Prefix and lifetime in seconds.
    pub(crate) pref64: Vec<(Pref64, u16)>,
    pub(crate) interval_s: u64,
    pub(crate) mtu: Option<u32>,
    pub(crate) rdnss: Vec<Ipv6Addr>,
    /// The /64 in which hosts make addresses by themselves.
    pub(crate) pio: Option<Ipv6Addr>,
    /// Whether it answers Neighbour Solicitations.
    pub(crate) alive: bool,
}

impl Router {
    pub(crate) fn new(addr: &str) -> Self {
        let addr: Ipv6Addr = addr.parse().unwrap();
        let last = addr.octets()[15];
        Self {
            addr,
            mac: [2, 0, 0, 0, 1, last],
            metric: 100,
            pref64: Vec::new(),
            interval_s: 200,
            mtu: None,
            rdnss: Vec::new(),
            pio: None,
            alive: true,
        }
    }

    pub(crate) fn with_pref64(mut self, prefix: &str, lifetime_s: u16) -> Self {
        self.pref64.push((prefix.parse().unwrap(), lifetime_s));
        self
    }

    pub(crate) fn route(&self, ifindex: IfIndex) -> DefaultRoute6 {
        DefaultRoute6 { ifindex, router: Some(self.addr), metric: self.metric }
    }

    /// Its advertisement to all nodes.
    pub(crate) fn advert(&self) -> Vec<u8> {
        let mut message = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([1, 1]);
        message.extend(self.mac);
        for (prefix, lifetime_s) in &self.pref64 {
            message.extend(RaPref64 { prefix: *prefix, lifetime_s: *lifetime_s }.emit());
        }
        if let Some(mtu) = self.mtu {
            message.extend([5, 1, 0, 0]);
            message.extend(mtu.to_be_bytes());
        }
        if let Some(prefix) = self.pio {
            message.extend([3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 7, 8, 0, 0, 0, 0]);
            message.extend(prefix.octets());
        }
        for server in &self.rdnss {
            message.extend([25, 3, 0, 0, 0, 0, 7, 8]);
            message.extend(server.octets());
        }
        seal(self.addr, "ff02::1".parse().unwrap(), &mut message);
        message
    }
}

/// A link and everything on it.
#[derive(Clone, Debug)]
pub(crate) struct SimLink {
    pub(crate) up: bool,
    pub(crate) mtu: u32,
    pub(crate) kind: LinkKind,
    pub(crate) mac: Mac,
    pub(crate) addresses: Vec<(Ipv6Addr, AddressState)>,
    pub(crate) routers: Vec<Router>,
    pub(crate) native_v4: bool,
    pub(crate) resolvers: Vec<IpAddr>,
    /// What the resolvers make of `ipv4only.arpa`: `None` is silence, an empty list NXDOMAIN.
    pub(crate) dns64: Option<Vec<Pref64>>,
    pub(crate) ttl_s: u32,
    /// Addresses of other hosts.
    pub(crate) taken: BTreeSet<Ipv6Addr>,
    /// Whether the NAT64 forwards.
    pub(crate) nat64: bool,
    /// The largest IPv4 packet that comes through, in bytes.
    pub(crate) path: u16,
}

impl SimLink {
    /// A link with one address in each of these /64s and one router.
    pub(crate) fn new(prefixes: &[&str], router: Router) -> Self {
        let mac = [2, 0, 0, 0, 0, 9];
        let addr = |p: &&str| {
            let prefix: Ipv6Addr = p.parse().unwrap();
            (Ipv6Addr::from_bits(prefix.to_bits() | 0x5), AddressState::Preferred)
        };
        let mut addresses = vec![("fe80::9".parse().unwrap(), AddressState::Preferred)];
        addresses.extend(prefixes.iter().map(addr));
        Self {
            up: true,
            mtu: 1500,
            kind: LinkKind::Broadcast,
            mac,
            addresses,
            routers: vec![router],
            native_v4: false,
            resolvers: Vec::new(),
            dns64: None,
            ttl_s: 600,
            taken: BTreeSet::new(),
            nat64: true,
            path: u16::MAX,
        }
    }

    pub(crate) fn with_dns64(mut self, prefixes: &[&str], ttl_s: u32) -> Self {
        self.resolvers = vec!["2001:db8:1:1::53".parse().unwrap()];
        self.dns64 = Some(prefixes.iter().map(|p| p.parse().unwrap()).collect());
        self.ttl_s = ttl_s;
        self
    }

    pub(crate) fn router(&self, addr: Ipv6Addr) -> Option<&Router> {
        self.routers.iter().find(|r| r.addr == addr)
    }

    /// The answer of a resolver.
    pub(crate) fn resolve(&self, server: IpAddr, query: &[u8]) -> Option<Vec<u8>> {
        let prefixes = self.dns64.as_ref().filter(|_| self.up && self.resolvers.contains(&server))?;
        let mut message = query.to_vec();
        message[2] |= 0x80;
        message[3] = if prefixes.is_empty() { 0x83 } else { 0x80 };
        message[7] = u8::try_from(prefixes.len() * 2).unwrap();
        for prefix in prefixes {
            for last in [170, 171] {
                message.extend([0xc0, 12, 0, 28, 0, 1]);
                message.extend(self.ttl_s.to_be_bytes());
                message.extend([0, 16]);
                message.extend(prefix.embed(Ipv4Addr::new(192, 0, 0, last)).octets());
            }
        }
        Some(message)
    }

    /// What neighbours answer to a message: source, destination, link-layer source, message.
    pub(crate) fn answers(&self, out: &Icmpv6Out) -> Vec<(Ipv6Addr, Ipv6Addr, Mac, Vec<u8>)> {
        let all_nodes: Ipv6Addr = "ff02::1".parse().unwrap();
        match out.message[0] {
            133 => self.routers.iter().map(|r| (r.addr, all_nodes, r.mac, r.advert())).collect(),
            135 => self.solicited(out).into_iter().collect(),
            128 => {
                let mut reply = out.message.to_vec();
                reply[0] = 129;
                let router = self.routers.iter().find(|r| r.addr == out.destination && r.alive);
                router
                    .map(|r| {
                        seal(r.addr, out.source, &mut reply);
                        vec![(r.addr, out.source, r.mac, reply)]
                    })
                    .unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn solicited(&self, out: &Icmpv6Out) -> Option<(Ipv6Addr, Ipv6Addr, Mac, Vec<u8>)> {
        let target: [u8; 16] = out.message[8..24].try_into().unwrap();
        let target = Ipv6Addr::from(target);
        let probe = out.source.is_unspecified();
        let router = self.routers.iter().find(|r| r.addr == target && r.alive).map(|r| r.mac);
        let host = self.taken.contains(&target).then_some([2, 0, 0, 0, 2, 2]);
        let mac = router.or(host)?;
        let (destination, flags) =
            if probe { ("ff02::1".parse().unwrap(), 0x20) } else { (out.source, 0x60) };
        let mut message = vec![136, 0, 0, 0, flags, 0, 0, 0];
        message.extend(target.octets());
        message.extend([2, 1]);
        message.extend(mac);
        seal(target, destination, &mut message);
        Some((target, destination, mac, message))
    }

    /// The answer to a probe: the first router, a hop beyond the NAT64, or the target.
    pub(crate) fn answer_probe(&self, probe: &Probe, own_hops: u8) -> Option<(Ipv4Addr, bool)> {
        if probe.ttl == own_hops + 1 {
            return Some((Ipv4Addr::new(192, 0, 0, 8), false));
        }
        (self.nat64 && probe.size <= self.path).then_some((probe.target, true))
    }
}

/// Writes the checksum (RFC 4443 section 2.3).
pub(crate) fn seal(source: Ipv6Addr, destination: Ipv6Addr, message: &mut [u8]) {
    message[2..4].fill(0);
    let mut bytes = [source.octets(), destination.octets()].concat();
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend([0, 0, 0, 58]);
    bytes.extend_from_slice(message);
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    let mut sum: u32 = bytes.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}
