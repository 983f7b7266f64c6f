//! `run` on real kernels, in network namespaces: life cycle, sockets, reload, crash. Needs root and `ip`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod lab;
#[path = "../util/mod.rs"]
mod util;

use clat_model::build::V6;
use lab::{Host, Instance, clat, lab};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

#[test]
fn no_configure_opens_the_device_and_nothing_else() {
    let Some(lab) = lab("bare") else { return };
    let before = lab.host.configuration();
    let args = "--no-configure --pref64 64:ff9b::/96 --clat-v4 192.0.0.1 --clat-v6 2001:db8::464 --tun clat7";
    let mut instance = Instance::start(&lab, args);
    instance.wait_for("translating");
    let link = lab.host.ip("-o link show clat7");
    assert!(link.contains("state DOWN"), "{link}");
    let without: String = lab.host.configuration().lines().filter(|l| !l.contains("clat7")).collect();
    assert_eq!(without, before.lines().collect::<String>());
    assert_eq!(instance.signal("INT"), Some(0));
    assert_eq!(lab.host.configuration(), before);
}

#[test]
fn a_manual_prefix_is_set_up_and_undone_at_sigterm() {
    let Some(lab) = lab("manual") else { return };
    let before = lab.host.configuration();
    let mut instance = Instance::start(&lab, "--pref64 64:ff9b::/96 --uplink wan");
    instance.wait_for("-> active");
    lab.host.ping("192.0.2.1");
    let status = instance.status();
    assert_eq!(status["state"], "active");
    assert_eq!(status["uplink"]["name"], "wan");
    assert_eq!(status["pref64"]["source"], "manual");
    assert_eq!(status["clat"]["mtu"], 1472);
    assert!(status["counters"]["v4_to_v6"]["packets"].as_u64() > Some(0), "{status:#}");
    assert_eq!(status["plan"][0], "open-device clat");
    assert_eq!(instance.signal("TERM"), Some(0));
    assert_eq!(lab.host.configuration(), before);
}

#[test]
fn the_journal_of_a_killed_instance_is_undone_by_recover_and_by_the_next_start() {
    let Some(lab) = lab("killed") else { return };
    let before = lab.host.configuration();
    for recover in [true, false] {
        let mut instance = Instance::start(&lab, "--pref64 64:ff9b::/96");
        instance.wait_for("-> active");
        instance.signal("KILL");
        assert_ne!(lab.host.configuration(), before, "forwarding and the proxy entry outlive a kill");
        let doctor = clat(&lab, "doctor --json");
        assert_eq!(doctor.status.code(), Some(13), "{doctor:?}");
        if recover {
            let stop = clat(&lab, "stop --recover");
            assert!(String::from_utf8_lossy(&stop.stdout).contains("undone: "), "{stop:?}");
        } else {
            let mut next = Instance::start(&lab, "--pref64 64:ff9b::/96");
            next.wait_for("-> active");
            assert_eq!(next.signal("TERM"), Some(0));
        }
        assert_eq!(lab.host.configuration(), before);
    }
}

#[test]
fn a_second_instance_refuses_and_the_first_goes_on() {
    let Some(lab) = lab("second") else { return };
    let mut first = Instance::start(&lab, "--pref64 64:ff9b::/96");
    first.wait_for("-> active");
    let second = clat(&lab, "run --pref64 64:ff9b::/96");
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains("another instance"), "{text}");
    lab.host.ping("192.0.2.1");
    assert_eq!(first.stop(), Some(0));
}

#[test]
fn a_reload_changes_the_policy_and_keeps_the_flow() {
    let Some(lab) = lab("reload") else { return };
    let config = lab.file("clat.toml", "pref64 = \"64:ff9b::/96\"\n");
    let mut instance = Instance::start(&lab, &format!("--config {config}"));
    instance.wait_for("-> active");
    lab.host.ping("192.0.2.1");
    let address = instance.status()["clat"]["ipv6"].clone();
    lab.file(
        "clat.toml",
        "pref64 = \"64:ff9b::/96\"\ntun = \"other\"\n[translation]\nprivate-ipv4 = \"drop\"\n",
    );
    instance.hup();
    instance.wait_for("a restart is needed for: tun");
    lab.host.ping("192.0.2.1");
    assert!(!lab.host.try_ping("10.1.2.3"), "private addresses are dropped since the reload");
    let status = instance.status();
    assert_eq!((&status["clat"]["ipv6"], &status["device"]["name"]), (&address, &"clat".into()));
    assert_eq!(status["counters"]["drops"]["private_address"], 1, "{status:#}");
    lab.file("clat.toml", "mut = 1\n");
    instance.hup();
    instance.wait_for("stays as it was");
    lab.host.ping("192.0.2.1");
    assert_eq!(instance.stop(), Some(0));
}

#[test]
fn everybody_may_ask_and_only_root_may_order() {
    let Some(lab) = lab("rights") else { return };
    let config = lab.file("clat.toml", &format!("metrics = \"unix:{}\"\n", lab.path("metrics.sock")));
    let mut instance = Instance::start(&lab, &format!("--config {config} --pref64 64:ff9b::/96"));
    instance.wait_for("-> active");
    let program = env!("CARGO_BIN_EXE_clat-cli");
    let nobody = |words: &str| {
        let dir = lab.state();
        lab.host.run(&format!(
            "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all {program} {words} --state-dir {dir}"
        ))
    };
    assert!(nobody("status").contains("CLAT active"));
    let stop = nobody("stop");
    assert!(stop.contains("only root"), "{stop}");
    let metrics =
        lab.host.run(&format!("curl -s --unix-socket {} http://clat/metrics", lab.path("metrics.sock")));
    assert!(metrics.contains("clat_state{state=\"active\"} 1") && metrics.ends_with("# EOF"), "{metrics}");
    assert_eq!(instance.stop(), Some(0));
    assert!(!std::path::Path::new(&lab.path("metrics.sock")).exists());
}

#[test]
fn a_device_taken_away_is_opened_again() {
    let Some(lab) = lab("taken") else { return };
    let before = lab.host.configuration();
    let mut instance = Instance::start(&lab, "--pref64 64:ff9b::/96");
    instance.wait_for("-> active");
    lab.host.ip("link del clat");
    instance.wait_for("removed by another program");
    instance.wait_until("active again", |s| {
        let lost = |t: &serde_json::Value| t["reason"] == "device-lost";
        s["state"] == "active" && s["transitions"].as_array().unwrap().iter().any(lost)
    });
    lab.host.ping("192.0.2.1");
    assert_eq!(instance.stop(), Some(0));
    assert_eq!(lab.host.configuration(), before);
}

#[test]
fn a_device_taken_away_from_others_is_the_end() {
    let Some(lab) = lab("gone") else { return };
    let args = "--no-configure --pref64 64:ff9b::/96 --clat-v6 2001:db8::464 --tun clat7";
    let mut instance = Instance::start(&lab, args);
    instance.wait_for("translating");
    lab.host.ip("link del clat7");
    assert_eq!(instance.wait(Duration::from_secs(10)), Some(1));
    assert!(instance.log().contains("removed by another program"), "{}", instance.log());
}

#[test]
fn the_service_manager_hears_how_it_goes() {
    let Some(lab) = lab("systemd") else { return };
    let path = lab.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut heard = String::new();
    let mut hear = |needle: &str| {
        while !heard.contains(needle) {
            let mut bytes = [0; 512];
            let n = socket.recv(&mut bytes).unwrap_or_else(|e| panic!("{needle}: {e}\n{heard}"));
            heard += &String::from_utf8_lossy(&bytes[..n]);
            heard.push('\n');
        }
        heard.clear();
    };
    let config = lab.file("clat.toml", "pref64 = \"64:ff9b::/96\"\n");
    let environment = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "400000")];
    let mut instance = Instance::start_with(&lab, &format!("--config {config}"), &environment);
    hear("READY=1");
    hear("STATUS=active: ");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    instance.hup();
    hear("RELOADING=1");
    hear("READY=1");
    assert_eq!(instance.signal("TERM"), Some(0));
    hear("STOPPING=1");
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let Some(lab) = lab("dry") else { return };
    let before = lab.host.configuration();
    let output = clat(&lab, "run --dry-run --pref64 64:ff9b::/96");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for needle in
        ["open-device clat", "proxy-neighbour dev wan addr 2001:db8:1:", "remove the route", "=> translate"]
    {
        assert!(text.contains(needle), "{needle:?} is not in\n{text}");
    }
    assert_eq!(lab.host.configuration(), before);
}

/// The lab is no better than its ends: a host that reaches the peer, and a peer that is the NAT64.
#[test]
fn the_lab_itself_works() {
    let Some(lab) = lab("self") else { return };
    let Host { .. } = lab.host;
    lab.host.ping("64:ff9b::c000:201");
}

/// The server's echo request is played; the host's own kernel answers, and the answer is translated.
#[test]
fn a_capture_is_played_into_the_device_once_it_is_up() {
    let Some(lab) = lab("replay") else { return };
    let echo = V6::back().icmp(128, 0, [0, 7, 0, 1], b"is anybody there");
    let input = lab.path("in.pcap");
    std::fs::write(&input, util::capture(101, &[&echo, &echo])).unwrap();
    let output = lab.path("out.pcapng");
    let args = format!("--source pcap:{input} --speed real --capture {output} --tun clat7");
    let addresses = "--pref64 64:ff9b::/96 --clat-v4 192.0.0.1 --clat-v6 2001:db8::464";
    let mut instance = Instance::start(&lab, &format!("{args} {addresses}"));
    instance.wait_for("is played when clat7 is up");
    lab.host.ip("addr add 192.0.0.1/32 dev clat7");
    lab.host.ip("link set clat7 up");
    lab.host.ip("route add default dev clat7");
    assert_eq!(instance.wait(Duration::from_secs(10)), Some(0), "{}", instance.log());
    let log = instance.log();
    assert!(log.contains("2 packets: ") && log.contains(" 2 IPv6 to IPv4, 0 dropped"), "{log}");
    let captured = std::fs::read(&output).unwrap();
    let answer = V6::out().hop_limit(63).icmp(129, 0, [0, 7, 0, 1], b"is anybody there");
    // All but the traffic class and the flow label, which are the kernel's choice.
    assert!(captured.windows(answer.len() - 4).any(|w| w == &answer[4..]), "no answer was captured\n{log}");
    assert!(!lab.host.ip("-o link").contains("clat7"), "the device is left behind");
}
