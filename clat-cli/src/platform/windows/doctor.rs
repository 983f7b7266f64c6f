//! What `doctor` looks at on Windows. The names are those of the list in `clat_windows::checks`.

use crate::control::paths::StateDir;
use crate::doctor::finding::{Check, Finding};
use crate::status::model::Status;
use clat_windows::device::Library;
use clat_windows::iphlp::{Family, Luid};
use clat_windows::native_clat::{Permission, SetBy};
use clat_windows::{facts, folder, native_clat, service, system};
use std::path::Path;

/// Name of the check on Windows' own CLAT.
const NATIVE: &str = "native-clat";

/// What to do, where it is not the same as on Linux.
#[allow(clippy::wildcard_enum_match_arm)] // all others are the same
pub(crate) const fn advice(finding: Finding) -> Option<&'static str> {
    Some(match finding {
        Finding::NoDevice => {
            "install again: wintun.dll must lie beside the program; the system log has the driver's reason"
        }
        Finding::NoRights => "open the command prompt as administrator",
        Finding::NotRunning => "start it: `clat-cli service start`, or `clat-cli run` as administrator",
        Finding::NotActive => "see the Application log, source CLAT",
        Finding::Forwarding => {
            "another program switched it; `clat-cli service stop` and `start` set it again"
        }
        _ => return None,
    })
}

/// What has to be there before anything can run.
pub(crate) fn facilities(state_dir: Option<&Path>) -> Vec<Check> {
    let dir = StateDir::find(state_dir);
    vec![wintun(), program_folder(), ip_helper(), leftovers(&dir), service_state(), native()]
}

/// What the system's settings say about a running instance.
pub(crate) fn of_instance(s: &Status) -> Vec<Check> {
    let mut checks = Vec::new();
    if s.state != "active" || s.reason == "no-configure" {
        return checks;
    }
    if let Some(uplink) = &s.uplink {
        checks.push(forwarding(&uplink.name));
    }
    checks
}

fn wintun() -> Check {
    match Library::load() {
        Ok(library) => {
            let driver =
                library.driver_version().map_or("no adapter yet".to_owned(), |v| format!("driver {v}"));
            Check::well("wintun", format!("wintun.dll is the signed release, {driver}"))
        }
        Err(e) => Check::found("wintun", Finding::NoDevice, e.to_string()),
    }
}

fn program_folder() -> Check {
    let program = std::env::current_exe().unwrap_or_default();
    match folder::check_program(&program) {
        Ok(()) => Check::well("program", format!("{} is safe from users", program.display())),
        Err(e) => Check::found("program", Finding::Missing, e.to_string()),
    }
}

fn ip_helper() -> Check {
    let missing = system::missing_ip_helper();
    match missing.is_empty() {
        true => Check::well("ip-helper", "addresses, routes and forwarding can be set"),
        false => Check {
            advice: Some(
                "this is Wine, or a Windows that we do not know: only `run --no-configure` can work",
            ),
            ..Check::found("ip-helper", Finding::NoRights, format!("missing: {}", missing.join(", ")))
        },
    }
}

fn leftovers(dir: &StateDir) -> Check {
    match std::fs::metadata(dir.path().join("journal")) {
        Ok(meta) if meta.len() > 0 => Check::found(
            "journal",
            Finding::LeftBehind,
            format!("changes are written down in {}", dir.path().display()),
        ),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            Check::found("journal", Finding::NoRights, "run doctor as administrator to see it")
        }
        // In use, empty or not there.
        Ok(_) | Err(_) => Check::well("journal", "nothing was left by a crash"),
    }
}

fn service_state() -> Check {
    match service::state() {
        Some(state) => Check::well("service", state),
        None => Check::found(
            "service",
            Finding::Missing,
            "not installed: `clat-cli run` works, and ends with its window",
        ),
    }
}

fn native() -> Check {
    let interfaces = facts::interfaces().unwrap_or_default();
    if let Some(found) = native_clat::find(interfaces.iter().map(facts::Interface::seen)) {
        return Check::found(NATIVE, Finding::OtherClat, format!("Windows itself translates on {found}"));
    }
    let by = match system::native_clat_permission() {
        Permission::Unset | Permission::No => {
            return Check::well(NATIVE, "Windows itself does not translate");
        }
        Permission::Yes(SetBy::Policy) => "by Group Policy",
        Permission::Yes(SetBy::Netsh) => "by netsh interface clat",
    };
    Check::well(NATIVE, format!("Windows' own CLAT is permitted ({by}) and translates on no interface"))
}

fn forwarding(uplink: &str) -> Check {
    match Luid::from_name(uplink).and_then(|l| l.settings(Family::V6)) {
        Ok(s) if s.forwarding && s.router_discovery => {
            Check::well("forwarding", format!("{uplink} forwards IPv6 and heeds Router Advertisements"))
        }
        Ok(s) => Check::found(
            "forwarding",
            Finding::Forwarding,
            format!("{uplink}: forwarding {}, router discovery {}", s.forwarding, s.router_discovery),
        ),
        Err(e) => Check::found("forwarding", Finding::Forwarding, format!("{uplink}: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;
    use clat_windows::checks;

    #[test]
    fn every_check_of_the_first_run_page_is_one_of_doctors() {
        let looked_at = facilities(None);
        let names: Vec<&str> = looked_at.iter().map(|c| c.name).chain([forwarding("none").name]).collect();
        for item in checks::ITEMS.iter().filter(|i| i.by_doctor) {
            assert!(names.contains(&item.name), "{} is not in {names:?}", item.name);
        }
    }

    #[test]
    fn every_command_of_the_first_run_report_is_understood() {
        let ours: Vec<&str> =
            checks::REPORT.iter().map(|l| l.trim()).filter(|l| l.starts_with("clat-cli ")).collect();
        assert!(ours.len() > 4, "{ours:?}");
        for line in ours {
            match Cli::try_parse_from(line.split_whitespace()) {
                Ok(_) => {}
                Err(e) => assert_eq!(e.kind(), clap::error::ErrorKind::DisplayVersion, "{line}: {e}"),
            }
        }
    }
}
