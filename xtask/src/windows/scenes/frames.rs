//! `--source pcap`: IPv6 as frames by Npcap, nothing forwarded, nothing of Windows' own IPv6 used or changed.

use super::Stage;
use super::stage::said;
use anyhow::{Result, ensure};
use clat_netlab::lab::{SERVER_V4, UPLINK};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, client};
use std::path::Path;
use std::time::Duration;

const FRAMES: [&str; 4] = ["--source", "pcap", "--uplink", UPLINK[0]];

pub(super) fn run(exe: &Path) -> Result<()> {
    // No name server: the prefix is heard in a Router Advertisement, by frames.
    let lab = Lab::builder().ra_pref64("64:ff9b::/96".parse()?).without_resolver().build()?;
    let stage = Stage::new(lab, exe, true)?;
    stage.npcap(false)?;
    let out = stage.output(&[&["run"], &FRAMES[..]].concat())?;
    let text = said(&out);
    ensure!(out.status.code() == Some(1) && text.contains("Raw frames need Npcap"), "without it: {text}");
    stage.npcap(true)?;
    let result = scene(&stage);
    stage.npcap(false)?;
    result
}

fn scene(stage: &Stage) -> Result<()> {
    let (host, server) = (&stage.lab.host, SERVER_V4.into());
    let before = Snapshot::take(host)?;
    let mut daemon = stage.start(&FRAMES)?;
    let status = stage.wait_status("active", |s| s["state"] == "active")?;
    ensure!(status["pref64"]["source"] == "ra", "{status}");
    ensure!(client::answers(host, server, Duration::from_secs(10)), "log:\n{}", stage.log());
    client::download(host, server, 500_000, Duration::from_secs(60))?;
    client::upload(host, stage.lab.dir(), server, 200_000, Duration::from_secs(60))?;
    client::udp_echo(host, server, 4000)?;
    let forwarding = host.sysctl(&format!("ipv6/conf/{}/force_forwarding", UPLINK[0]))?;
    ensure!(forwarding.trim() == "0", "the uplink forwards");
    ensure!(stage.contract().contains("wpcap"), "no frame went by the stand-in:\n{}", stage.contract());
    stage.succeed(&["stop"])?;
    let ended = daemon.wait(Duration::from_secs(5));
    ensure!(ended.is_some_and(|e| e.success()), "{ended:?} after stop; log:\n{}", stage.log());
    before.same_as(&Snapshot::take(host)?)?;
    stage.check_contract()
}
