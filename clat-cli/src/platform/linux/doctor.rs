//! What `doctor` looks at on Linux.

use crate::control::paths::StateDir;
use crate::doctor::finding::{Check, Finding};
use crate::status::model::Status;
use std::fs::OpenOptions;
use std::path::Path;

/// `CAP_NET_ADMIN` and `CAP_NET_RAW` in a capability set.
const NEEDED: u64 = 1 << 12 | 1 << 13;

/// What has to be there before anything can run.
pub(crate) fn facilities(state_dir: Option<&Path>) -> Vec<Check> {
    vec![tun(), rights(), leftovers(&StateDir::find(state_dir))]
}

/// What the kernel's settings say about a running instance.
pub(crate) fn of_instance(s: &Status) -> Vec<Check> {
    let mut checks = Vec::new();
    if s.state != "active" || s.reason == "no-configure" {
        return checks;
    }
    if let Some(uplink) = &s.uplink {
        checks.push(forwarding(&uplink.name));
    }
    if let Some(device) = &s.device {
        checks.push(default_route(&device.name));
        checks.extend(reverse_path(&device.name));
        if !device.offload.iter().any(|o| o == "tso4") {
            checks.push(Check::found("offload", Finding::NoOffload, "no super-packets from this kernel"));
        }
    }
    checks
}

fn tun() -> Check {
    match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Check::well("tun", "/dev/net/tun can be opened"),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            Check::found("tun", Finding::NoRights, format!("/dev/net/tun: {e}"))
        }
        Err(e) => Check::found("tun", Finding::NoDevice, format!("/dev/net/tun: {e}")),
    }
}

fn rights() -> Check {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    match effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()) {
        Some(caps) if caps & NEEDED == NEEDED => Check::well("rights", "CAP_NET_ADMIN and CAP_NET_RAW"),
        _ => Check::found("rights", Finding::NoRights, "this user may not change the network"),
    }
}

fn leftovers(dir: &StateDir) -> Check {
    let journal = dir.path().join("journal");
    let running = std::os::unix::net::UnixStream::connect(dir.status_socket()).is_ok();
    match std::fs::read_to_string(&journal) {
        Ok(text) if !running && text.lines().count() > 1 => Check::found(
            "journal",
            Finding::LeftBehind,
            format!("{} has changes in force", journal.display()),
        ),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            Check::found("journal", Finding::Missing, "only root can look into the journal")
        }
        Ok(_) | Err(_) => Check::well("journal", "nothing is left over from a crash"),
    }
}

fn forwarding(uplink: &str) -> Check {
    let on = |name: &str| sysctl(&format!("ipv6/conf/{name}")).is_some_and(|v| v != 0);
    let forced = on(&format!("{uplink}/force_forwarding"));
    match on("all/forwarding") || forced {
        true => Check::well("forwarding", format!("IPv6 packets from {uplink} are forwarded")),
        false => Check::found("forwarding", Finding::Forwarding, format!("forwarding is off on {uplink}")),
    }
}

/// The IPv4 default route of the device, as `/proc/net/route` shows it.
fn default_route(device: &str) -> Check {
    let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let is_ours = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some(device) && words.next() == Some("00000000")
    };
    match table.lines().any(is_ours) {
        true => Check::well("route", format!("IPv4 has a default route over {device}")),
        false => Check::found("route", Finding::NoRoute, format!("IPv4 has no default route over {device}")),
    }
}

fn reverse_path(device: &str) -> Option<Check> {
    let value = |name: &str| sysctl(&format!("ipv4/conf/{name}/rp_filter")).unwrap_or(0);
    let strict = value("all").max(value(device)) == 1;
    strict.then(|| Check::found("rp_filter", Finding::ReversePath, format!("strict on {device}")))
}

fn sysctl(name: &str) -> Option<i64> {
    std::fs::read_to_string(format!("/proc/sys/net/{name}")).ok()?.trim().parse().ok()
}
