//! `clat-cli run --source pcap` on a wire with VLANs: priority tags, an interface of a VLAN, and the frames of others.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::Clat;
use clat_netlab::client::{answers, download, udp_echo, upload};
use clat_netlab::judge::Judge;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::proc::Daemon;
use clat_netlab::switch::{DOT1AD, DOT1Q, Port, Rule, Switch, tagged, untagged, without_offload};
use clat_netlab::{Lab, Ns, need, wait_for};
use rustix::process::Signal;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);
const TOOLS: [&str; 2] = ["ethtool", "tcpdump"];
/// The card of the host's uplink.
const HOST_MAC: &str = "02:00:00:00:64:00";

/// The lab with its cable cut open: `r0` towards the router and `h0` towards the host are in the namespace of a switch.
fn lab_with_switch(host_dev: &str) -> Result<(Lab, Ns)> {
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).build_without_link()?;
    let switch = Ns::new(lab.number(), "switch")?;
    for key in ["all", "default"] {
        switch.set_sysctl(&format!("ipv6/conf/{key}/disable_ipv6"), "1")?;
    }
    lab.host.ip(&format!("link set up0 netns {} name r0", switch.name()))?;
    lab.host.ip(&format!("link add {host_dev} type veth peer name h0 netns {}", switch.name()))?;
    lab.host.ip(&format!("link set {host_dev} address {HOST_MAC}"))?;
    without_offload(&lab.edges[0].ns, "lan0")?;
    without_offload(&lab.host, host_dev)?;
    for dev in ["r0", "h0"] {
        without_offload(&switch, dev)?;
        switch.ip(&format!("link set {dev} up"))?;
    }
    Ok((lab, switch))
}

fn ports(switch: &Ns) -> Result<(Port, Port)> {
    Ok((Port::open(switch, "r0")?, Port::open(switch, "h0")?))
}

fn works(lab: &Lab) -> Result<()> {
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(5)), "no answer from {SERVER}");
    download(&lab.host, SERVER, 500_000, LIMIT)?;
    upload(&lab.host, lab.dir(), SERVER, 500_000, LIMIT)?;
    for len in [0, 1452, 1453, 4000] {
        udp_echo(&lab.host, SERVER, len)?;
    }
    Ok(())
}

/// What `ping` says of five echoes.
fn pings(lab: &Lab) -> Result<String> {
    let out = lab.host.output("ping", &["-c", "5", "-i", "0.2", "-W", "2", &SERVER.to_string()])?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// As they are.
fn untouched() -> Rule {
    Box::new(|frame| vec![frame])
}

#[test]
fn a_priority_tag_on_every_frame_changes_nothing() -> Result<()> {
    if !need::met_frames("frames: priority tags", &TOOLS) {
        return Ok(());
    }
    const PRIORITY_5_VLAN_0: u16 = 5 << 13;
    let (lab, ns) = lab_with_switch("up0")?;
    let (router, host) = ports(&ns)?;
    let tagging = || -> Rule { Box::new(|frame| vec![tagged(&frame, DOT1Q, PRIORITY_5_VLAN_0)]) };
    let switch = Switch::start(&router, &host, tagging(), untouched());
    lab.link_up(0)?;
    let judge = Judge::new(&[&lab.host, &lab.inet])?;
    let mut clat = Clat::run(&lab, &["--source", "pcap", "--uplink", "up0"])?;
    clat.wait_state("active")?;
    works(&lab)?;
    let text = pings(&lab)?;
    ensure!(text.contains(" 5 received") && !text.contains("DUP"), "{text}");
    // The router forgets the host, and asks with a tag.
    lab.edges[0].ns.ip("neigh flush dev lan0")?;
    works(&lab).context("the router has forgotten everybody")?;
    ensure!(switch.passed().0 > 500, "{switch:?}");
    ensure!(!clat.log().contains("carries VLAN"), "a priority tag is no VLAN: {}", clat.log());
    clat.stop(Signal::TERM)?;
    judge.verdict()
}

/// The trunk ends in the host; what its VLAN 7 carries is fed to an interface of its own, as a VLAN device does it.
#[test]
fn the_interface_of_a_vlan_is_an_uplink() -> Result<()> {
    if !need::met_frames("frames: VLAN interface", &TOOLS) {
        return Ok(());
    }
    const PRIORITY_3_VLAN_7: u16 = 3 << 13 | 7;
    let (lab, ns) = lab_with_switch("trunk0")?;
    lab.host.ip("link add vlan7 type veth peer name feed7")?;
    lab.host.ip("link set vlan7 address 02:00:00:00:64:07")?;
    for dev in ["trunk0", "feed7"] {
        lab.host.set_sysctl(&format!("ipv6/conf/{dev}/disable_ipv6"), "1")?;
    }
    for dev in ["feed7", "vlan7"] {
        without_offload(&lab.host, dev)?;
    }
    for dev in ["trunk0", "feed7", "vlan7"] {
        lab.host.ip(&format!("link set {dev} up"))?;
    }
    let strays = Arc::new(AtomicU64::new(0));
    let onto = || -> Rule { Box::new(|frame| vec![tagged(&frame, DOT1Q, PRIORITY_3_VLAN_7)]) };
    let off = || -> Rule {
        let strays = Arc::clone(&strays);
        Box::new(move |frame| match untagged(&frame) {
            Some((tci, frame)) if tci & 0xfff == 7 => vec![frame],
            _ => {
                strays.fetch_add(1, Ordering::Relaxed);
                Vec::new()
            }
        })
    };
    let (router, trunk) = ports(&ns)?;
    let outer = Switch::start(&router, &trunk, onto(), off());
    let (trunk, feed) = (Port::open(&lab.host, "trunk0")?, Port::open(&lab.host, "feed7")?);
    let _inner = Switch::start(&trunk, &feed, off(), onto());
    let mut tcpdump = Command::new("tcpdump");
    tcpdump.args(["-l", "-n", "-e", "-i", "h0", "-c", "200"]);
    let sniffer = Daemon::spawn(&ns, tcpdump, &lab.dir().join("trunk.txt"))?;
    let ready = || {
        let addresses = lab.host.ip("-6 addr show dev vlan7 scope global -tentative").ok()?;
        let route = lab.host.ip("-6 route show default dev vlan7").ok()?;
        (addresses.contains("inet6") && !route.trim().is_empty()).then_some(())
    };
    wait_for(Duration::from_secs(10), ready).context("no IPv6 address on vlan7")?;
    let mut clat = Clat::run(&lab, &["--source", "pcap", "--uplink", "vlan7"])?;
    clat.wait_state("active")?;
    works(&lab)?;
    let seen = wait_for(LIMIT, || Some(sniffer.log()).filter(|log| log.contains("packets captured")));
    let seen = seen.context("tcpdump saw too little")?;
    let frames: Vec<&str> = seen.lines().filter(|line| line.contains("ethertype")).collect();
    let on_vlan_7 = |line: &&str| line.contains("ethertype 802.1Q (0x8100)") && line.contains("vlan 7");
    let other = frames.iter().find(|line| !on_vlan_7(line));
    ensure!(frames.len() >= 200 && other.is_none(), "{} frames, {other:?}\n{seen}", frames.len());
    ensure!(strays.load(Ordering::Relaxed) == 0 && outer.passed().1 > 500, "{strays:?} {outer:?}");
    ensure!(!lab.host.ip("maddr show dev trunk0")?.contains("33:33:ff"), "the trunk itself is spoken on");
    clat.stop(Signal::TERM)
}

/// Each frame of the router comes five times: as it is, and with tags that make it another link's.
#[test]
fn frames_of_other_vlans_are_told_and_never_translated() -> Result<()> {
    if !need::met_frames("frames: foreign VLANs", &TOOLS) {
        return Ok(());
    }
    let (lab, ns) = lab_with_switch("up0")?;
    let (router, host) = ports(&ns)?;
    let foreign: Rule = Box::new(|frame| {
        let copies = vec![
            tagged(&frame, DOT1Q, 9),
            tagged(&frame, DOT1AD, 9),
            tagged(&tagged(&frame, DOT1Q, 9), DOT1AD, 4),
            tagged(&tagged(&frame, DOT1Q, 9), DOT1Q, 0),
        ];
        [copies, vec![frame]].concat()
    });
    let switch = Switch::start(&router, &host, foreign, untouched());
    lab.link_up(0)?;
    let mut clat = Clat::run(&lab, &["--source", "pcap", "--uplink", "up0"])?;
    clat.wait_state("active")?;
    works(&lab)?;
    let came = |clat: &Clat<'_>| -> Result<u64> {
        clat.status()?["counters"]["v6_to_v4"]["packets"].as_u64().context("counters.v6_to_v4.packets")
    };
    let before = came(&clat)?;
    let text = pings(&lab)?;
    ensure!(text.contains(" 5 received") && !text.contains("DUP"), "{text}");
    let echoes = came(&clat)? - before;
    ensure!((5..10).contains(&echoes), "{echoes} packets for five echoes");
    ensure!(switch.passed().0 > 1500, "{switch:?}");
    let log = clat.log();
    ensure!(log.contains("up0 carries VLAN 9 too, which is another link"), "{log}");
    clat.stop(Signal::TERM)
}
