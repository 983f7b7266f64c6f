//! The kernel as the judge: what its counters say of the packets that it was given.

use crate::Ns;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::fs::read_to_string;

/// Counters that stay where they are as long as every packet is well-formed.
const STRICT: [&str; 13] = [
    "Tcp.InCsumErrors",
    "Tcp.InErrs",
    "Udp.InCsumErrors",
    "UdpLite.InCsumErrors",
    "Icmp.InCsumErrors",
    "IpExt.InCsumErrors",
    "Udp6InCsumErrors",
    "UdpLite6InCsumErrors",
    "Icmp6InCsumErrors",
    "Ip6InTruncatedPkts",
    "IpExt.InTruncatedPkts",
    // A packet in fragments of which one never came.
    "Ip.ReasmFails",
    "Ip6ReasmFails",
];
/// These also count a hop limit that ran out while forwarding.
const HEADERS: [&str; 2] = ["Ip.InHdrErrors", "Ip6InHdrErrors"];

/// The counters of some namespaces at the start of a scene.
#[derive(Debug)]
pub struct Judge<'a> {
    watched: Vec<(&'a Ns, BTreeMap<String, u64>)>,
    names: Vec<&'static str>,
}

impl<'a> Judge<'a> {
    /// Notes the counters of the namespaces.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn new(watched: &[&'a Ns]) -> Result<Self> {
        let watched = watched.iter().map(|ns| Ok((*ns, counters(ns)?))).collect::<Result<_>>()?;
        Ok(Self { watched, names: STRICT.into_iter().chain(HEADERS).collect() })
    }

    /// Does not look at header errors: a traceroute makes some by design.
    #[must_use]
    pub fn with_traceroute(mut self) -> Self {
        self.names.retain(|name| !HEADERS.contains(name));
        self
    }

    /// Compares.
    ///
    /// # Errors
    /// When the kernel has counted a malformed packet.
    pub fn verdict(self) -> Result<()> {
        for (ns, before) in self.watched {
            let after = counters(ns)?;
            for name in &self.names {
                let grown = after.get(*name).unwrap_or(&0) - before.get(*name).unwrap_or(&0);
                ensure!(grown == 0, "the kernel of {} counted {grown} in {name}", ns.name());
            }
        }
        Ok(())
    }
}

/// What the kernel of a namespace has counted, by name: `Tcp.OutRsts`, `Icmp6OutDestUnreachs`.
///
/// # Errors
/// When `/proc/net` cannot be read.
pub fn counters(ns: &Ns) -> Result<BTreeMap<String, u64>> {
    let (tables, flat) = ns.enter(|| {
        let net = |file: &str| read_to_string(format!("/proc/thread-self/net/{file}"));
        Ok::<_, std::io::Error>((net("snmp")? + &net("netstat")?, net("snmp6")?))
    })??;
    let mut all = BTreeMap::new();
    let lines: Vec<&str> = tables.lines().collect();
    for pair in lines.chunks_exact(2) {
        let [names, values] = pair else { continue };
        let group = names.split(':').next().unwrap_or_default();
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()).skip(1) {
            all.insert(format!("{group}.{name}"), value.parse().unwrap_or(0));
        }
    }
    for line in flat.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(value)) = (words.next(), words.next()) {
            all.insert(name.to_owned(), value.parse().unwrap_or(0));
        }
    }
    ensure!(
        all.contains_key("Tcp.InCsumErrors") && all.contains_key("Icmp6InCsumErrors"),
        "strange /proc/net"
    );
    Ok(all)
}
