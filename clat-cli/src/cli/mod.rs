//! The command line as it was typed: structs for clap and nothing else. Each command's own module
//! resolves them against files and the system.

mod host;
mod offline;
pub(crate) mod shell;

#[cfg(any(target_os = "linux", windows))]
pub(crate) use host::{DiscoverArgs, DoctorArgs, RunArgs, Source, Speed, StatusArgs, StopArgs, parse_source};
#[allow(unused_imports)]
pub(crate) use offline::{DemoArgs, ExplainArgs, PolicyArgs, PrivateIpv4, TranslateArgs, UdpZeroChecksum};

#[cfg(windows)]
pub(crate) use host::ServiceCommand;

use clap::{Args, Parser, Subcommand};

/// CLAT (464XLAT, RFC 6877): IPv4 programs on IPv6-only networks.
#[derive(Debug, Parser)]
#[command(name = "clat-cli", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // one value a process
pub(crate) enum Command {
    /// Show in a second what a CLAT does, on a simulated network. Needs neither privileges nor a network.
    Demo(DemoArgs),
    /// Translate a capture: what the CLAT would emit for each packet, to either side.
    ///
    /// OUT holds, in order, all that the translator emits: a packet of the other family is the
    /// translation (several where it was fragmented), one of the same family an ICMP error to the
    /// sender. Why the other packets were dropped is counted on standard error.
    Translate(TranslateArgs),
    /// Explain one packet: before and after, field by field, with the rule behind each change.
    Explain(ExplainArgs),
    /// Be the CLAT of this host until stopped.
    #[cfg(any(target_os = "linux", windows))]
    Run(RunArgs),
    /// Tell how the running instance is doing.
    #[cfg(any(target_os = "linux", windows))]
    Status(StatusArgs),
    /// Show the NAT64 prefixes that the network offers, and which one is used and why.
    #[cfg(any(target_os = "linux", windows))]
    Discover(DiscoverArgs),
    /// Look for what keeps translation from working, and say what to do.
    ///
    /// Exit code: 0 when nothing does, else that of the first fault: 10 configuration, 11 no device,
    /// 12 no rights, 13 changes left by a crash, 20 not running, 21 no uplink, 22 no prefix, 23 no
    /// address, 24 not active, 25 no neighbour answer, 26 NAT64 silent, 27 MTU black hole,
    /// 28 forwarding off, 29 no IPv4 route.
    #[cfg(any(target_os = "linux", windows))]
    Doctor(DoctorArgs),
    /// Stop the running instance and undo its changes to this host.
    #[cfg(any(target_os = "linux", windows))]
    Stop(StopArgs),
    /// Install, remove, start or stop the Windows service.
    #[cfg(windows)]
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Print the manual page (roff): `clat-cli man | man -l -`.
    Man,
}

/// `completions`
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete in.
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_tree_is_consistent() {
        Cli::command().debug_assert();
    }
}
