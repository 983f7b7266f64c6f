//! What is wrong with a network is named, and a host that gets in the way is borne.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::client::download;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::scenes::works;
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, Ns, need};
use rustix::process::Signal;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);

fn nft(ns: &Ns, script: &str) -> Result<()> {
    let out = ns.output("nft", &[script])?;
    ensure!(out.status.success(), "nft: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

fn doctor(lab: &Lab) -> Result<(Option<i32>, String)> {
    let out = clat_cli(lab, &["doctor"])?;
    Ok((out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned()))
}

fn failed(leg: &'static str) -> impl Fn(&Value) -> bool {
    move |s| s["self_test"]["ok"] == false && s["self_test"]["leg"] == leg
}

#[test]
fn a_silent_nat64_is_named_and_its_return_is_noticed() -> Result<()> {
    if !need::met("faults: NAT64", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    nft(
        &lab.core,
        "table ip6 t { chain f { type filter hook forward priority 0; ip6 daddr 64:ff9b::/96 drop; }; }",
    )?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_status("failing its self-test", LIMIT, failed("nat64-silent"))?;
    let (code, text) = doctor(&lab)?;
    ensure!(code == Some(26), "doctor: {code:?}\n{text}");
    nft(&lab.core, "flush ruleset")?;
    clat.wait_status("content", LIMIT, |s| s["self_test"]["ok"] == true)?;
    works(&lab)
}

#[test]
fn a_nat64_that_answers_no_ping_is_believed_when_traffic_comes_back() -> Result<()> {
    if !need::met("faults: NAT64 without ping", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    nft(
        &lab.core,
        "table ip6 t { chain f { type filter hook forward priority 0; \
         ip6 daddr 64:ff9b::/96 icmpv6 type echo-request drop; }; }",
    )?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_status("failing its self-test", LIMIT, failed("nat64-silent"))?;
    download(&lab.host, SERVER, 100_000, LIMIT)?;
    clat.wait_status("content", LIMIT, |s| s["self_test"]["ok"] == true)?;
    clat.stop(Signal::TERM)
}

#[test]
fn rfc7915_section_4_large_answers_that_the_nat64_cuts_are_no_black_hole() -> Result<()> {
    if !need::met("faults: cut answers", &[]) {
        return Ok(());
    }
    // The server is a Linux host: its answers go without Don't Fragment, and tayga cuts them.
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let target = lab.dir().join("clat.toml");
    std::fs::write(&target, format!("self-test.target = \"{SERVER}\"\n"))?;
    let mut clat = Clat::run(&lab, &["--config", &target.to_string_lossy()])?;
    let tested = |s: &Value| s["state"] == "active" && s["self_test"].is_object();
    let s = clat.wait_status("tested", LIMIT, tested)?;
    ensure!(s["self_test"]["ok"] == true, "{}", s["self_test"]);
    ensure!(s["counters"]["drops"]["fragmented_icmp"].as_u64() > Some(0), "nothing was cut: {s}");
    let (code, text) = doctor(&lab)?;
    ensure!(code == Some(0), "doctor: {code:?}\n{text}");
    Ok(())
}

#[test]
fn neighbours_that_do_not_find_the_clat_are_named() -> Result<()> {
    if !need::met("faults: neighbours", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    // Neither answers for the address nor questions asked as the CLAT get out.
    let questions = "ip6 saddr != fe80::/10 icmpv6 type nd-neighbor-solicit drop";
    let rules = format!("icmpv6 type nd-neighbor-advert drop; {questions};");
    nft(&lab.host, &format!("table ip6 t {{ chain o {{ type filter hook output priority 0; {rules} }}; }}"))?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_status("failing its self-test", LIMIT, failed("no-nd-answer"))?;
    let (code, text) = doctor(&lab)?;
    ensure!(code == Some(25), "doctor: {code:?}\n{text}");
    Ok(())
}

#[test]
fn a_path_that_swallows_large_packets_is_named() -> Result<()> {
    if !need::met("faults: MTU black hole", &["nft"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    // A NAT64 operator's test server (RFC 7050 section 8.2), which answers echoes of every size.
    lab.inet.ip("addr add 192.0.0.170/32 dev lo")?;
    lab.hop4.ip(&format!("route add 192.0.0.170 via {SERVER_V4}"))?;
    lab.inet.answer_echoes_with_df()?;
    lab.set_v6_path_mtu(1400)?;
    nft(
        &lab.core,
        "table ip6 t { chain o { type filter hook output priority 0; icmpv6 type packet-too-big drop; }; }",
    )?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_status("failing its self-test", LIMIT, failed("mtu-black-hole"))?;
    let (code, text) = doctor(&lab)?;
    ensure!(code == Some(27), "doctor: {code:?}\n{text}");
    Ok(())
}

#[test]
fn a_link_that_flaps_and_a_flood_of_advertisements() -> Result<()> {
    if !need::met("faults: flapping", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let before = Snapshot::take(&lab.host)?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_state("active")?;
    for _ in 0..15 {
        lab.link_down(0)?;
        lab.host.ip("link set up0 up")?;
    }
    lab.link_up(0)?;
    clat.wait_state("active").context("after flapping")?;
    works(&lab)?;
    for n in 0..300u16 {
        let prefixes = (0..8).map(|m| Pref64::new([0x3fff, n, m, 0, 0, 0, 0, 0].into(), 96));
        let prefixes: Vec<_> = prefixes.map(|p| p.map(|p| (p, 600))).collect::<Result<_, _>>()?;
        lab.edges[0].ra.set(|ra| ra.pref64 = prefixes);
    }
    let status = clat.wait_status("told", Duration::from_secs(5), |s| s["prefixes"].is_array())?;
    ensure!(status["prefixes"].as_array().is_some_and(|all| all.len() <= 32), "{status}");
    lab.edges[0].ra.set(|ra| ra.pref64 = vec![(Pref64::WELL_KNOWN, 1800)]);
    let is_back = |s: &Value| s["state"] == "active" && s["pref64"]["prefix"] == "64:ff9b::/96";
    clat.wait_status("back on its prefix", LIMIT, is_back)?;
    works(&lab).context("after the flood")?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn stopped_at_any_moment_of_the_claim() -> Result<()> {
    if !need::met("faults: early stop", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().with_dad().build()?;
    let before = Snapshot::take(&lab.host)?;
    for ms in [1, 5, 10, 20, 40, 80, 150, 300, 600, 1000, 1300] {
        let mut clat = Clat::run(&lab, &[])?;
        std::thread::sleep(Duration::from_millis(ms));
        // In its very first moments a signal still ends it at once, and there is nothing to undo.
        clat.signal(Signal::TERM);
        clat.wait_end().with_context(|| format!("stopped after {ms} ms"))?;
        before.same_as(&Snapshot::take(&lab.host)?).with_context(|| format!("stopped after {ms} ms"))?;
    }
    Ok(())
}

#[test]
fn without_the_right_to_raw_sockets_the_kernel_tells_the_prefix() -> Result<()> {
    if !need::met("faults: CAP_NET_RAW", &["setpriv"]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let before = Snapshot::take(&lab.host)?;
    let less = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"];
    let mut clat = Clat::run_under(&lab, &less, &[])?;
    let s = clat.wait_status("active", LIMIT, |s| s["state"] == "active")?;
    ensure!(s["warnings"].to_string().contains("CAP_NET_RAW"), "it is not said: {s}");
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}

#[test]
fn a_container_that_may_not_write_sysctls_hears_what_to_do() -> Result<()> {
    if !need::met("faults: read-only /proc/sys", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let before = Snapshot::take(&lab.host)?;
    let script =
        "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"$0\" \"$@\"";
    let mut clat = Clat::run_under(&lab, &["sh", "-c", script], &[])?;
    let said =
        clat_netlab::wait_for(Duration::from_secs(5), || clat.log().contains("forwarding").then_some(()));
    ensure!(said.is_some(), "nothing is said of forwarding:\n{}", clat.log());
    clat.signal(Signal::TERM);
    let _ = clat.wait_end()?;
    before.same_as(&Snapshot::take(&lab.host)?)?;
    // With forwarding set by whoever made the container, it works.
    lab.host.set_sysctl("ipv6/conf/up0/accept_ra", "2")?;
    lab.host.set_sysctl("ipv6/conf/all/forwarding", "1")?;
    lab.host.set_sysctl("ipv6/conf/up0/proxy_ndp", "1")?;
    let mut clat = Clat::run_under(&lab, &["sh", "-c", script], &[])?;
    clat.wait_state("active")?;
    works(&lab)?;
    clat.stop(Signal::TERM)
}

#[test]
fn ipv6_is_switched_on_later() -> Result<()> {
    if !need::met("faults: disable_ipv6", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build_without_link()?;
    lab.host.set_sysctl("ipv6/conf/all/disable_ipv6", "1")?;
    lab.host.ip("link set up0 up")?;
    let mut clat = Clat::run(&lab, &[])?;
    clat.wait_status("idle", Duration::from_secs(5), |s| s["state"] == "idle")?;
    lab.host.set_sysctl("ipv6/conf/all/disable_ipv6", "0")?;
    lab.link_up(0)?;
    clat.wait_state("active")?;
    works(&lab)
}

#[test]
fn a_reload_with_another_prefix_changes_over() -> Result<()> {
    if !need::met("faults: reload", &[]) {
        return Ok(());
    }
    let other: Pref64 = "3fff:64::/64".parse()?;
    let lab = Lab::builder().nat64(&[Pref64::WELL_KNOWN, other]).build()?;
    let before = Snapshot::take(&lab.host)?;
    let file = lab.dir().join("clat.toml");
    let path = file.to_str().context("a path that is text")?;
    std::fs::write(&file, "pref64 = \"64:ff9b::/96\"\n")?;
    let mut clat = Clat::run(&lab, &["--config", path])?;
    clat.wait_state("active")?;
    works(&lab)?;
    std::fs::write(&file, "pref64 = \"3fff:64::/64\"\n")?;
    clat.signal(Signal::HUP);
    let changed = |s: &Value| s["state"] == "active" && s["pref64"]["prefix"] == "3fff:64::/64";
    clat.wait_status("on the file's new prefix", Duration::from_secs(5), changed)?;
    works(&lab)?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}
