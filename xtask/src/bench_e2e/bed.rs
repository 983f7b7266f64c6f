//! Two hosts, a cable, and one of the peers on the first host.

use anyhow::{Context, Result, bail};
use clat_netlab::proc::Daemon;
use clat_netlab::{Ns, wait_for};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PREF64: &str = "64:ff9b::/96";
// An address of AS112: tayga translates no documentation prefix to the well-known one.
const SERVER_V4: Ipv4Addr = Ipv4Addr::new(192, 175, 48, 7);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xc0af, 0x3007);
const APP_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
const APP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const CLAT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x464, 0, 0, 0, 0, 1);
/// The first lab number of these beds: tests on the same machine count from 0.
const FIRST_LAB: u32 = 9000;
/// Clock ticks a second in `/proc/PID/stat`: `USER_HZ`, which Linux never changes.
const TICKS: f64 = 100.0;

/// Who carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Nobody: the program speaks IPv6.
    Plain,
    /// Debian's tayga.
    Tayga,
    /// The program of this workspace.
    Ours,
    /// The least that turns packets around (`benches/examples/bare.rs`).
    Bare,
}

/// A running peer between two hosts.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) app: Ns,
    pub(super) server: Ns,
    pub(super) peer: Peer,
    translator: Option<Daemon>,
    _iperf: Daemon,
    dir: PathBuf,
}

impl Bed {
    pub(super) fn new(peer: Peer, program: &Path, queues: u16) -> Result<Self> {
        let lab = FIRST_LAB + peer as u32;
        let dir = std::env::temp_dir().join(format!("bench-e2e-{}-{lab}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let (app, server) = two_hosts(lab)?;
        let mut iperf = Command::new("taskset");
        iperf.args(["-c", "1", "iperf3", "-s"]);
        let iperf = Daemon::spawn(&server, iperf, &dir.join("iperf3.log"))?;
        let mut bed = Self { app, server, peer, translator: None, _iperf: iperf, dir };
        match peer {
            Peer::Plain => {}
            Peer::Tayga => bed.start_tayga()?,
            Peer::Ours => bed.start(our_command(program, queues))?,
            Peer::Bare => {
                let mut command = Command::new(program);
                command.args(["clat0", PREF64, &APP_V4.to_string(), &CLAT_V6.to_string()]);
                bed.start(command)?;
            }
        }
        Ok(bed)
    }

    fn start_tayga(&mut self) -> Result<()> {
        let conf = self.dir.join("tayga.conf");
        let text = format!(
            "tun-device clat0\nipv4-addr 192.0.0.2\nipv6-addr 2001:db8:464::2\nprefix {PREF64}\n\
             map {APP_V4} {CLAT_V6}\ndata-dir {}\n",
            self.dir.display()
        );
        std::fs::write(&conf, text)?;
        let mut command = Command::new("tayga");
        command.arg("--nodetach").arg("--config").arg(&conf);
        self.start(command)
    }

    /// Starts a translator on the device `clat0` and leads the traffic to it.
    fn start(&mut self, command: Command) -> Result<()> {
        let mut daemon = Daemon::spawn(&self.app, command, &self.dir.join("translator.log"))?;
        let up = wait_for(Duration::from_secs(5), || {
            (daemon.ended().is_some() || self.app.ip("link show clat0").is_ok()).then_some(())
        });
        if up.is_none() || daemon.ended().is_some() {
            bail!("the translator did not start: {}", daemon.log());
        }
        lead_to_tun(&self.app)?;
        self.translator = Some(daemon);
        Ok(())
    }

    /// The server as the program calls it.
    pub(super) fn target(&self) -> IpAddr {
        if self.peer == Peer::Plain { SERVER_V6.into() } else { SERVER_V4.into() }
    }

    pub(super) fn target_at(&self, port: u16) -> SocketAddr {
        (self.target(), port).into()
    }

    /// The program's own address as it binds it, and as the server calls it.
    pub(super) fn app_at(&self, port: u16) -> (SocketAddr, SocketAddr) {
        match self.peer {
            Peer::Plain => ((APP_V6, port).into(), (APP_V6, port).into()),
            Peer::Tayga | Peer::Ours | Peer::Bare => ((APP_V4, port).into(), (CLAT_V6, port).into()),
        }
    }

    /// CPU seconds that the translator has used.
    pub(super) fn cpu(&self) -> Result<f64> {
        let Some(daemon) = &self.translator else { return Ok(0.0) };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.id()))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = |at| -> Result<f64> {
            Ok(after_name.split_whitespace().nth(at).context("/proc/PID/stat")?.parse::<f64>()?)
        };
        // utime and stime are fields 14 and 15; the name is the second.
        Ok((ticks(11)? + ticks(12)?) / TICKS)
    }

    /// Resident memory of the translator.
    pub(super) fn rss_kib(&self) -> Result<u64> {
        let Some(daemon) = &self.translator else { return Ok(0) };
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id()))?;
        let line = status.lines().find(|l| l.starts_with("VmRSS")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("no VmRSS")?.parse()?)
    }

    /// Switches the offloads of the cable.
    pub(super) fn set_offload(&self, on: bool) -> Result<()> {
        let word = if on { "on" } else { "off" };
        for (ns, dev) in [(&self.app, "up0"), (&self.server, "down0")] {
            ns.sh(&format!("ethtool -K {dev} gro {word} tso {word} gso {word}"))?;
        }
        Ok(())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // What is left of a log hurts nobody.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// `run --no-configure`: addresses and routes are ours to set.
pub(super) fn our_command(program: &Path, queues: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["run", "--no-configure", "--tun", "clat0", "--pref64", PREF64]);
    command.args(["--clat-v4", &APP_V4.to_string(), "--clat-v6", &CLAT_V6.to_string()]);
    command.args(["--queues", &queues.to_string()]);
    command
}

/// Addresses and routes of the program's host. IPv6 comes in at the cable's MTU; IPv4 has 28 bytes less.
pub(super) fn lead_to_tun(app: &Ns) -> Result<()> {
    app.ip("link set clat0 mtu 1500 up")?;
    app.ip(&format!("addr add {APP_V4}/32 dev clat0"))?;
    app.ip("route add default dev clat0 mtu 1472")?;
    app.ip(&format!("route add {CLAT_V6}/128 dev clat0")).map(drop)
}

/// Two hosts that know each other's link address.
pub(super) fn two_hosts(lab: u32) -> Result<(Ns, Ns)> {
    let (app, server) = (Ns::new(lab, "app")?, Ns::new(lab, "srv")?);
    for ns in [&app, &server] {
        ns.make_router()?;
    }
    app.cable("up0", &server, "down0")?;
    for (ns, dev, own, peer) in [(&app, "up0", 1, 2), (&server, "down0", 2, 1)] {
        ns.ip(&format!("link set {dev} address 02:00:00:00:00:0{own}"))?;
        ns.ip(&format!("addr add 2001:db8:1::{own}/64 dev {dev} nodad"))?;
        let neighbour = format!("2001:db8:1::{peer} lladdr 02:00:00:00:00:0{peer}");
        ns.ip(&format!("neigh replace {neighbour} dev {dev} nud permanent"))?;
    }
    server.ip(&format!("addr add {SERVER_V6}/128 dev lo nodad"))?;
    app.ip(&format!("route add {PREF64} via 2001:db8:1::2"))?;
    server.ip(&format!("route add {CLAT_V6}/128 via 2001:db8:1::1"))?;
    let local = || server.ip("-6 route show table local").ok()?.contains("64:ff9b::").then_some(());
    wait_for(Duration::from_secs(5), local).context("the server's address does not come up")?;
    Ok((app, server))
}

/// Binds the calling thread to a CPU.
pub(super) fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    // A machine with one CPU measures on that one.
    let _ = sched_setaffinity(None, &set);
}
