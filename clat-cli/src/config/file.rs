//! The configuration file of `run`: TOML, every key optional, unknown keys refused.
//!
//! Keys are called as the flags are. A flag overrides the file.

use anyhow::Context;
use clat_core::Pref64;
use serde::{Deserialize, Deserializer};
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the file says.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct File {
    /// Interface towards the IPv6 network.
    pub uplink: Option<String>,
    /// NAT64 prefix instead of the announced one.
    #[serde(deserialize_with = "text")]
    pub pref64: Option<Pref64>,
    /// IPv4 address that programs use.
    pub clat_v4: Option<Ipv4Addr>,
    /// IPv6 address of the CLAT instead of one from the uplink's prefix.
    pub clat_v6: Option<Ipv6Addr>,
    /// A prefix that is routed to this host (RFC 6877 section 6.3, RFC 9663): the CLAT's address is made in
    /// it, and nothing is claimed on the uplink.
    #[serde(deserialize_with = "prefix")]
    pub clat_prefix: Option<(Ipv6Addr, u8)>,
    /// Metric of the IPv4 default route.
    pub metric: Option<u32>,
    /// Advertise a TCP MSS that fits on the IPv4 default route.
    pub clamp_mss: Option<bool>,
    /// Name of the tunnel device.
    pub tun: Option<String>,
    /// MTU of the IPv4 side, in bytes.
    #[serde(deserialize_with = "mtu")]
    pub mtu: Option<u32>,
    /// `routed`, `pcap` or `pcap:FILE`.
    pub source: Option<String>,
    /// Queues of the tunnel device.
    #[serde(deserialize_with = "queues")]
    pub queues: Option<u16>,
    /// Take super-packets and unfinished checksums from the kernel.
    pub offload: Option<bool>,
    /// Set addresses, routes and sysctls; without it the device is opened and nothing else.
    pub configure: Option<bool>,
    /// Start although native IPv4 or another CLAT is there.
    pub force: Option<bool>,
    /// Write both sides of the translation to this capture.
    pub capture: Option<PathBuf>,
    /// Where the sockets and the journal are.
    pub state_dir: Option<PathBuf>,
    /// Give up rights, files and system calls that are not needed once it runs.
    pub sandbox: Option<bool>,
    /// `error`, `warn`, `info`, `debug` or `trace`, or `module=level` pairs with commas.
    pub log: Option<String>,
    /// Where OpenMetrics are served: `unix:PATH`, or an address of the loopback with a port.
    pub metrics: Option<String>,
    /// Finding the prefix.
    pub discovery: Discovery,
    /// The standing test of the path.
    pub self_test: SelfTest,
    /// What the standards leave open.
    pub translation: Translation,
}

/// `[discovery]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Discovery {
    /// Listen to router advertisements (RFC 8781).
    pub ra: Option<bool>,
    /// Ask DNS where no router announces a prefix (RFC 7050).
    pub dns: Option<bool>,
    /// Ask these instead of the uplink's own resolvers.
    pub resolvers: Vec<IpAddr>,
}

/// `[self-test]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct SelfTest {
    /// Test the path after each start and then now and again.
    pub enabled: Option<bool>,
    /// An IPv4 address behind the NAT64 that answers echo requests, instead of the well-known ones.
    pub target: Option<Ipv4Addr>,
}

/// `[translation]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Translation {
    /// IPv4 UDP datagrams without checksum.
    pub udp_zero_checksum: Option<UdpZeroChecksum>,
    /// Private IPv4 destinations under 64:ff9b::/96.
    pub private_ipv4: Option<PrivateIpv4>,
    /// A fixed traffic class instead of the copied one.
    pub traffic_class: Option<u8>,
}

/// IPv4 UDP datagrams without checksum (RFC 7915 section 4.5).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UdpZeroChecksum {
    /// Calculate it.
    Calc,
    /// Drop the datagram.
    Drop,
}

/// Private IPv4 destinations under the well-known prefix (RFC 6052 section 3.1).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PrivateIpv4 {
    /// Translate them like any other.
    Translate,
    /// Drop them.
    Drop,
}

/// Reads a file. The error shows the line and where in it.
pub(crate) fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("configuration {}", path.display()))?;
    parse(&text).with_context(|| format!("configuration {}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<File> {
    Ok(toml::from_str(text)?)
}

/// A value with a text form of its own.
fn text<'de, D: Deserializer<'de>, T>(input: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(input)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn prefix<'de, D: Deserializer<'de>>(input: D) -> Result<Option<(Ipv6Addr, u8)>, D::Error> {
    let text = String::deserialize(input)?;
    let parse = || {
        let (addr, len) = text.split_once('/')?;
        let (addr, len): (Ipv6Addr, u8) = (addr.parse().ok()?, len.parse().ok()?);
        (len <= 120).then_some((addr, len))
    };
    let found = parse().ok_or_else(|| serde::de::Error::custom("write it as 2001:db8::/64, at most /120"))?;
    Ok(Some(found))
}

fn mtu<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u32>, D::Error> {
    within(input, 68, 65535)
}

fn queues<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u16>, D::Error> {
    within(input, 1, 256)
}

fn within<'de, D, T>(input: D, low: T, high: T) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialOrd + Display,
{
    let value = T::deserialize(input)?;
    if value < low || value > high {
        return Err(serde::de::Error::custom(format!("{value} is not between {low} and {high}")));
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(parse("").unwrap(), File::default());
    }

    #[test]
    fn every_key_is_read() {
        let file = parse(
            r#"
            uplink = "eth0"
            pref64 = "2001:db8:64::/96"
            clat-v4 = "192.0.0.2"
            clat-v6 = "2001:db8::464"
            clat-prefix = "2001:db8:1::/64"
            metric = 5000
            clamp-mss = true
            tun = "clat7"
            mtu = 1400
            source = "pcap"
            queues = 2
            offload = false
            configure = false
            force = true
            capture = "/var/tmp/a.pcapng"
            state-dir = "/run/other"
            sandbox = false
            log = "debug"
            metrics = "127.0.0.1:9464"
            [discovery]
            ra = false
            dns = true
            resolvers = ["2001:db8::53", "192.0.2.53"]
            [self-test]
            enabled = false
            target = "198.51.100.1"
            [translation]
            udp-zero-checksum = "drop"
            private-ipv4 = "drop"
            traffic-class = 0
            "#,
        )
        .unwrap();
        assert_eq!(file.pref64, Some("2001:db8:64::/96".parse().unwrap()));
        assert_eq!((file.mtu, file.queues, file.offload), (Some(1400), Some(2), Some(false)));
        assert_eq!(file.discovery.resolvers.len(), 2);
        assert_eq!(file.translation.udp_zero_checksum, Some(UdpZeroChecksum::Drop));
        assert_eq!(file.self_test.enabled, Some(false));
        assert_eq!(file.clat_prefix, Some(("2001:db8:1::".parse().unwrap(), 64)));
    }

    /// The commented file that is shipped has every key and no other, each with a value that is taken.
    #[test]
    fn the_shipped_file_names_every_key() {
        let shipped = include_str!("../../../packaging/linux/clat.toml");
        assert_eq!(parse(shipped).unwrap(), File::default(), "as it is it says nothing");
        let mut lines: Vec<&str> = shipped.lines().collect();
        for line in &mut lines {
            let bare = line.strip_prefix('#').filter(|rest| rest.contains(" = ") && !rest.starts_with(' '));
            *line = bare.unwrap_or(line);
        }
        let text = lines.join("\n");
        parse(&text).unwrap();
        let shown = toml::from_str::<toml::Table>(&text).unwrap();
        let fields = format!("{:?}", File::default());
        let in_tables: usize = shown.values().filter_map(|v| v.as_table()).map(toml::Table::len).sum();
        assert_eq!(fields.matches(": ").count(), shown.len() + in_tables, "{fields}");
    }

    #[test]
    fn errors_show_the_line_and_point_into_it() {
        let cases = [
            ("uplnk = \"eth0\"", "uplnk"),
            ("mtu = 20", "not between 68 and 65535"),
            ("queues = 0", "not between 1 and 256"),
            ("pref64 = \"64:ff9b::/97\"", "97"),
            ("clat-v4 = \"192.0.0.256\"", "IPv4"),
            ("[translation]\nprivate-ipv4 = \"maybe\"", "maybe"),
            ("clat-prefix = \"2001:db8::/128\"", "at most /120"),
            ("tun = \"a\"\ntun = \"b\"", "duplicate"),
        ];
        for (text, needle) in cases {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(needle), "{text}: {error}");
            assert!(error.contains("line ") && error.contains('^'), "{text}: {error}");
        }
    }
}
