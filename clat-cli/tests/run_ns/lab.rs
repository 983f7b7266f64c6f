//! Two namespaces: a host with an IPv6 uplink, and a peer that is router and everything behind the NAT64.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A network namespace.
pub(crate) struct Host(String);

/// The two of them, and a folder.
pub(crate) struct Lab {
    pub(crate) host: Host,
    peer: Host,
    folder: PathBuf,
}

/// A `clat-cli run`.
pub(crate) struct Instance<'l> {
    child: Child,
    lab: &'l Lab,
    log: PathBuf,
    exit: Option<Option<i32>>,
}

/// Makes a lab, or says loudly that it cannot. In CI that is a failure.
pub(crate) fn lab(name: &str) -> Option<Lab> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    let tools = ["ip", "ping", "setpriv", "curl"];
    let missing = tools.iter().find(|t| Command::new(t).arg("--version").output().is_err());
    if !root || missing.is_some() {
        let why = missing.map_or("not root".to_owned(), |tool| format!("no `{tool}`"));
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
        eprintln!("NOT RUN: run_ns needs root, ip, ping, setpriv and curl: {why}");
        return None;
    }
    Some(Lab::new(name))
}

/// Runs the program in the host's namespace to its end.
pub(crate) fn clat(lab: &Lab, words: &str) -> Output {
    lab.command(words).output().unwrap()
}

impl Lab {
    fn new(name: &str) -> Self {
        let id = std::process::id();
        let host = Host::new(format!("run-{name}-h{id}"));
        let peer = Host::new(format!("run-{name}-p{id}"));
        let folder = std::env::temp_dir().join(format!("clat-run-{name}-{id}"));
        std::fs::create_dir_all(&folder).unwrap();
        // Folders of this kind are for everybody to pass: one test asks as nobody.
        host.ip(&format!("link add wan type veth peer name lan netns {}", peer.0));
        for (host, link, address) in [(&host, "wan", "2001:db8:1::2/64"), (&peer, "lan", "2001:db8:1::1/64")]
        {
            host.ip(&format!("link set {link} up"));
            host.ip(&format!("addr add {address} dev {link} nodad"));
        }
        for literal in ["64:ff9b::c000:201", "64:ff9b::c000:aa", "64:ff9b::c000:ab", "64:ff9b::a01:203"] {
            peer.ip(&format!("addr add {literal}/128 dev lo nodad"));
        }
        host.ip("-6 route add default via 2001:db8:1::1");
        let lab = Self { host, peer, folder };
        lab.settle();
        lab
    }

    /// Waits until link-local addresses are usable.
    fn settle(&self) {
        let tentative = |host: &Host| host.ip("-6 addr").contains("tentative");
        let start = Instant::now();
        while tentative(&self.host) || tentative(&self.peer) {
            assert!(start.elapsed() < Duration::from_secs(10), "the lab does not settle");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn state(&self) -> String {
        self.path("state")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.host.0, env!("CARGO_BIN_EXE_clat-cli")]);
        command.args(words.split_whitespace()).args(["--state-dir", &self.state()]);
        command.env("CLAT_LOG", "debug");
        if !words.starts_with("run") {
            command.env_remove("CLAT_LOG");
        }
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Host {
    fn new(name: String) -> Self {
        let made = Command::new("ip").args(["netns", "add", &name]).status().unwrap();
        assert!(made.success(), "ip netns add {name}");
        let host = Self(name);
        host.ip("link set lo up");
        host
    }

    /// `ip` in the namespace; it has to succeed.
    pub(crate) fn ip(&self, words: &str) -> String {
        let output =
            Command::new("ip").args(["-n", &self.0]).args(words.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command in the namespace, and all that it says.
    pub(crate) fn run(&self, line: &str) -> String {
        let mut command = Command::new("ip");
        let output = command.args(["netns", "exec", &self.0]).args(line.split_whitespace()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap().trim().to_owned()
    }

    pub(crate) fn try_ping(&self, target: &str) -> bool {
        self.run(&format!("ping -c 1 -W 2 {target}")).contains(" 0% packet loss")
    }

    pub(crate) fn ping(&self, target: &str) {
        assert!(self.try_ping(target), "{target} does not answer");
    }

    /// All that `run` may change.
    pub(crate) fn configuration(&self) -> String {
        let mut text: String =
            ["-o addr", "route", "-6 route", "neigh show proxy"].map(|w| self.ip(w)).concat();
        for line in self.run("sysctl -a").lines() {
            let watched = ["forwarding", "accept_ra ", "proxy_ndp", "proxy_delay"];
            if line.starts_with("net.") && watched.iter().any(|w| line.contains(w)) {
                text += line;
                text.push('\n');
            }
        }
        text
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

impl<'l> Instance<'l> {
    pub(crate) fn start(lab: &'l Lab, words: &str) -> Self {
        Self::start_with(lab, words, &[])
    }

    pub(crate) fn start_with(lab: &'l Lab, words: &str, environment: &[(&str, &str)]) -> Self {
        let log = lab.folder.join("log");
        let file = File::create(&log).unwrap();
        let mut command = lab.command(&format!("run {words}"));
        command.envs(environment.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, lab, log, exit: None }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn wait_for(&mut self, needle: &str) {
        let start = Instant::now();
        while !self.log().contains(needle) {
            let ended = self.child.try_wait().unwrap();
            let late = start.elapsed() > Duration::from_secs(10);
            assert!(ended.is_none() && !late, "{needle:?} is not in the log\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        let output = clat(self.lab, "status --json");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}\n{}", self.log()))
    }

    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let start = Instant::now();
        while !holds(&self.status()) {
            assert!(start.elapsed() < Duration::from_secs(20), "not {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn kill(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn hup(&self) {
        self.kill("HUP");
    }

    /// Sends a signal that ends it, and returns the exit code.
    pub(crate) fn signal(&mut self, signal: &str) -> Option<i32> {
        self.kill(signal);
        self.wait(Duration::from_secs(10))
    }

    /// Ends it as a person would.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let output = clat(self.lab, "stop");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        self.wait(Duration::from_secs(10))
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.exit = Some(status.code());
                return status.code();
            }
            assert!(start.elapsed() < limit, "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        if self.exit.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
