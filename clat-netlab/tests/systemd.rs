//! The unit that is shipped, under a real systemd: in namespaces of its own, on the lab's host.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::program;
use clat_netlab::client::answers;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::proc::Daemon;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need, wait_for};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const SYSTEMD: &str = "/lib/systemd/systemd";
/// Where control groups are, with one hierarchy or with both kinds.
const HIERARCHIES: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(15);

/// Enters a control group of its own in each hierarchy, and then namespaces in which it is the root.
const OUTSIDE: &str = "set -e
for at in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  [ -e $at/cgroup.procs ] || continue
  mkdir -p $at/$NAME
  echo $$ > $at/$NAME/cgroup.procs
done
exec unshare --cgroup --pid --mount --uts --ipc --fork --kill-child sh -c \"$INSIDE\"";

/// Becomes systemd with nothing but the unit and empty targets. Of the kernel's switches it can reach those of the
/// network only.
const INSIDE: &str = "set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd /run/net
cp -r $FILES /run/files
mount --bind /proc/sys/net /run/net
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --move /run/net /proc/sys/net
hybrid=$([ -d /sys/fs/cgroup/unified ] && echo yes || true)
mount -t sysfs sysfs /sys
if [ $hybrid ]; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
else
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
export container=netlab SYSTEMD_UNIT_PATH=/run/files/units
exec /lib/systemd/systemd --system --default-standard-output=inherit";

/// What keeps a systemd from running here, if anything does.
fn missing() -> Option<&'static str> {
    if !Path::new(SYSTEMD).exists() {
        return Some(SYSTEMD);
    }
    let probe = format!("netlab-probe-{}", std::process::id());
    let hierarchies = HIERARCHIES.map(Path::new).into_iter().filter(|at| at.join("cgroup.procs").exists());
    let groups: Vec<PathBuf> = hierarchies.map(|at| at.join(&probe)).collect();
    let made =
        groups.iter().map(|group| std::fs::create_dir(group).and_then(|()| std::fs::remove_dir(group)));
    let made: std::io::Result<Vec<()>> = made.collect();
    made.map_or(Some("control groups that can be made"), |made| made.is_empty().then_some("control groups"))
}

/// A running systemd; gone with the value, and its control groups with it.
struct Manager {
    daemon: Option<Daemon>,
    name: String,
    pid: String,
}

impl Manager {
    fn start(lab: &Lab) -> Result<Self> {
        let name = format!("netlab-{}-{}", std::process::id(), lab.number());
        let files = files(lab.dir())?;
        let mut command = Command::new("sh");
        command.args(["-c", OUTSIDE]).env("NAME", &name).env("INSIDE", INSIDE).env("FILES", files);
        let daemon = Daemon::spawn(&lab.host, command, &lab.dir().join("systemd.log"))?;
        let children = format!("/proc/{0}/task/{0}/children", daemon.id());
        let mut manager = Self { daemon: Some(daemon), name, pid: String::new() };
        let found = wait_for(LIMIT, || {
            let pid = std::fs::read_to_string(&children).ok()?.trim().to_owned();
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (comm.trim() == "systemd").then_some(pid)
        });
        let log = manager.daemon.as_ref().map(Daemon::log).unwrap_or_default();
        manager.pid = found.with_context(|| format!("systemd does not start:\n{log}"))?;
        Ok(manager)
    }

    /// Runs a command beside it.
    fn run(&self, words: &[&str]) -> Result<Output> {
        let inside = ["-t", &self.pid, "-m", "-p", "-C", "timeout", "20"];
        Ok(Command::new("nsenter").args(inside).args(words).output()?)
    }

    /// A property of the unit.
    fn property(&self, name: &str) -> String {
        let shown = self.run(&["systemctl", "show", "clat.service", "--value", "-p", name]);
        shown.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
    }

    /// Waits until the unit translates, started again `restarts` times.
    fn wait_active(&self, restarts: &str) -> Result<String> {
        let active = || {
            let up =
                self.property("StatusText").starts_with("active: ") && self.property("NRestarts") == restarts;
            up.then(|| self.property("MainPID"))
        };
        wait_for(LIMIT, active).with_context(|| {
            let log = self.daemon.as_ref().map(Daemon::log).unwrap_or_default();
            let found = ["ActiveState", "StatusText", "NRestarts", "Result"].map(|name| self.property(name));
            format!("not active after {restarts} restarts: {found:?}\n{log}")
        })
    }

    fn signal(&self, signal: &str, pid: &str) -> Result<()> {
        let sent = self.run(&["kill", "-s", signal, pid])?;
        ensure!(sent.status.success(), "{sent:?}");
        Ok(())
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        drop(self.daemon.take());
        for at in HIERARCHIES {
            let group = PathBuf::from(at).join(&self.name);
            // Those that were in it are being reaped.
            wait_for(Duration::from_secs(5), || {
                let _ = Command::new("find").arg(&group).args(["-depth", "-type", "d", "-delete"]).output();
                (!group.exists()).then_some(())
            });
        }
    }
}

/// The program, the unit as it is shipped but for paths and a shorter watchdog, and the targets that it names.
fn files(dir: &Path) -> Result<PathBuf> {
    let files = dir.join("files");
    let units = files.join("units");
    std::fs::create_dir_all(&units)?;
    std::fs::copy(program(), files.join("clat-cli"))?;
    let shipped = include_str!("../../packaging/linux/clat.service");
    ensure!(shipped.contains("Type=notify") && shipped.contains("WatchdogSec=30s"), "another unit");
    let unit = shipped.replace("/usr/bin/clat-cli", "/run/files/clat-cli").replace("=30s", "=3s");
    std::fs::write(units.join("clat.service"), unit)?;
    for target in ["sysinit", "basic", "shutdown", "network-pre", "multi-user"] {
        let text = format!("[Unit]\nDescription={target}\nDefaultDependencies=no\n");
        std::fs::write(units.join(format!("{target}.target")), text)?;
    }
    let wants = "[Unit]\nDescription=scene\nDefaultDependencies=no\nWants=clat.service\n";
    std::fs::write(units.join("default.target"), wants)?;
    Ok(files)
}

fn works(lab: &Lab) -> Result<()> {
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(3)), "no answer from {SERVER}");
    Ok(())
}

#[test]
fn the_unit_is_ready_reloads_is_watched_comes_back_and_leaves_nothing() -> Result<()> {
    if !need::met("systemd: the unit", &["nsenter", "systemctl"]) {
        return Ok(());
    }
    if let Some(missing) = missing() {
        ensure!(
            std::env::var("CI").as_deref() != Ok("true"),
            "missing: {missing} (CI=true makes this a failure)"
        );
        need::say(&format!("scene systemd: the unit CANNOT RUN here, missing: {missing}"));
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    // systemd itself raises it to this.
    lab.host.set_sysctl("unix/max_dgram_qlen", "512")?;
    let before = Snapshot::take(&lab.host)?;
    let manager = Manager::start(&lab)?;
    let first = manager.wait_active("0").context("READY and STATUS")?;
    works(&lab)?;
    let reloaded = manager.run(&["systemctl", "reload", "clat.service"])?;
    ensure!(reloaded.status.success(), "RELOADING and READY: {reloaded:?}");
    ensure!(manager.property("MainPID") == first && manager.property("ActiveState") == "active");
    // Longer than the watchdog waits.
    std::thread::sleep(Duration::from_secs(4));
    ensure!(manager.wait_active("0")? == first, "WATCHDOG in time");
    manager.signal("STOP", &first)?;
    let second = manager.wait_active("1").context("a program that hangs is started again")?;
    works(&lab)?;
    manager.signal("KILL", &second)?;
    manager.wait_active("2").context("a program that was killed is started again")?;
    works(&lab)?;
    let stopped = manager.run(&["systemctl", "stop", "clat.service"])?;
    ensure!(stopped.status.success() && manager.property("Result") == "success", "{stopped:?}");
    before.same_as(&Snapshot::take(&lab.host)?)
}
