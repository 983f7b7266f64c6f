//! Arguments of the commands that touch the host or speak to a running instance.
use clap::{Args, ValueEnum};
use clat_core::Pref64;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// `run`
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RunArgs {
    /// Configuration file (TOML); a flag overrides what it says.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Interface towards the IPv6 network; chosen by its default route when not given.
    #[arg(long, value_name = "IF")]
    pub(crate) uplink: Option<String>,
    /// NAT64 prefix (RFC 6052) instead of the one that the network announces.
    #[arg(long, value_name = "P/LEN")]
    pub(crate) pref64: Option<Pref64>,
    /// IPv4 address that the host's programs use.
    #[arg(long, value_name = "ADDR")]
    pub(crate) clat_v4: Option<Ipv4Addr>,
    /// IPv6 address of the CLAT instead of one from the uplink's prefix.
    #[arg(long, value_name = "ADDR")]
    pub(crate) clat_v6: Option<Ipv6Addr>,
    /// Name of the tunnel device.
    #[arg(long, value_name = "NAME")]
    pub(crate) tun: Option<String>,
    /// MTU of the IPv4 side, in bytes, instead of the IPv6 MTU less 28.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(68..=65535))]
    pub(crate) mtu: Option<u32>,
    /// Where packets come from: `routed`, `pcap` for frames on the uplink without forwarding, or `pcap:FILE` to
    /// replay a capture into the device, or into --capture alone where no --tun is named.
    #[arg(long, value_name = "SOURCE", value_parser = parse_source)]
    pub(crate) source: Option<Source>,
    /// How fast pcap:FILE is replayed: with its pauses, or without.
    #[arg(long, value_enum, default_value_t, value_name = "PACE")]
    pub(crate) speed: Speed,
    /// Queues of the tunnel device, one thread each.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) queues: Option<u16>,
    /// Take no super-packets and no unfinished checksums from the kernel.
    #[arg(long)]
    pub(crate) no_offload: bool,
    /// Open the device and touch nothing else.
    #[arg(long)]
    pub(crate) no_configure: bool,
    /// Write both sides of the translation to this capture; it and four older ones take 64 MiB each at most.
    #[arg(long, value_name = "FILE.pcapng")]
    pub(crate) capture: Option<PathBuf>,
    /// Print what would be done to the host, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Start although native IPv4 or another CLAT is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// What is logged: error, warn, info, debug, trace, or `module=level` pairs with commas.
    #[arg(long, value_name = "FILTER", env = "CLAT_LOG")]
    pub(crate) log: Option<String>,
    #[command(flatten)]
    pub(crate) at: StateDir,
}

/// How fast a capture is replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Speed {
    /// With the pauses between packets that it has.
    Real,
    /// As fast as it goes.
    #[default]
    Max,
}

/// Where IPv6 packets come from and go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The operating system routes them to and from the tunnel device.
    Routed,
    /// Frames on the uplink.
    Pcap,
    /// A capture file.
    Replay(PathBuf),
}

/// Which instance is meant.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StateDir {
    /// Folder of the sockets and the journal, when not the usual one.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// `status`
#[derive(Args, Clone, Debug)]
pub(crate) struct StatusArgs {
    /// One JSON object, with keys that stay.
    #[arg(long)]
    pub(crate) json: bool,
    /// Again every second, until interrupted.
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) at: StateDir,
}

/// `doctor`
#[derive(Args, Clone, Debug)]
pub(crate) struct DoctorArgs {
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) at: StateDir,
}

/// `discover`
#[derive(Args, Clone, Debug)]
pub(crate) struct DiscoverArgs {
    #[command(flatten)]
    pub(crate) at: StateDir,
    /// Interface to ask on; chosen by its default route when not given.
    #[arg(long, value_name = "IF")]
    pub(crate) uplink: Option<String>,
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `stop`
#[derive(Args, Clone, Debug)]
pub(crate) struct StopArgs {
    /// Undo what an instance that crashed has left behind.
    #[arg(long)]
    pub(crate) recover: bool,
    #[command(flatten)]
    pub(crate) at: StateDir,
}

/// `service` (Windows)
#[cfg(windows)]
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum ServiceCommand {
    /// Register the service, to start with the system.
    Install,
    /// Stop the service and remove it.
    Uninstall,
    /// Start the service.
    Start,
    /// Stop the service: every change to this machine is undone.
    Stop,
    /// What the service manager calls.
    #[command(hide = true)]
    Run {
        /// Arguments as of `run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

pub(crate) fn parse_source(text: &str) -> Result<Source, String> {
    match text.split_once(':') {
        None if text == "routed" => Ok(Source::Routed),
        None if text == "pcap" => Ok(Source::Pcap),
        Some(("pcap", file)) if !file.is_empty() => Ok(Source::Replay(file.into())),
        _ => Err("it is one of routed, pcap, pcap:FILE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        assert_eq!(parse_source("routed"), Ok(Source::Routed));
        assert_eq!(parse_source("pcap"), Ok(Source::Pcap));
        assert_eq!(parse_source("pcap:C:\\a.pcap"), Ok(Source::Replay("C:\\a.pcap".into())));
        assert!(parse_source("pcap:").is_err() && parse_source("tap").is_err());
    }
}
