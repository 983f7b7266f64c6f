//! A lab with a Windows program in its host.

use crate::windows::{standins, wine};
use crate::workspace::{package_dir, windows_dir};
use anyhow::{Context, Result, bail, ensure};
use clat_netlab::lab::UPLINK;
use clat_netlab::proc::Daemon;
use clat_netlab::{Lab, wait_for};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The adapter's name in every scene: under Wine it is the Linux device's as well.
pub(super) const TUN: &str = "CLAT";

/// Gives Wine the lab's resolvers, then becomes the program.
const IN_HOST: &str = "mount --bind \"$0/resolv.conf\" /etc/resolv.conf && exec \"$@\"";

/// No command of the program takes longer than this many seconds, even on a busy machine.
const LIMIT_S: &str = "60";

/// A lab, a folder with the program and its DLLs, and a Wine session in the host's namespace.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) lab: Lab,
    app: PathBuf,
    /// None under a plain Wine.
    standins: Option<PathBuf>,
    prefix: PathBuf,
    faults: String,
}

impl Stage {
    /// Puts the program on stage. `ip_helper` adds the stand-in for what Wine lacks of it.
    pub(super) fn new(lab: Lab, exe: &Path, ip_helper: bool) -> Result<Self> {
        let (standins, app) = (standins::ensure()?, lab.dir().join("app"));
        fs::create_dir_all(&app)?;
        fs::copy(exe, app.join("clat-cli.exe")).context("copying the program")?;
        let wintun = package_dir("wintun")?.join("wintun/bin/amd64/wintun.dll");
        fs::copy(&wintun, app.join("wintun.dll")).context("copying wintun.dll")?;
        if ip_helper {
            fs::copy(standins.join("so/x86_64-unix/clatlinux.dll"), app.join("clatlinux.dll"))?;
            for dll in ["iphlpapi.dll", "iphlpap0.dll"] {
                fs::copy(standins.join(dll), app.join(dll))?;
            }
        }
        let prefix = wine::once(windows_dir().join("scene-prefix"), wine::make_prefix)?;
        Self::on(lab, app, Some(standins), prefix)
    }

    /// A Wine as anybody has it, with nothing of ours in it.
    pub(super) fn plain(lab: Lab) -> Result<Self> {
        let (prefix, app) = (windows_dir().join("plain-prefix"), lab.dir().join("app"));
        wine::end_session(&prefix)?;
        if prefix.exists() {
            fs::remove_dir_all(&prefix)?;
        }
        wine::make_plain_prefix(&prefix)?;
        Self::on(lab, app, None, prefix)
    }

    fn on(lab: Lab, app: PathBuf, standins: Option<PathBuf>, prefix: PathBuf) -> Result<Self> {
        wine::end_session(&prefix)?;
        // What an earlier scene left when it failed.
        let state = prefix.join("drive_c/ProgramData/CLAT");
        if state.exists() {
            fs::remove_dir_all(state)?;
        }
        Ok(Self { lab, app, standins, prefix, faults: String::new() })
    }

    /// Asks the stand-in for failures (see `clat-windows/standins/wintun/wintun.h`).
    pub(super) fn with_faults(mut self, faults: &str) -> Self {
        faults.clone_into(&mut self.faults);
        self
    }

    /// The folder of the program.
    pub(super) fn app(&self) -> &Path {
        &self.app
    }

    /// The Wine prefix.
    pub(super) fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Installs the stand-in for Npcap, or takes it away, as its installer would.
    pub(super) fn npcap(&self, there: bool) -> Result<()> {
        let folder = self.prefix.join("drive_c/windows/system32/Npcap");
        if !there {
            return if folder.exists() { Ok(fs::remove_dir_all(folder)?) } else { Ok(()) };
        }
        fs::create_dir_all(&folder)?;
        let standins = self.standins.as_ref().context("a plain Wine has no stand-ins")?;
        fs::copy(standins.join("wpcap.dll"), folder.join("wpcap.dll"))?;
        fs::copy(standins.join("so/x86_64-unix/clatwire.dll"), folder.join("clatwire.dll"))?;
        Ok(())
    }

    /// The folder of journal and secret.
    pub(super) fn state_dir(&self) -> PathBuf {
        self.prefix.join("drive_c/ProgramData/CLAT")
    }

    /// Wine with these words, in the host's namespace when it is spawned there.
    pub(super) fn wine(&self, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", IN_HOST]).arg(self.lab.dir());
        let wine = wine::wine(&self.prefix);
        command.arg(wine.get_program());
        for (name, value) in wine.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.args(words);
        let Some(standins) = &self.standins else { return command };
        let native = if self.app.join("iphlpapi.dll").exists() {
            "wintun=b;wpcap=n;iphlpapi=n"
        } else {
            "wintun=b;wpcap=n"
        };
        command
            .env("WINEDLLPATH", standins.join("so"))
            .env("WINEDLLOVERRIDES", native)
            .env("CLAT_STANDIN_LOG", self.log_path())
            .env("CLAT_STANDIN_FAULTS", &self.faults);
        command
    }

    fn log_path(&self) -> PathBuf {
        self.lab.dir().join("standin.log")
    }

    /// The program with these arguments.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let exe = self.app.join("clat-cli.exe");
        let mut command = self.wine(&[]);
        command.arg(exe).args(args);
        command
    }

    /// Runs the program to its end.
    pub(super) fn output(&self, args: &[&str]) -> Result<Output> {
        self.limited(&self.command(args))
    }

    /// Runs one of Wine's own programs to its end.
    pub(super) fn wine_output(&self, words: &[&str]) -> Result<Output> {
        self.limited(&self.wine(words))
    }

    fn limited(&self, inner: &Command) -> Result<Output> {
        let mut command = Command::new("timeout");
        command.arg(LIMIT_S).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // Files, not pipes: Wine's own services inherit them and live on.
        let (out, err) = (self.lab.dir().join("stdout"), self.lab.dir().join("stderr"));
        command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?);
        let status = self.lab.host.enter(|| command.status())?.context("starting Wine")?;
        Ok(Output { status, stdout: fs::read(out)?, stderr: fs::read(err)? })
    }

    /// Runs the program; it must succeed. What it wrote.
    pub(super) fn succeed(&self, args: &[&str]) -> Result<String> {
        let out = self.output(args)?;
        let text = said(&out);
        ensure!(
            out.status.success(),
            "clat-cli {}: {}: {text}\nlog:\n{}\nstand-ins:\n{}",
            args.join(" "),
            out.status,
            self.log(),
            self.contract()
        );
        Ok(text)
    }

    /// Starts `clat-cli run ARGS`.
    pub(super) fn start(&self, args: &[&str]) -> Result<Daemon> {
        let args = [&["run", "--tun", TUN][..], args].concat();
        Daemon::spawn(&self.lab.host, self.command(&args), &self.lab.dir().join("clat.log"))
    }

    /// The program's log so far.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.lab.dir().join("clat.log")).unwrap_or_default()
    }

    /// Waits for the adapter.
    pub(super) fn wait_device(&self) -> Result<()> {
        let there = || self.lab.host.ip(&format!("link show {TUN}")).ok();
        wait_for(Duration::from_secs(20), there)
            .with_context(|| format!("no adapter; log:\n{}", self.log()))
            .map(drop)
    }

    /// Sets by hand what `--no-configure` leaves to others.
    pub(super) fn configure(&self, v4: &str, v6: &str) -> Result<()> {
        let host = &self.lab.host;
        host.ip(&format!("link set {TUN} up"))?;
        host.ip(&format!("addr add {v4}/32 dev {TUN}"))?;
        host.ip(&format!("route add default dev {TUN}"))?;
        host.ip(&format!("-6 route add {v6}/128 dev {TUN}"))?;
        // As on Windows, by interface; Linux has it since 6.17.
        for dev in [TUN, UPLINK[0]] {
            host.set_sysctl(&format!("ipv6/conf/{dev}/force_forwarding"), "1")?;
        }
        host.set_sysctl(&format!("ipv6/conf/{}/accept_ra", UPLINK[0]), "2")?;
        self.answer_for(v6)
    }

    /// Has the host's kernel answer Neighbour Solicitations, in place of the raw socket that Wine lacks. The uplink must
    /// heed Router Advertisements while it forwards.
    pub(super) fn answer_for(&self, v6: &str) -> Result<()> {
        self.proxy("1", &format!("replace proxy {v6}"))
    }

    /// Stops answering.
    pub(super) fn answer_no_more(&self, v6: &str) -> Result<()> {
        self.proxy("0", &format!("del proxy {v6}"))
    }

    fn proxy(&self, on: &str, entry: &str) -> Result<()> {
        let (host, dev) = (&self.lab.host, UPLINK[0]);
        // Linux answers for others only where it is a router.
        for switch in ["forwarding", "proxy_ndp"] {
            host.set_sysctl(&format!("ipv6/conf/{dev}/{switch}"), on)?;
        }
        host.ip(&format!("-6 neigh {entry} dev {dev}")).map(drop)
    }

    /// What `status --json` says.
    pub(super) fn status(&self) -> Result<Value> {
        let text = self.succeed(&["status", "--json"])?;
        let line = text.lines().find(|l| l.starts_with('{')).unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("status: {text}"))
    }

    /// Waits for a status that satisfies `wanted`.
    pub(super) fn wait_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = String::new();
        let found = wait_for(Duration::from_secs(40), || match self.status() {
            Ok(status) if wanted(&status) => Some(status),
            Ok(status) => {
                last = status.to_string();
                None
            }
            Err(e) => {
                last = format!("{e:#}");
                None
            }
        });
        found.with_context(|| {
            format!("not {what}; status: {last}\nlog:\n{}\nstand-ins:\n{}", self.log(), self.contract())
        })
    }

    /// What the stand-ins wrote down.
    pub(super) fn contract(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Fails when the program broke a rule of the drivers that the stand-ins stand for.
    pub(super) fn check_contract(&self) -> Result<()> {
        let log = self.contract();
        let broken: Vec<&str> = log.lines().filter(|l| l.contains("VIOLATION")).collect();
        if !broken.is_empty() {
            bail!("rules broken:\n{}", broken.join("\n"));
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The lab is removed next: nothing of Wine may be left in it.
        if let Err(e) = wine::end_session(&self.prefix) {
            eprintln!("{e:#}");
        }
    }
}

/// Everything that a program wrote.
pub(super) fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}
