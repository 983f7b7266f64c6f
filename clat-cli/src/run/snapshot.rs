//! The document of `status`, built when somebody asks.

use super::brain::Brain;
use super::driver::Driver;
use crate::platform::Host;
use crate::status::model::{Clat, Prefix, SelfTest, Status, Uplink};
use clat_engine::{Engine, Iface, Instant, Pref64Status, Provenance, Step, TranslatorParams};

/// Everything about this instance.
pub(super) fn status<H: Host>(driver: &Driver<H>) -> Status {
    let now = driver.host.now();
    let mut status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_s: now.since(driver.started).as_secs(),
        device: driver.host.device(),
        counters: driver.host.counters(),
        last_drops: driver.host.last_drops(),
        transitions: driver.history.transitions(),
        warnings: driver.history.warnings(),
        ..Status::default()
    };
    match &driver.brain {
        Brain::Engine(engine) => engine_part(&mut status, engine, &driver.host, now),
        Brain::Fixed(params) => fixed_part(&mut status, params),
    }
    status
}

fn engine_part(status: &mut Status, engine: &Engine, host: &impl Host, now: Instant) {
    let seen = engine.status();
    status.state = seen.state.as_str().to_owned();
    status.reason = seen.reason.as_str().to_owned();
    status.reason_text = seen.reason.to_string();
    status.native_ipv4 = seen.native_v4;
    status.other_clat = seen.other_clat.map(|other| other.as_str().to_owned());
    status.v6_only_wait_s = seen.v6_only_wait_s;
    status.uplink = seen.uplink.map(|uplink| Uplink {
        name: host.interface_name(uplink.ifindex).unwrap_or_default(),
        index: uplink.ifindex,
    });
    status.pref64 = seen.pref64.map(|p| prefix(&p, now, "used"));
    status.clat = match (seen.clat_v4, seen.clat_v6) {
        (Some(v4), Some(v6)) => Some(Clat {
            ipv6: v6.to_string(),
            ipv4: v4.to_string(),
            mtu: seen.v4_mtu,
            ipv6_mtu: seen.v6_mtu,
            tcp_mss: engine.plan().find_map(|(_, step)| advertised_mss(&step)),
        }),
        _ => None,
    };
    status.self_test = seen.self_test.map(|test| SelfTest {
        ok: test.failed.is_none(),
        leg: test.failed.map(|leg| leg.as_str().to_owned()),
        age_s: now.since(test.at).as_secs(),
        text: test.failed.map(|leg| leg.describe().to_owned()),
    });
    let device = status.device.as_ref().map_or("device", |d| d.name.as_str());
    status.plan = engine.plan().map(|(_, step)| step_words(host, device, &step)).collect();
    status.prefixes = prefixes(engine, now);
}

fn fixed_part(status: &mut Status, params: &TranslatorParams) {
    status.state = "active".to_owned();
    status.reason = "no-configure".to_owned();
    status.reason_text = "addresses and routes are set by others (--no-configure)".to_owned();
    let prefix = Prefix {
        prefix: params.pref64.to_string(),
        source: "manual".to_owned(),
        router: None,
        expires_in_s: None,
        age_s: None,
        used: true,
        why: "set by hand".to_owned(),
    };
    status.prefixes = vec![prefix.clone()];
    status.pref64 = Some(prefix);
    status.clat = Some(Clat {
        ipv6: params.clat_v6.to_string(),
        ipv4: params.clat_v4.to_string(),
        mtu: params.v4_mtu,
        ipv6_mtu: params.v6_mtu,
        tcp_mss: None,
    });
}

/// The TCP MSS of the IPv4 default route, where it has one.
fn advertised_mss(step: &Step) -> Option<u32> {
    let Step::AddRoute { mss, .. } = *step else { return None };
    Some(mss).filter(|mss| *mss > 0 && step.is_default_route())
}

/// A step with the names of interfaces instead of their numbers.
pub(super) fn step_words(host: &impl Host, device: &str, step: &Step) -> String {
    let text = step.to_string();
    let named = |from: &str, name: &str| text.replacen(&format!("dev {from}"), &format!("dev {name}"), 1);
    match step.iface() {
        Iface::Device if *step == Step::OpenDevice => format!("{text} {device}"),
        Iface::Device => named("device", device),
        Iface::Index(index) => match host.interface_name(index) {
            Some(name) => named(&index.to_string(), &name),
            None => text,
        },
    }
}

/// Every prefix that the engine knows, best first, each with the reason for its rank.
pub(crate) fn prefixes(engine: &Engine, now: Instant) -> Vec<Prefix> {
    let known: Vec<Pref64Status> = engine.prefixes().collect();
    let chosen = known.iter().find(|p| p.chosen).copied();
    known.iter().map(|p| prefix(p, now, &why(p, chosen.as_ref(), known.len()))).collect()
}

fn why(p: &Pref64Status, chosen: Option<&Pref64Status>, count: usize) -> String {
    let Some(chosen) = chosen else {
        return "not used: there is no uplink for it yet".to_owned();
    };
    let rank = |p: &Pref64Status| match p.source {
        Provenance::Manual => 0,
        Provenance::Ra { .. } => 1,
        Provenance::Dns => 2,
    };
    match (p.chosen, p.ifindex == chosen.ifindex, rank(p) > rank(chosen)) {
        (true, ..) if count == 1 => "used: the only one".to_owned(),
        (true, ..) => "used: the best source, and the closest to the uplink's address".to_owned(),
        (false, false, _) => "not used: it belongs to another interface".to_owned(),
        (false, true, true) => format!("not used: {} outranks {}", chosen.source.as_str(), p.source.as_str()),
        (false, true, false) => {
            "not used: another one is closer to the uplink's address (RFC 6724 rules 6 and 8)".to_owned()
        }
    }
}

fn prefix(p: &Pref64Status, now: Instant, why: &str) -> Prefix {
    Prefix {
        prefix: p.prefix.to_string(),
        source: p.source.as_str().to_owned(),
        router: p.source.router().map(|r| r.to_string()),
        expires_in_s: p.expires.map(|at| at.since(now).as_secs()),
        age_s: (p.source != Provenance::Manual).then(|| now.since(p.learnt).as_secs()),
        used: p.chosen,
        why: why.to_owned(),
    }
}
