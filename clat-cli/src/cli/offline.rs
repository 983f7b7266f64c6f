//! Arguments of the commands that need neither privileges nor a network.

use clap::{Args, ValueEnum};
use clat_core::{EamRow, Pref64};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// `translate`
#[derive(Args, Debug)]
pub(crate) struct TranslateArgs {
    /// NAT64 prefix (RFC 6052): /32, /40, /48, /56, /64 or /96.
    #[arg(long, value_name = "P/LEN")]
    pub(crate) pref64: Pref64,
    /// IPv4 address of the host behind the CLAT.
    #[arg(long, value_name = "ADDR")]
    pub(crate) clat_v4: Ipv4Addr,
    /// IPv6 address of the CLAT.
    #[arg(long, value_name = "ADDR")]
    pub(crate) clat_v6: Ipv6Addr,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Capture to read (pcap or pcapng; raw IP, Ethernet, Linux cooked, loopback); - is standard input.
    #[arg(value_name = "IN.pcap")]
    pub(crate) input: PathBuf,
    /// Capture to write (raw IP, link type 101); pcapng when the name ends so; - is standard output.
    #[arg(value_name = "OUT.pcap")]
    pub(crate) output: PathBuf,
}

/// What the standards leave open, the same for every offline command.
#[derive(Args, Clone, Debug)]
pub(crate) struct PolicyArgs {
    /// MTU on the IPv4 side, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(68..=65535))]
    pub(crate) mtu4: u32,
    /// MTU on the IPv6 side, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1280..=65575))]
    pub(crate) mtu6: u32,
    /// IPv4 UDP datagrams without checksum: calculate it, or drop them (RFC 7915 section 4.5).
    #[arg(long, value_enum, default_value_t)]
    pub(crate) udp_zero_checksum: UdpZeroChecksum,
    /// Size up to which fragmentable IPv4 packets leave whole: lowest-ipv6-mtu of RFC 7915, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1280, value_parser = clap::value_parser!(u32).range(1280..=65575))]
    pub(crate) min_ipv6_mtu: u32,
    /// Private IPv4 destinations under 64:ff9b::/96 (RFC 6052 section 3.1).
    #[arg(long, value_enum, default_value_t)]
    pub(crate) private_ipv4: PrivateIpv4,
    /// An explicit address mapping (RFC 7757); may be given up to 64 times.
    #[arg(long, value_name = "V4/LEN=V6/LEN", value_parser = parse_eam)]
    pub(crate) eam: Vec<EamRow>,
}

/// IPv4 UDP datagrams without checksum.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum UdpZeroChecksum {
    /// Calculate the checksum that IPv6 demands.
    #[default]
    Calc,
    /// Drop the datagram.
    Drop,
}

/// Private IPv4 destinations under the well-known prefix.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum PrivateIpv4 {
    /// Translate them like any other.
    #[default]
    Translate,
    /// Drop them.
    Drop,
}

/// `explain`
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// NAT64 prefix (RFC 6052).
    #[arg(long, value_name = "P/LEN", default_value_t = Pref64::WELL_KNOWN)]
    pub(crate) pref64: Pref64,
    /// IPv4 address of the host behind the CLAT.
    #[arg(long, value_name = "ADDR", default_value = "192.0.0.1")]
    pub(crate) clat_v4: Ipv4Addr,
    /// IPv6 address of the CLAT.
    #[arg(long, value_name = "ADDR", default_value = "2001:db8::464")]
    pub(crate) clat_v6: Ipv6Addr,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Take the packet from this capture.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hex", "file"])]
    pub(crate) pcap: Option<PathBuf>,
    /// Number of the packet in the capture, from 1.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "pcap", conflicts_with_all = ["hex", "file"], value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) packet: u64,
    /// Take the packet as hex digits from this file; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "hex")]
    pub(crate) file: Option<PathBuf>,
    /// The packet as hex digits; spaces, colons and offsets of a hex dump are skipped.
    #[arg(value_name = "HEX", required_unless_present_any = ["pcap", "file"])]
    pub(crate) hex: Vec<String>,
}

/// `demo`
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Seed of the simulated network: the same seed, the same run.
    #[arg(long, value_name = "N", default_value_t = 464)]
    pub(crate) seed: u64,
}

fn parse_eam(text: &str) -> Result<EamRow, String> {
    let shape = || "write it as 192.0.2.0/24=2001:db8::/120".to_owned();
    let (v4, v6) = text.split_once('=').ok_or_else(shape)?;
    let (v4, v4_len) = split_prefix(v4, "32");
    let (v6, v6_len) = split_prefix(v6, "128");
    let row = EamRow::new(
        v4.parse().map_err(|_| shape())?,
        v4_len.parse().map_err(|_| shape())?,
        v6.parse().map_err(|_| shape())?,
        v6_len.parse().map_err(|_| shape())?,
    );
    row.map_err(|e| e.to_string())
}

fn split_prefix<'a>(text: &'a str, whole: &'a str) -> (&'a str, &'a str) {
    text.split_once('/').unwrap_or((text, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eam_rows_are_read_or_refused_with_advice() {
        let row = parse_eam("192.0.2.0/24=2001:db8::/120").unwrap();
        assert_eq!((row.v4().1, row.v6().1), (24, 120));
        let row = parse_eam("192.0.2.1=2001:db8::1").unwrap();
        assert_eq!((row.v4().1, row.v6().1), (32, 128));
        for bad in ["", "1.2.3.4", "1.2.3.4/33=::/128", "1.2.3.4/8=::/64", "x=y", "1.2.3.4/=::1"] {
            assert!(parse_eam(bad).is_err(), "{bad}");
        }
    }
}
