//! The topology: one customer, one NAT64, one server, and what lies between them.

use crate::dns::{Dns64, DnsConfig, DnsServer};
use crate::ra::{Pio, RaConfig, RaSender};
use crate::servers::Servers;
use crate::tayga::{self, Tayga};
use crate::{Ns, wait_for};
use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The IPv4-only server. AS112 addresses (RFC 7535) are global unicast and nobody's service, which
/// tayga asks for under `64:ff9b::/96`.
pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(192, 175, 48, 7);
/// The IPv4 router hop between the NAT64 and the server.
pub const HOP4: Ipv4Addr = Ipv4Addr::new(192, 31, 196, 2);
/// The IPv6 router hop between the customer's router and the NAT64.
pub const CORE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 2);
/// The prefix of the first uplink and of the second.
pub const PREFIX: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0), Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 0)];
/// The customer's routers on their links; the resolver and the DNS64 answer here.
pub const EDGE: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 1)];
/// The host's devices.
pub const UPLINK: [&str; 2] = ["up0", "up1"];
/// The host's own IPv4 address when the first uplink is dual stack.
pub const NATIVE_V4: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 2);

/// What a lab is to be like.
#[derive(Debug)]
pub struct LabBuilder {
    pref64s: Vec<Pref64>,
    ra: [RaConfig; 2],
    uplinks: usize,
    dns64: Dns64,
    dns_ttl_s: u32,
    resolver: bool,
    dad: bool,
}

impl Default for LabBuilder {
    fn default() -> Self {
        let ra = |n: usize| RaConfig { prefixes: vec![Pio::lasting(PREFIX[n])], ..RaConfig::default() };
        Self {
            pref64s: vec![Pref64::WELL_KNOWN],
            ra: [ra(0), ra(1)],
            uplinks: 1,
            dns64: Dns64::NoData,
            dns_ttl_s: 60,
            resolver: true,
            dad: false,
        }
    }
}

impl LabBuilder {
    /// The prefixes that the NAT64 translates, at most four.
    #[must_use]
    pub fn nat64(mut self, pref64s: &[Pref64]) -> Self {
        self.pref64s = pref64s.to_vec();
        self
    }

    /// Changes what every router advertises from the start.
    #[must_use]
    pub fn ra(mut self, change: impl Fn(&mut RaConfig)) -> Self {
        self.ra.iter_mut().for_each(change);
        self
    }

    /// The routers announce this prefix for half an hour.
    #[must_use]
    pub fn ra_pref64(self, pref64: Pref64) -> Self {
        self.ra(|ra| ra.pref64 = vec![(pref64, 1800)])
    }

    /// A second uplink with a router and a prefix of its own. It is down at first.
    #[must_use]
    pub fn two_uplinks(mut self) -> Self {
        self.uplinks = 2;
        self
    }

    /// What the customer's resolver answers to AAAA questions, and for how long it holds.
    #[must_use]
    pub fn dns64(mut self, dns64: Dns64, ttl_s: u32) -> Self {
        (self.dns64, self.dns_ttl_s) = (dns64, ttl_s);
        self
    }

    /// The host has no resolver in its `resolv.conf`.
    #[must_use]
    pub fn without_resolver(mut self) -> Self {
        self.resolver = false;
        self
    }

    /// The host does duplicate address detection as Linux does by default. Without it, addresses
    /// are taken at once, which saves two seconds.
    #[must_use]
    pub fn with_dad(mut self) -> Self {
        self.dad = true;
        self
    }

    /// Builds it; the first uplink is up and the host has its IPv6 address.
    ///
    /// # Errors
    /// With the command that failed.
    pub fn build(self) -> Result<Lab> {
        let lab = self.build_without_link()?;
        lab.link_up(0)?;
        Ok(lab)
    }

    /// Builds it; the host's uplinks are down.
    ///
    /// # Errors
    /// With the command that failed.
    pub fn build_without_link(self) -> Result<Lab> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = Dir::new(number, self.resolver)?;
        let ns = |role: &str| Ns::new(number, role);
        let host = ns("host")?;
        if !self.dad {
            host.skip_dad()?;
        }
        let (core, plat, hop4, inet) = (ns("core")?, ns("plat")?, ns("hop4")?, ns("inet")?);
        inet.skip_dad()?;
        for router in [&core, &plat, &hop4] {
            router.make_router()?;
        }
        connect_backbone(&core, &plat, &hop4, &inet)?;
        let taygas = start_nat64(&core, &plat, &dir.path, &self.pref64s)?;
        let mut edges = Vec::new();
        for (n, config) in self.ra.into_iter().enumerate().take(self.uplinks) {
            let edge = ns(&format!("edge{n}"))?;
            edge.make_router()?;
            connect_customer(&host, &edge, &core, &hop4, n)?;
            let dns = DnsConfig { dns64: self.dns64.clone(), ttl_s: self.dns_ttl_s };
            let dns = DnsServer::start(&edge, IpAddr::V6(EDGE[n]), dns)?;
            let ra = RaSender::start(&edge, "lan0", config)?;
            edges.push(Edge { ra, dns, ns: edge });
        }
        let server_dns = DnsConfig { dns64: Dns64::NoData, ttl_s: 60 };
        Ok(Lab {
            _taygas: taygas,
            _servers: Servers::start(&inet, IpAddr::V4(SERVER_V4))?,
            _server_dns: DnsServer::start(&inet, IpAddr::V4(SERVER_V4), server_dns)?,
            edges,
            host,
            core,
            plat,
            hop4,
            inet,
            dir,
            number,
        })
    }
}

/// A small Internet. Dropping it removes every namespace and process of it.
#[derive(Debug)]
pub struct Lab {
    _taygas: Vec<Tayga>,
    _servers: Servers,
    _server_dns: DnsServer,
    /// The customer's routers, one an uplink.
    pub edges: Vec<Edge>,
    /// Where the program under test runs.
    pub host: Ns,
    /// The IPv6 hop.
    pub core: Ns,
    /// The provider's NAT64.
    pub plat: Ns,
    /// The IPv4 hop.
    pub hop4: Ns,
    /// The IPv4-only server.
    pub inet: Ns,
    dir: Dir,
    number: u32,
}

/// A router of the customer with its advertisements and its resolver.
#[derive(Debug)]
pub struct Edge {
    /// What it advertises on `lan0`.
    pub ra: RaSender,
    /// Its resolver.
    pub dns: DnsServer,
    /// Its namespace.
    pub ns: Ns,
}

impl Lab {
    /// A lab with a NAT64 for `64:ff9b::/96`, one uplink, no PREF64 option and no DNS64.
    #[must_use]
    pub fn builder() -> LabBuilder {
        LabBuilder::default()
    }

    /// Its number in this process, for more namespaces of the same scene.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// A folder for the scene's files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir.path
    }

    /// Takes the uplink up and waits until the host has an address and a default route by it.
    ///
    /// # Errors
    /// When there is none after ten seconds.
    pub fn link_up(&self, n: usize) -> Result<()> {
        let dev = UPLINK[n];
        self.host.ip(&format!("link set {dev} up"))?;
        let ready = || {
            let route = self.host.ip(&format!("-6 route show default dev {dev}")).ok()?;
            let addr = self.host.ip(&format!("-6 addr show dev {dev} scope global -tentative")).ok()?;
            let settling = self.host.ip(&format!("-6 addr show dev {dev} tentative")).ok()?;
            let local = self.host.ip(&format!("-6 route show table local dev {dev} type local")).ok()?;
            let settled = settling.trim().is_empty() && local.lines().count() == own_addresses(&addr) + 1;
            (!route.trim().is_empty() && addr.contains("inet6") && settled).then_some(())
        };
        wait_for(Duration::from_secs(10), ready).with_context(|| format!("no IPv6 address on {dev}"))
    }

    /// Takes the uplink down at the host.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn link_down(&self, n: usize) -> Result<()> {
        self.host.ip(&format!("link set {} down", UPLINK[n])).map(drop)
    }

    /// Cuts the cable (`false`) or plugs it in again: the host's device stays up without a carrier.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn carrier(&self, n: usize, on: bool) -> Result<()> {
        let edge = &self.edges[n].ns;
        edge.ip(if on { "link set lan0 up" } else { "link set lan0 down" })?;
        if on {
            // The kernel forgot them with the link.
            edge.ip(&format!("addr replace {}/64 dev lan0 nodad", EDGE[n]))?;
            edge.ip("addr replace fe80::1/64 dev lan0 nodad")?;
        }
        Ok(())
    }

    /// The MTU of the link between the IPv6 hop and the NAT64.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn set_v6_path_mtu(&self, mtu: u32) -> Result<()> {
        self.core.ip(&format!("link set plat mtu {mtu}"))?;
        self.plat.ip(&format!("link set core mtu {mtu}")).map(drop)
    }

    /// The MTU of the link between the NAT64 and the IPv4 hop.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn set_v4_path_mtu(&self, mtu: u32) -> Result<()> {
        self.plat.ip(&format!("link set hop4 mtu {mtu}"))?;
        self.hop4.ip(&format!("link set plat mtu {mtu}")).map(drop)
    }

    /// The first uplink becomes dual stack (`true`), or loses its IPv4.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn native_ipv4(&self, on: bool) -> Result<()> {
        let dev = UPLINK[0];
        if on {
            self.host.ip(&format!("addr add {NATIVE_V4}/24 dev {dev}"))?;
            self.host.ip(&format!("route add default via 10.64.0.1 dev {dev}")).map(drop)
        } else {
            self.host.ip(&format!("addr del {NATIVE_V4}/24 dev {dev}")).map(drop)
        }
    }

    /// The host's IPv4 address as the server sees it: the pool's through the NAT64, or its own.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn address_seen(&self) -> Result<IpAddr> {
        let body =
            crate::client::curl(&self.host, &format!("http://{SERVER_V4}/ip"), Duration::from_secs(5))?;
        let text = String::from_utf8_lossy(&body).into_owned();
        text.parse().with_context(|| format!("the server saw {text}"))
    }
}

fn own_addresses(listing: &str) -> usize {
    listing.lines().filter(|line| line.contains("inet6")).count()
}

/// The working folder: `run` is the host's `/run`, `resolv.conf` its resolvers.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
}

impl Dir {
    fn new(number: u32, resolver: bool) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("netlab-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("run"))?;
        let text = if resolver { format!("nameserver {}\n", EDGE[0]) } else { String::new() };
        std::fs::write(path.join("resolv.conf"), text)?;
        Ok(Self { path })
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if std::env::var_os("CLAT_NETLAB_KEEP").is_none() {
            // What is left of a scene is in a folder for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn connect_backbone(core: &Ns, plat: &Ns, hop4: &Ns, inet: &Ns) -> Result<()> {
    core.cable("plat", plat, "core")?;
    core.ip("addr add 2001:db8:102::1/64 dev plat")?;
    plat.ip("addr add 2001:db8:102::2/64 dev core")?;
    core.ip("route add 2001:db8:64::/64 via 2001:db8:102::2")?;
    plat.ip("route add default via 2001:db8:102::1")?;
    plat.cable("hop4", hop4, "plat")?;
    plat.ip("addr add 192.31.196.1/30 dev hop4")?;
    hop4.ip(&format!("addr add {HOP4}/30 dev plat"))?;
    plat.ip(&format!("route add default via {HOP4}"))?;
    hop4.ip(&format!("route add {} via 192.31.196.1", tayga::POOL))?;
    hop4.cable("inet", inet, "hop4")?;
    hop4.ip("addr add 192.175.48.1/24 dev inet")?;
    inet.ip(&format!("addr add {SERVER_V4}/24 dev hop4"))?;
    inet.ip("route add default via 192.175.48.1").map(drop)
}

fn start_nat64(core: &Ns, plat: &Ns, dir: &Path, pref64s: &[Pref64]) -> Result<Vec<Tayga>> {
    ensure!(pref64s.len() <= 4, "the pool is cut in four");
    let mut taygas = Vec::new();
    for (number, pref64) in pref64s.iter().enumerate() {
        core.ip(&format!("route add {pref64} via 2001:db8:102::2"))?;
        taygas.push(Tayga::start(plat, dir, number, *pref64)?);
    }
    Ok(taygas)
}

fn connect_customer(host: &Ns, edge: &Ns, core: &Ns, hop4: &Ns, n: usize) -> Result<()> {
    let dev = UPLINK[n];
    host.ip(&format!("link add name {dev} type veth peer name lan0 netns {}", edge.name()))?;
    // A fixed card, so that the address is the same each time the link comes up.
    host.ip(&format!("link set {dev} address 02:00:00:00:64:0{n}"))?;
    edge.set_sysctl("ipv6/conf/lan0/addr_gen_mode", "1")?;
    edge.ip("link set lan0 up")?;
    edge.ip("addr add fe80::1/64 dev lan0 nodad")?;
    edge.ip(&format!("addr add {}/64 dev lan0 nodad", EDGE[n]))?;
    edge.cable("core", core, &format!("edge{n}"))?;
    edge.ip(&format!("addr add 2001:db8:{:x}::1/64 dev core", 0x100 + n))?;
    core.ip(&format!("addr add 2001:db8:{:x}::2/64 dev edge{n}", 0x100 + n))?;
    edge.ip(&format!("route add default via 2001:db8:{:x}::2", 0x100 + n))?;
    core.ip(&format!("route add {}/64 via 2001:db8:{:x}::1", PREFIX[n], 0x100 + n))?;
    if n == 0 {
        edge.cable("hop4", hop4, "edge0")?;
        edge.ip("addr add 192.31.196.5/30 dev hop4")?;
        hop4.ip("addr add 192.31.196.6/30 dev edge0")?;
        edge.ip("addr add 10.64.0.1/24 dev lan0")?;
        edge.ip("route add default via 192.31.196.6")?;
        hop4.ip("route add 10.64.0.0/24 via 192.31.196.5")?;
    }
    Ok(())
}
