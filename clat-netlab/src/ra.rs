//! Router Advertisements with the PREF64 option, which Debian's radvd cannot send.
//!
//! The options are written here by hand, from the RFCs and not with the program's own code, so that
//! its parser meets an independent writer.

use crate::Ns;
use anyhow::{Context as _, Result};
use clat_core::Pref64;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::Read as _;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
/// Unsolicited advertisements come this often, quicker than in real networks to keep scenes short.
const PERIOD: Duration = Duration::from_secs(2);

/// What a router says of itself.
#[derive(Clone, Debug)]
pub struct RaConfig {
    /// Says nothing at all when false.
    pub speaks: bool,
    /// Seconds it is a default router; 0: it is none.
    pub router_lifetime_s: u16,
    /// The IPv6 hop limit of the advertisement itself: all but 255 is to be ignored.
    pub hop_limit: u32,
    /// On-link prefixes for stateless address configuration (/64).
    pub prefixes: Vec<Pio>,
    /// The MTU option.
    pub mtu: Option<u32>,
    /// Resolvers (RFC 8106) with a lifetime of 600 s.
    pub rdnss: Vec<Ipv6Addr>,
    /// NAT64 prefixes (RFC 8781) and their lifetime in seconds; 0 withdraws one.
    pub pref64: Vec<(Pref64, u16)>,
    /// Other options as bytes.
    pub raw: Vec<u8>,
}

/// A Prefix Information option (RFC 4861 section 4.6.2) of length 64, on-link.
#[derive(Clone, Copy, Debug)]
pub struct Pio {
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Seconds it is valid.
    pub valid_s: u32,
    /// Seconds it is preferred.
    pub preferred_s: u32,
    /// Whether hosts may make addresses of it (RFC 4862); else they ask DHCPv6.
    pub autonomous: bool,
}

impl Pio {
    /// A prefix that stays.
    #[must_use]
    pub const fn lasting(prefix: Ipv6Addr) -> Self {
        Self { prefix, valid_s: 3600, preferred_s: 1800, autonomous: true }
    }
}

impl Default for RaConfig {
    fn default() -> Self {
        Self {
            speaks: true,
            router_lifetime_s: 1800,
            hop_limit: 255,
            prefixes: Vec::new(),
            mtu: None,
            rdnss: Vec::new(),
            pref64: Vec::new(),
            raw: Vec::new(),
        }
    }
}

impl RaConfig {
    /// The ICMPv6 message; the checksum is left to the kernel.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut m = vec![ROUTER_ADVERTISEMENT, 0, 0, 0, 64, 0];
        m.extend(self.router_lifetime_s.to_be_bytes());
        m.extend([0; 8]);
        for pio in &self.prefixes {
            m.extend([3, 4, 64, if pio.autonomous { 0b1100_0000 } else { 0b1000_0000 }]);
            m.extend(pio.valid_s.to_be_bytes());
            m.extend(pio.preferred_s.to_be_bytes());
            m.extend([0; 4]);
            m.extend(pio.prefix.octets());
        }
        if let Some(mtu) = self.mtu {
            m.extend([5, 1, 0, 0]);
            m.extend(mtu.to_be_bytes());
        }
        for resolver in &self.rdnss {
            m.extend([25, 3, 0, 0]);
            m.extend(600u32.to_be_bytes());
            m.extend(resolver.octets());
        }
        for (pref64, lifetime_s) in &self.pref64 {
            m.extend(pref64_option(*pref64, *lifetime_s));
        }
        m.extend(&self.raw);
        m
    }
}

/// RFC 8781 section 4: type 38, 2 units, 13 bits of lifetime in units of 8 s, 3 bits of length code.
fn pref64_option(pref64: Pref64, lifetime_s: u16) -> [u8; 16] {
    let code = [96, 64, 56, 48, 40, 32].iter().position(|len| *len == pref64.len()).unwrap_or(7);
    let word = (lifetime_s.div_ceil(8) << 3) | u16::try_from(code).unwrap_or(7);
    let mut option = [0; 16];
    option[..2].copy_from_slice(&[38, 2]);
    option[2..4].copy_from_slice(&word.to_be_bytes());
    option[4..].copy_from_slice(&pref64.prefix().octets()[..12]);
    option
}

/// A thread that advertises on one device, and answers solicitations.
#[derive(Debug)]
pub struct RaSender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    config: Mutex<RaConfig>,
    socket: Socket,
    scope: u32,
    stop: AtomicBool,
}

impl RaSender {
    /// Starts to advertise `config` on `dev` of `ns`.
    ///
    /// # Errors
    /// When there is no such device or no raw socket.
    pub fn start(ns: &Ns, dev: &str, config: RaConfig) -> Result<Self> {
        Self::start_as(ns, dev, "fe80::1".parse()?, config)
    }

    /// As [`start`](Self::start), as the router with the link-local address `source`.
    ///
    /// # Errors
    /// As [`start`](Self::start), and when the device has no such address.
    pub fn start_as(ns: &Ns, dev: &str, source: Ipv6Addr, config: RaConfig) -> Result<Self> {
        // /sys shows the namespace of its mount, not that of the thread: ask ip.
        let line = ns.ip(&format!("-o link show dev {dev}"))?;
        let scope = line.split(':').next().unwrap_or_default().trim().parse().context("interface index")?;
        let socket = ns.enter(|| open_socket(dev, scope, source))?.context("the router's ICMPv6 socket")?;
        let shared =
            Arc::new(Shared { config: Mutex::new(config), socket, scope, stop: AtomicBool::new(false) });
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve()
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Changes what is advertised and says it at once.
    pub fn set(&self, change: impl FnOnce(&mut RaConfig)) {
        change(&mut self.shared.config());
        self.shared.send();
    }
}

impl Drop for RaSender {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn config(&self) -> MutexGuard<'_, RaConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut next = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let mut buf = [0; 64];
            let solicited = (&self.socket).read(&mut buf).is_ok() && buf[0] == ROUTER_SOLICITATION;
            if solicited || Instant::now() >= next {
                self.send();
                next = Instant::now() + PERIOD;
            }
        }
    }

    fn send(&self) {
        let config = self.config().clone();
        if !config.speaks {
            return;
        }
        let all_nodes = SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), 0, 0, self.scope);
        // A link that is down refuses: the next advertisement may pass.
        let _ = self.socket.set_multicast_hops_v6(config.hop_limit);
        let _ = self.socket.send_to(&config.to_bytes(), &SockAddr::from(all_nodes));
    }
}

fn open_socket(dev: &str, scope: u32, source: Ipv6Addr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.bind_device(Some(dev.as_bytes()))?;
    socket.bind(&SockAddr::from(SocketAddrV6::new(source, 0, 0, scope)))?;
    socket.set_multicast_if_v6(scope)?;
    socket.join_multicast_v6(&Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), scope)?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8781_section_4_option_as_bytes() {
        let pref64 = "2001:db8:64::/48".parse().unwrap();
        assert_eq!(
            pref64_option(pref64, 600),
            [38, 2, 0x02, 0x5b, 0x20, 0x01, 0x0d, 0xb8, 0, 0x64, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(pref64_option(Pref64::WELL_KNOWN, 0)[2..4], [0, 0]);
    }

    #[test]
    fn rfc4861_section_4_2_every_option_is_whole_units() {
        let config = RaConfig {
            prefixes: vec![Pio::lasting(Ipv6Addr::UNSPECIFIED)],
            mtu: Some(1280),
            rdnss: vec![Ipv6Addr::LOCALHOST],
            pref64: vec![(Pref64::WELL_KNOWN, 1800)],
            ..RaConfig::default()
        };
        let bytes = config.to_bytes();
        let mut at = 16;
        let mut kinds = Vec::new();
        while at < bytes.len() {
            kinds.push(bytes[at]);
            at += usize::from(bytes[at + 1]) * 8;
        }
        assert_eq!((kinds, at), (vec![3, 5, 25, 38], bytes.len()));
    }
}
