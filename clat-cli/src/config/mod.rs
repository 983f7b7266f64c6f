//! What `run` is told: the file and the flags, resolved into one [`Settings`].

pub(crate) mod file;

use crate::cli::{RunArgs, Source, Speed};
use crate::exit::usage;
use crate::setup::check_addresses;
use crate::translate::refuse_same;
use clat_core::{Policy, Pref64, PrivateV4, Tos, UdpZero};
use file::{File, PrivateIpv4, UdpZeroChecksum};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// The file that is read when none is named and this one exists.
#[cfg(unix)]
pub(crate) const DEFAULT_FILE: &str = "/etc/clat/clat.toml";
#[cfg(windows)]
pub(crate) const DEFAULT_FILE: &str = r"C:\ProgramData\CLAT\clat.toml";

/// Name of the device when nobody names another.
const DEFAULT_TUN: &str = "clat";

/// Everything that `run` goes by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// The file that was read, to be read again at a reload.
    pub file: Option<PathBuf>,
    /// Interface towards the IPv6 network, when not found by itself.
    pub uplink: Option<String>,
    /// Prefix, when not found by itself.
    pub pref64: Option<Pref64>,
    /// IPv4 address that programs use, when not chosen by itself.
    pub clat_v4: Option<Ipv4Addr>,
    /// IPv6 address, when not made by itself.
    pub clat_v6: Option<Ipv6Addr>,
    /// A prefix routed to this host to make the IPv6 address in.
    pub clat_prefix: Option<(Ipv6Addr, u8)>,
    /// Metric of the IPv4 default route, when not the usual one.
    pub metric: Option<u32>,
    /// Advertise a TCP MSS that fits.
    pub clamp_mss: bool,
    /// Name of the device.
    pub tun: String,
    /// MTU of the IPv4 side in bytes, when not the IPv6 side's less 28.
    pub mtu: Option<u32>,
    /// Where IPv6 packets come from.
    pub source: Source,
    /// How fast a capture is replayed.
    pub speed: Speed,
    /// Open a device. A replay that goes into a capture needs none.
    pub device: bool,
    /// Queues of the device.
    pub queues: u16,
    /// Take super-packets and unfinished checksums from the kernel.
    pub offload: bool,
    /// Set addresses, routes and sysctls.
    pub configure: bool,
    /// Print the plan, do nothing.
    pub dry_run: bool,
    /// Start over native IPv4 and other CLATs.
    pub force: bool,
    /// Capture file for both sides.
    pub capture: Option<PathBuf>,
    /// Where sockets and journal are, when not in the usual place.
    pub state_dir: Option<PathBuf>,
    /// Give up rights, files and system calls that are not needed once it runs.
    pub sandbox: bool,
    /// Filter of the log.
    pub log: Option<String>,
    /// Where metrics are served.
    pub metrics: Option<Metrics>,
    /// Listen to router advertisements.
    pub ra: bool,
    /// Ask DNS for the prefix where no router announces one.
    pub dns: bool,
    /// Resolvers to ask, when not the uplink's own.
    pub resolvers: Vec<IpAddr>,
    /// Test the path.
    pub self_test: bool,
    /// What the test reaches for, when not the well-known addresses.
    pub self_test_target: Option<Ipv4Addr>,
    /// What the standards leave open; the MTUs are set at each activation.
    pub policy: Policy,
}

/// Where metrics are served.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Metrics {
    /// A Unix socket.
    Unix(PathBuf),
    /// A port of the loopback.
    Loopback(std::net::SocketAddr),
}

impl Settings {
    /// Reads the file and lays the flags over it.
    pub(crate) fn resolve(args: &RunArgs) -> anyhow::Result<Self> {
        let path = args.config.clone().or_else(|| Some(DEFAULT_FILE.into()).filter(|p: &PathBuf| p.exists()));
        let file = match &path {
            Some(path) => file::read(path).map_err(|e| usage(format!("{e:#}")))?,
            None => File::default(),
        };
        Self::merge(args, file, path)
    }

    /// Everything by itself on this interface.
    pub(crate) fn for_discovery(uplink: Option<String>) -> Self {
        let args = RunArgs { uplink, force: true, ..RunArgs::default() };
        Self::lay(&args, File::default(), None, Source::Routed, None)
    }

    /// The same flags over the file as it is at this moment.
    pub(crate) fn again(&self, args: &RunArgs) -> anyhow::Result<Self> {
        let file = self.file.as_deref().map(file::read).transpose()?.unwrap_or_default();
        Self::merge(args, file, self.file.clone())
    }

    /// What cannot change while the device is open stays as it was. Returns the names of what the file
    /// says differently.
    pub(crate) fn keep_what_needs_a_restart(&mut self, old: &Self) -> Vec<&'static str> {
        let mut kept = Vec::new();
        macro_rules! keep {
            ($($field:ident as $name:literal),+ $(,)?) => {$(
                if self.$field != old.$field {
                    kept.push($name);
                    self.$field = old.$field.clone();
                }
            )+};
        }
        keep!(
            tun as "tun",
            source as "source",
            queues as "queues",
            offload as "offload",
            configure as "configure",
            capture as "capture",
            state_dir as "state-dir",
            sandbox as "sandbox",
            log as "log",
            metrics as "metrics",
        );
        kept
    }

    fn merge(args: &RunArgs, file: File, path: Option<PathBuf>) -> anyhow::Result<Self> {
        let source = match (&args.source, &file.source) {
            (Some(source), _) => source.clone(),
            (None, Some(text)) => {
                crate::cli::parse_source(text).map_err(|e| usage(format!("source: {e}")))?
            }
            (None, None) => Source::Routed,
        };
        let metrics = file.metrics.as_deref().map(metrics).transpose()?;
        let settings = Self::lay(args, file, path, source, metrics);
        settings.check()?;
        Ok(settings)
    }

    fn lay(
        args: &RunArgs,
        file: File,
        path: Option<PathBuf>,
        source: Source,
        metrics: Option<Metrics>,
    ) -> Self {
        let replay = matches!(source, Source::Replay(_));
        let policy = policy(&file);
        let capture = args.capture.clone().or(file.capture);
        let tun = args.tun.clone().or(file.tun);
        Self {
            // A capture tells nothing of this host.
            configure: !replay && !args.no_configure && file.configure.unwrap_or(true),
            policy,
            file: path,
            uplink: args.uplink.clone().or(file.uplink),
            pref64: args.pref64.or(file.pref64),
            clat_v4: args.clat_v4.or(file.clat_v4),
            clat_v6: args.clat_v6.or(file.clat_v6),
            clat_prefix: file.clat_prefix,
            metric: file.metric,
            clamp_mss: file.clamp_mss.unwrap_or(false),
            device: !replay || capture.is_none() || tun.is_some(),
            tun: tun.unwrap_or_else(|| DEFAULT_TUN.to_owned()),
            mtu: args.mtu.or(file.mtu),
            source,
            speed: args.speed,
            queues: args.queues.or(file.queues).unwrap_or(1),
            offload: !args.no_offload && file.offload.unwrap_or(true),
            dry_run: args.dry_run,
            force: args.force || file.force.unwrap_or(false),
            capture,
            state_dir: args.at.state_dir.clone().or(file.state_dir),
            sandbox: file.sandbox.unwrap_or(true),
            log: args.log.clone().or(file.log),
            metrics,
            ra: file.discovery.ra.unwrap_or(true),
            dns: file.discovery.dns.unwrap_or(true),
            resolvers: file.discovery.resolvers,
            self_test_target: file.self_test.target,
            self_test: file.self_test.enabled.unwrap_or(true),
        }
    }

    fn check_source(&self) -> anyhow::Result<()> {
        match &self.source {
            Source::Routed => Ok(()),
            Source::Replay(file) => self.check_replay(file),
            Source::Pcap if cfg!(windows) && self.uplink.is_none() => {
                Err(usage("--source pcap needs --uplink on Windows: the interface to speak frames on"))
            }
            Source::Pcap if !self.configure => {
                Err(usage("--source pcap and --no-configure: nobody would answer for the CLAT's address"))
            }
            Source::Pcap => Ok(()),
        }
    }

    fn check_replay(&self, file: &Path) -> anyhow::Result<()> {
        if self.pref64.is_none() || self.clat_v6.is_none() {
            return Err(usage("--source pcap:FILE needs --pref64 and --clat-v6: no network tells them"));
        }
        self.capture.as_deref().map_or(Ok(()), |capture| refuse_same(capture, file))
    }

    fn check(&self) -> anyhow::Result<()> {
        self.check_source()?;
        if !self.configure && (self.pref64.is_none() || self.clat_v6.is_none()) {
            return Err(usage(
                "--no-configure needs --pref64 and --clat-v6: without changes to the host no address can be claimed",
            ));
        }
        if cfg!(target_os = "linux") && !usable_name(&self.tun) {
            return Err(usage(format!(
                "--tun {:?}: 1 to 15 bytes without '/', ':' and white space",
                self.tun
            )));
        }
        check_addresses(self.pref64, self.clat_v4, self.clat_v6)?;
        if self.clat_v6.is_some() && self.clat_prefix.is_some() {
            return Err(usage("clat-v6 and clat-prefix: one of them, not both"));
        }
        if let (Some(prefix), Some(v6)) = (self.pref64, self.clat_v6)
            && prefix.extract(v6).is_some()
        {
            return Err(usage(format!("--clat-v6 {v6} lies inside --pref64 {prefix}: it must be outside")));
        }
        Ok(())
    }
}

/// Whether Linux takes it as the name of an interface.
fn usable_name(name: &str) -> bool {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    (1..16).contains(&name.len()) && name != "." && name != ".." && !name.contains(bad)
}

fn policy(file: &File) -> Policy {
    let mut policy = Policy::new();
    let translation = &file.translation;
    policy.udp_zero = match translation.udp_zero_checksum {
        Some(UdpZeroChecksum::Drop) => UdpZero::Drop,
        Some(UdpZeroChecksum::Calc) | None => UdpZero::Compute,
    };
    policy.private_v4 = match translation.private_ipv4 {
        Some(PrivateIpv4::Drop) => PrivateV4::Drop,
        Some(PrivateIpv4::Translate) | None => PrivateV4::Translate,
    };
    policy.tos = translation.traffic_class.map_or(Tos::Copy, Tos::Fixed);
    policy
}

fn metrics(text: &str) -> anyhow::Result<Metrics> {
    if let Some(path) = text.strip_prefix("unix:") {
        if cfg!(windows) {
            return Err(usage(format!("metrics = {text:?}: Windows serves 127.0.0.1:PORT only")));
        }
        let path = Path::new(path);
        return match path.is_absolute() {
            true => Ok(Metrics::Unix(path.to_owned())),
            false => Err(usage(format!("metrics = {text:?}: the path must be absolute"))),
        };
    }
    match text.parse::<std::net::SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(Metrics::Loopback(address)),
        Ok(_) => Err(usage(format!("metrics = {text:?}: only loopback addresses are served"))),
        Err(_) => Err(usage(format!("metrics = {text:?}: write unix:/PATH or 127.0.0.1:PORT"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(line: &str) -> RunArgs {
        let words = ["clat-cli", "run"].into_iter().chain(line.split_whitespace());
        let Command::Run(args) = Cli::parse_from(words).command else { panic!("{line:?} is no run") };
        args
    }

    fn merge(line: &str, file: &str) -> anyhow::Result<Settings> {
        Settings::merge(&args(line), toml::from_str(file)?, None)
    }

    #[test]
    fn without_flags_and_file_everything_is_found_by_itself() {
        let s = merge("", "").unwrap();
        assert_eq!((s.pref64, s.clat_v6, s.uplink), (None, None, None));
        assert_eq!((s.clat_v4, s.tun.as_str(), s.queues), (None, "clat", 1));
        assert!(s.offload && s.configure && s.ra && s.dns && s.self_test && !s.force);
    }

    #[test]
    fn a_flag_overrides_the_file() {
        let file = "tun = \"file0\"\nmtu = 1300\nqueues = 4\noffload = true\nuplink = \"eth9\"";
        let s = merge("--tun flag0 --mtu 1400 --no-offload", file).unwrap();
        assert_eq!((s.tun.as_str(), s.mtu, s.queues, s.offload), ("flag0", Some(1400), 4, false));
        assert_eq!(s.uplink.as_deref(), Some("eth9"));
    }

    #[test]
    fn impossible_combinations_are_refused_with_the_flag_to_change() {
        let cases = [
            ("--no-configure", "", "--pref64 and --clat-v6"),
            #[cfg(unix)]
            ("--tun sixteen-bytes-xx", "", "--tun"),
            ("--clat-v4 224.0.0.1", "", "--clat-v4"),
            ("--clat-v6 fe80::1", "", "--clat-v6"),
            ("--pref64 64:ff9b::/96 --clat-v6 64:ff9b::1", "", "inside"),
            ("--clat-v6 2001:db8::1", "clat-prefix = \"2001:db8::/64\"", "not both"),
            ("", "metrics = \"0.0.0.0:9464\"", "loopback"),
            #[cfg(unix)]
            ("", "metrics = \"unix:relative\"", "absolute"),
            #[cfg(windows)]
            ("", "metrics = \"unix:/run/a\"", "127.0.0.1:PORT"),
            ("", "source = \"tap\"", "routed"),
            ("--source pcap:a.pcap", "", "--pref64 and --clat-v6"),
            #[cfg(windows)]
            ("--source pcap", "", "--uplink"),
            (
                "--source pcap --uplink e --no-configure --pref64 64:ff9b::/96 --clat-v6 2001:db8::1",
                "",
                "answer",
            ),
        ];
        for (line, file, needle) in cases {
            let error = format!("{:#}", merge(line, file).unwrap_err());
            assert!(error.contains(needle), "{line} {file}: {error}");
        }
    }

    #[test]
    fn a_replay_changes_no_host_and_opens_a_device_only_when_it_is_named_or_needed() {
        let replay = "--source pcap:a.pcap --pref64 64:ff9b::/96 --clat-v6 2001:db8::1";
        for (line, device) in [("", true), ("--capture b", false), ("--capture b --tun c", true)] {
            let s = merge(&format!("{replay} {line}"), "configure = true").unwrap();
            assert_eq!((s.configure, s.device, s.speed), (false, device, Speed::Max), "{line}");
        }
    }

    #[test]
    fn a_reload_keeps_what_belongs_to_the_open_device_and_names_it() {
        let old = merge("", "tun = \"a\"\nmtu = 1400").unwrap();
        let mut new = merge("", "tun = \"b\"\nmtu = 1300\nqueues = 2").unwrap();
        assert_eq!(new.keep_what_needs_a_restart(&old), ["tun", "queues"]);
        assert_eq!((new.tun.as_str(), new.queues, new.mtu), ("a", 1, Some(1300)));
    }

    #[test]
    fn metrics_are_served_where_the_file_says() {
        #[cfg(unix)]
        assert_eq!(metrics("unix:/run/a").unwrap(), Metrics::Unix("/run/a".into()));
        assert_eq!(metrics("[::1]:9").unwrap(), Metrics::Loopback("[::1]:9".parse().unwrap()));
    }
}
