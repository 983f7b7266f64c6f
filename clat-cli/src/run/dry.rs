//! `run --dry-run`: the plan, printed and not carried out.

use super::driver::Driver;
use super::rehearsal::Rehearsal;
use super::snapshot::step_words;
use super::{brain, snapshot};
use crate::cli::{RunArgs, Source};
use crate::config::Settings;
use crate::control::client::{self, Asked};
use crate::control::paths::StateDir;
use crate::control::protocol::{Answer, Request};
use crate::exit::Exit;
use crate::platform::current;
use crate::status::model::CANNOT_START;
use clat_engine::TranslatorParams;
use std::io::{self, Write};
use std::time::Duration;

/// A network that has not answered by then is taken to be silent.
const LIMIT: Duration = Duration::from_secs(12);

/// Prints the plan of these settings on this host at this moment.
pub(super) fn run(settings: Settings, args: &RunArgs) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    if let Source::Replay(file) = &settings.source {
        let device = settings.device.then(|| format!("the device {}", settings.tun));
        let capture = settings.capture.as_ref().map(|capture| capture.display().to_string());
        let into: Vec<String> = device.into_iter().chain(capture).collect();
        writeln!(out, "replay {} into {}, and touch nothing else", file.display(), into.join(" and "))?;
        return Ok(Exit::Success);
    }
    if !settings.configure {
        writeln!(out, "open the device {}, and touch nothing else (--no-configure)", settings.tun)?;
        return Ok(Exit::Success);
    }
    // One that cannot begin has changed nothing.
    if let Ok(Asked::Answer(Answer::Status(running))) =
        client::ask(&StateDir::here(settings.state_dir.as_deref()), Request::Status)
        && running.reason != CANNOT_START
    {
        let pid = running.pid;
        writeln!(out, "an instance (process {pid}) is at work: `clat-cli status` shows what it has changed")?;
        return Ok(Exit::Failure);
    }
    let device = settings.tun.clone();
    let host = Rehearsal::new(current::look(&settings)?);
    let brain = brain::of(&settings, &host);
    let mut driver = Driver::new(host, brain, settings, args.clone());
    driver.run_until(LIMIT, |driver| driver.host.active.is_some())?;
    let status = snapshot::status(&driver);
    let host = driver.into_host();
    for (i, (_, step)) in host.steps.iter().enumerate() {
        writeln!(out, "{:>2}. {}", i + 1, step_words(&host, &device, step))?;
        writeln!(out, "    undo: {}", step.inverse())?;
    }
    match host.active {
        Some(params) => finish(&mut out, &params),
        None => {
            writeln!(out, "nothing would be translated: {} ({})", status.reason_text, status.state)?;
            Ok(Exit::Failure)
        }
    }
}

fn finish(out: &mut impl Write, p: &TranslatorParams) -> anyhow::Result<Exit> {
    writeln!(
        out,
        " => translate: {} is {}, the rest of IPv4 is behind {}; MTU {} (IPv4), {} (IPv6)",
        p.clat_v4, p.clat_v6, p.pref64, p.v4_mtu, p.v6_mtu
    )?;
    Ok(Exit::Success)
}
