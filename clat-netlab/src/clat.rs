//! The program under test, known by its command line only.

use crate::lab::Lab;
use crate::proc::Daemon;
use crate::wait_for;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Gives the host its own `/run`, `/sys` and `resolv.conf`, then becomes the program.
const IN_HOST: &str = "set -e
mount -t sysfs sysfs /sys
mount --bind \"$0/resolv.conf\" /etc/resolv.conf
mount --bind \"$0/run\" /run
exec \"$@\"";

/// The path of `clat-cli`: `CLAT_CLI` when it is set, else built once beside this test.
///
/// # Panics
/// When it cannot be built.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("CLAT_CLI") {
        Some(path) => path.into(),
        None => build().expect("clat-cli is built"),
    })
}

fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/PROFILE/deps/TEST
    let profile_dir = test.ancestors().nth(2).context("the test lies in target/PROFILE/deps")?;
    let target = profile_dir.parent().context("the test lies in target/PROFILE/deps")?;
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "-p", "clat-cli", "--target-dir"]).arg(target);
    if profile_dir.ends_with("release") {
        command.arg("--release");
    }
    if has_libpcap() {
        command.args(["--features", "live"]);
    }
    let out = command.current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(profile_dir.join("clat-cli"))
}

/// Whether the program can be built with live capture here.
#[must_use]
pub fn has_libpcap() -> bool {
    Path::new("/usr/include/pcap.h").exists() || Path::new("/usr/include/pcap/pcap.h").exists()
}

/// `BEFORE... clat-cli ARGS...` in the host.
fn command(lab: &Lab, before: &[&str], program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", IN_HOST]).arg(lab.dir());
    command.args(before).arg(program).args(args);
    command
}

/// Runs `clat-cli ARGS` in the host to its end, which must come within twenty seconds.
///
/// # Errors
/// When it cannot be started or does not end; its exit code is for the caller to judge.
pub fn clat_cli(lab: &Lab, args: &[&str]) -> Result<Output> {
    // Built outside of the namespace: a build may need the network.
    let command = command(lab, &[], program(), args);
    let mut limited = Command::new("timeout");
    limited.args(["--kill-after=1", "20"]).arg(command.get_program()).args(command.get_args());
    let out = lab.host.enter(|| limited.output())??;
    ensure!(out.status.code() != Some(124), "clat-cli {args:?} does not end");
    Ok(out)
}

/// A running `clat-cli run`.
#[derive(Debug)]
pub struct Clat<'a> {
    lab: &'a Lab,
    daemon: Daemon,
    started: Instant,
}

impl<'a> Clat<'a> {
    /// Starts `clat-cli run ARGS` in the host.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(lab: &'a Lab, args: &[&str]) -> Result<Self> {
        Self::run_under(lab, &[], args)
    }

    /// Starts `BEFORE... clat-cli run ARGS` in the host, such as under a tracer.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run_under(lab: &'a Lab, before: &[&str], args: &[&str]) -> Result<Self> {
        let command = command(lab, before, program(), &[&["run"], args].concat());
        let started = Instant::now();
        let daemon = Daemon::spawn(&lab.host, command, &lab.dir().join("clat.log"))?;
        Ok(Self { lab, daemon, started })
    }

    /// How long ago it was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What `status --json` says.
    ///
    /// # Errors
    /// When there is no answer, or no JSON.
    pub fn status(&self) -> Result<Value> {
        let out = clat_cli(self.lab, &["status", "--json"])?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        serde_json::from_str(&text)
            .with_context(|| format!("status --json: {text}{}", String::from_utf8_lossy(&out.stderr)))
    }

    /// Waits until the status satisfies `wanted`; that status.
    ///
    /// # Errors
    /// When it does not within `limit`, or the program has ended: with its last status and its log.
    pub fn wait_status(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let end = Instant::now() + limit;
        loop {
            let status = self.status();
            if let Ok(status) = &status
                && wanted(status)
            {
                return Ok(status.clone());
            }
            if let Some(exit) = self.daemon.ended() {
                bail!("clat-cli ended ({exit}) while it should be {what}; its log:\n{}", self.daemon.log());
            }
            if Instant::now() >= end {
                let last = status.map_or_else(|e| format!("{e:#}"), |s| s.to_string());
                bail!("not {what} after {limit:?}; status: {last}\nlog:\n{}", self.daemon.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for `state`, ten seconds at most; that status.
    ///
    /// # Errors
    /// As [`wait_status`](Self::wait_status).
    pub fn wait_state(&mut self, state: &str) -> Result<Value> {
        self.wait_status(state, Duration::from_secs(10), |s| s["state"] == state)
    }

    /// Waits for a device of that name, five seconds at most.
    ///
    /// # Errors
    /// When there is none: with the log.
    pub fn wait_device(&mut self, name: &str) -> Result<()> {
        let there = wait_for(Duration::from_secs(5), || {
            let found = self.lab.host.ip(&format!("link show {name}")).is_ok();
            (found || self.daemon.ended().is_some()).then_some(found)
        });
        ensure!(there == Some(true), "no device {name}; log:\n{}", self.daemon.log());
        Ok(())
    }

    /// Runs `BEFORE... clat-cli ARGS...` beside it, such as under another user.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn beside(&self, before: &[&str], args: &[&str]) -> Result<Output> {
        // Where every user may read it: a build folder may be root's alone.
        let copy = self.lab.dir().join("clat-cli");
        std::fs::copy(program(), &copy)?;
        let mut command = command(self.lab, before, &copy, args);
        Ok(self.lab.host.enter(|| command.output())??)
    }

    /// All that it has written.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Ends it with a signal that it honours, and waits for five seconds at most.
    ///
    /// # Errors
    /// When it does not end, or not with success.
    pub fn stop(mut self, signal: Signal) -> Result<()> {
        self.daemon.signal(signal);
        let exit = self.wait_end()?;
        ensure!(exit.success(), "{signal:?}: exit {exit}; log:\n{}", self.daemon.log());
        Ok(())
    }

    /// Whether it has ended.
    #[must_use]
    pub fn ended(&mut self) -> bool {
        self.daemon.ended().is_some()
    }

    /// Waits for its end, five seconds at most.
    ///
    /// # Errors
    /// When it still runs.
    pub fn wait_end(&mut self) -> Result<ExitStatus> {
        let log = self.daemon.log();
        self.daemon.wait(Duration::from_secs(5)).with_context(|| format!("it still runs; log:\n{log}"))
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Kills it: no chance to clean up.
    pub fn kill(mut self) {
        self.daemon.signal(Signal::KILL);
        let _ = self.daemon.wait(Duration::from_secs(5));
    }
}
