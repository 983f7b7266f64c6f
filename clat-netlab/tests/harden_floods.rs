//! Floods: what provokes errors, fragments that never fit together, questions of the neighbourhood. The answers are
//! limited, nothing is kept, and the host's own traffic goes on.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::scenes::works;
use clat_netlab::{Lab, Ns, need};
use rustix::process::Signal;
use std::net::IpAddr;
use std::time::Instant;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
/// RFC 4443 section 2.4 (f): errors a second and at once, for each queue of the device.
const ERRORS_A_SECOND: u64 = 100;
const ERRORS_AT_ONCE: u64 = 50;
/// What one thread's allocator takes from the kernel at a time, in KiB.
const GROWTH_KIB: u64 = 256;

/// Echoes as fast as they go, whatever comes back.
fn flood(ns: &Ns, more: &[&str], to: &str) -> Result<()> {
    let args = ["-q", "-n", "-l", "3000", "-c", "3000", "-W", "1"];
    ns.output("ping", &[&args, more, &[to]].concat()).map(drop)
}

fn memory_kib(pid: u64) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[test]
fn errors_are_limited_and_nothing_is_kept() -> Result<()> {
    if !need::met("harden: floods", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let mut clat = Clat::run(&lab, &[])?;
    let status = clat.wait_state("active")?;
    let pid = status["pid"].as_u64().context("pid")?;
    let clat_v6 = status["clat"]["ipv6"].as_str().context("the address")?.to_owned();
    works(&lab)?;
    let host = lab.address_seen()?.to_string();
    let server = SERVER.to_string();
    let replies =
        |clat: &Clat<'_>| clat.status()?["counters"]["replies"].as_u64().context("replies in the status");
    let (memory, made_before, start) = (memory_kib(pid)?, replies(&clat)?, Instant::now());
    // Every packet expires at the translator.
    flood(&lab.host, &["-t", "1"], &server)?;
    let (made, seconds) = (replies(&clat)? - made_before, start.elapsed().as_secs() + 1);
    need::say(&format!("harden: {made} errors in {seconds} s"));
    ensure!(made >= ERRORS_AT_ONCE, "only {made} errors: the scene shows nothing");
    ensure!(made <= ERRORS_AT_ONCE + ERRORS_A_SECOND * seconds, "{made} errors in {seconds} s");
    works(&lab).context("after a flood of expiring packets")?;
    // Echoes in fragments are nobody's to translate, in neither direction.
    flood(&lab.host, &["-s", "3000", "-M", "dont"], &server)?;
    flood(&lab.inet, &["-s", "3000", "-M", "dont"], &host)?;
    works(&lab).context("after a flood of fragments")?;
    // From the network itself, past the NAT64: not from where IPv4 lies.
    flood(&lab.core, &["-s", "100"], &clat_v6)?;
    let dropped = &clat.status()?["counters"]["drops"]["source_not_mapped"];
    ensure!(dropped.as_u64().unwrap_or(0) > 0, "packets from outside of the prefix: {dropped}");
    // Questions about addresses that nobody has: the router asks the whole link for each.
    for n in 0..200 {
        let nobody = format!("2001:db8:a::dead:{n:x}");
        lab.edges[0].ns.output("ping", &["-q", "-c", "1", "-W", "0.01", &nobody])?;
    }
    works(&lab).context("after a flood of questions")?;
    let after = memory_kib(pid)?;
    need::say(&format!("harden: {memory} KiB before the floods, {after} KiB after"));
    ensure!(after <= memory + GROWTH_KIB, "it keeps something: {memory} KiB, then {after} KiB");
    clat.stop(Signal::TERM)
}
