//! `run`: the CLAT itself.
//!
//! # Layout
//!
//! - [`driver`]: the control thread's loop.
//! - [`brain`]: who decides, the engine or nobody.
//! - [`dry`]: the plan, printed and not carried out; [`rehearsal`] is the host for it.
//! - [`snapshot`]: the document of `status`; [`history`] is what it tells of the past.

mod brain;
mod driver;
mod dry;
mod history;
mod rehearsal;
pub(crate) mod snapshot;

use crate::cli::{RunArgs, Source};
use crate::config::Settings;
use crate::exit::Exit;
use crate::logging;
use crate::platform::{Host, current};
use crate::status::model::Status;
use clat_engine::{ClatV6, Config, ReturnPath, TranslatorParams};
use driver::Driver;
use rehearsal::Rehearsal;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Address of the IPv4 side when nobody chooses another (RFC 7335).
const DEFAULT_CLAT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);

/// MTU of the IPv6 side when nothing tells it, in bytes.
const ETHERNET_MTU: u32 = 1500;

/// Routers and resolvers answer within this time, or not.
const LISTEN: Duration = Duration::from_secs(4);

/// Runs the command.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let settings = Settings::resolve(args)?;
    let quiet = settings.dry_run.then_some("warn");
    logging::start(settings.log.as_deref().or(quiet))?;
    if settings.dry_run {
        return dry::run(settings, args);
    }
    let host = current::open(&settings)?;
    let brain = brain::of(&settings, &host);
    Driver::new(host, brain, settings, args.clone()).run()
}

/// Listens to the network without changing anything, until it is clear which prefixes there are.
pub(crate) fn listen(settings: Settings) -> anyhow::Result<Status> {
    listen_until(settings, |_| false)
}

/// The same, and no longer than until that is known which suffices.
pub(crate) fn listen_until(settings: Settings, enough: impl Fn(&Status) -> bool) -> anyhow::Result<Status> {
    logging::start(Some("error"))?;
    let host = Rehearsal::new(current::look(&settings)?);
    let brain = brain::of(&settings, &host);
    let mut driver = Driver::new(host, brain, settings, RunArgs::default());
    driver.run_until(LISTEN, |driver| enough(&snapshot::status(driver)))?;
    Ok(snapshot::status(&driver))
}

/// The parameters that hold where nothing is configured and nothing is to be found out.
fn fixed_params(settings: &Settings, host: &impl Host) -> Option<TranslatorParams> {
    if settings.configure {
        return None;
    }
    let v6_mtu = settings.uplink.as_deref().and_then(|name| host.interface_mtu(name)).unwrap_or(ETHERNET_MTU);
    Some(TranslatorParams {
        pref64: settings.pref64?,
        clat_v4: settings.clat_v4.unwrap_or(DEFAULT_CLAT_V4),
        clat_v6: settings.clat_v6?,
        v6_mtu,
        v4_mtu: settings.mtu.unwrap_or(v6_mtu),
    })
}

/// What the engine goes by.
fn engine_config(settings: &Settings, host: &impl Host) -> Config {
    let mut config = Config::new(host.secret(), host.seed());
    // An interface that is not there yet has no number: no link has this one.
    config.uplink = settings.uplink.as_deref().map(|name| host.interface_index(name).unwrap_or(u32::MAX));
    config.pref64 = settings.pref64;
    config.clat_v4 = settings.clat_v4;
    config.clat_v6 = match (settings.clat_v6, settings.clat_prefix) {
        (Some(addr), _) => ClatV6::Fixed(addr),
        (None, Some((prefix, len))) => ClatV6::Delegated { prefix, len },
        (None, None) => ClatV6::Auto,
    };
    config.v4_metric = settings.metric.unwrap_or(Config::V4_METRIC);
    config.clamp_mss = settings.clamp_mss;
    config.v4_mtu = settings.mtu;
    config.force = settings.force;
    config.ask_dns = settings.dns;
    config.self_test = settings.self_test;
    config.probe_target = settings.self_test_target;
    config.return_path = match settings.source {
        Source::Pcap => ReturnPath::Frames,
        Source::Routed | Source::Replay(_) => current::RETURN_PATH,
    };
    config
}
