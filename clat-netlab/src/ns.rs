//! A network namespace: made, entered, removed.

use crate::need::find_program;
use anyhow::{Context as _, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Once;

const NAMES: &str = "/run/netns";
const MARK: &str = "netlab-";

/// A network namespace of this process. Dropping it removes it with all that runs in it.
#[derive(Debug)]
pub struct Ns {
    name: String,
}

impl Ns {
    /// Makes `netlab-PID-LAB-ROLE` with a loopback device that is up.
    ///
    /// # Errors
    /// When `ip netns add` fails.
    pub fn new(lab: u32, role: &str) -> Result<Self> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(remove_leftovers);
        let ns = Self { name: format!("{MARK}{}-{lab}-{role}", std::process::id()) };
        run("ip", &["netns", "add", &ns.name])?;
        ns.ip("link set lo up")?;
        Ok(ns)
    }

    /// Its name as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `f` on a thread of its own inside the namespace; sockets that it makes stay there.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        let file = File::open(Path::new(NAMES).join(&self.name)).context("opening the namespace")?;
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .context("entering the namespace")?;
                Ok(f())
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a command in the namespace and waits for it.
    ///
    /// # Errors
    /// When it cannot be started; its exit code is for the caller to judge.
    pub fn output(&self, program: &str, args: &[&str]) -> Result<Output> {
        self.enter(|| Command::new(program).args(args).output())?
            .with_context(|| format!("starting {program}"))
    }

    /// Runs a command in the namespace that must succeed; its standard output.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn sh(&self, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [program, args @ ..] = words.as_slice() else { bail!("an empty command") };
        checked(self.output(program, args)?, &format!("{}: {line}", self.name))
    }

    /// `ip LINE` in the namespace, which must succeed.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn ip(&self, line: &str) -> Result<String> {
        self.sh(&format!("ip {line}"))
    }

    /// Reads a file under `/proc/sys/net` of the namespace.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn sysctl(&self, key: &str) -> Result<String> {
        let path = format!("/proc/sys/net/{key}");
        let text = self.enter(|| std::fs::read_to_string(&path))?.with_context(|| path.clone())?;
        Ok(text.trim().to_owned())
    }

    /// Writes a file under `/proc/sys/net` of the namespace.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{key}");
        self.enter(|| std::fs::write(&path, value))?.with_context(|| format!("{path} = {value}"))
    }

    /// Makes a router of it: forwards both families, no DAD, no redirects.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make_router(&self) -> Result<()> {
        self.skip_dad()?;
        for key in ["ipv6/conf/all/forwarding", "ipv4/ip_forward"] {
            self.set_sysctl(key, "1")?;
        }
        for key in ["all", "default"] {
            self.set_sysctl(&format!("ipv4/conf/{key}/send_redirects"), "0")?;
        }
        // A router of the Internet answers a traceroute that sends many probes at once.
        self.set_sysctl("ipv6/icmp/ratelimit", "0")?;
        self.set_sysctl("ipv4/icmp_ratelimit", "0")
    }

    /// Takes addresses at once, without duplicate address detection.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn skip_dad(&self) -> Result<()> {
        self.set_sysctl("ipv6/conf/all/accept_dad", "0")?;
        self.set_sysctl("ipv6/conf/default/accept_dad", "0")?;
        self.set_sysctl("ipv6/conf/default/dad_transmits", "0")
    }

    /// Echo replies leave with Don't Fragment set, as other systems than Linux send them. Without it
    /// a translator cuts a reply of more than 1260 bytes, and nobody translates ICMP in fragments
    /// (RFC 7915 section 1.2).
    ///
    /// # Errors
    /// When nft refuses.
    pub fn answer_echoes_with_df(&self) -> Result<()> {
        let script = "table ip netlab { chain out { type filter hook postrouting priority 0; \
                      icmp type echo-reply ip frag-off set ip frag-off | 0x4000; }; }";
        checked(self.output("nft", &[script])?, "nft").map(drop)
    }

    /// A cable from `dev` here to `peer` in `other`, both ends up.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn cable(&self, dev: &str, other: &Self, peer: &str) -> Result<()> {
        self.ip(&format!("link add name {dev} type veth peer name {peer} netns {}", other.name))?;
        self.ip(&format!("link set {dev} up"))?;
        other.ip(&format!("link set {peer} up")).map(drop)
    }
}

impl Drop for Ns {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

fn checked(output: Output, what: &str) -> Result<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    bail!("`{what}` failed ({}): {text}{}", output.status, String::from_utf8_lossy(&output.stderr))
}

fn run(program: &str, args: &[&str]) -> Result<String> {
    let path = find_program(program).with_context(|| format!("no program {program}"))?;
    checked(Command::new(path).args(args).output()?, &format!("{program} {}", args.join(" ")))
}

/// Removes a namespace and ends what still runs in it.
fn remove(name: &str) {
    for pid in run("ip", &["netns", "pids", name]).unwrap_or_default().lines() {
        let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
        // This process has threads inside: they end with their owners.
        if let Some(pid) = pid.filter(|pid| *pid != rustix::process::getpid()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    let _ = run("ip", &["netns", "del", name]);
}

/// Removes the namespaces and folders of labs whose process is gone (a test that was killed).
fn remove_leftovers() {
    for name in names_of_the_dead(Path::new(NAMES)) {
        remove(&name);
    }
    let folders = std::env::temp_dir();
    for name in names_of_the_dead(&folders) {
        // Somebody else's folder of such a name stays.
        let _ = std::fs::remove_dir_all(folders.join(name));
    }
}

/// The entries `netlab-PID-...` of a folder without such a process.
fn names_of_the_dead(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_dead = |name: &String| {
        let pid = name.strip_prefix(MARK).and_then(|rest| rest.split('-').next());
        pid.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
    };
    names.filter(is_dead).collect()
}
