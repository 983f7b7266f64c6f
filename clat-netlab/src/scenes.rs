//! What a scene does with any source of packets: the way to the network differs, the demands do not.

use crate::client::{Transfer, answers, download, ping, upload};
use crate::lab::SERVER_V4;
use crate::{Clat, Lab};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(20);

/// A transfer under way goes on while the path gets narrower on both sides of the NAT64, and later ones work.
///
/// # Errors
/// When a byte is wrong or missing, or it takes too long.
pub fn transfer_over_a_path_that_shrinks(lab: &Lab) -> Result<()> {
    let transfer = Transfer::start(&lab.host, SERVER, 3_000_000, 1_500_000)?;
    std::thread::sleep(Duration::from_millis(500));
    lab.set_v6_path_mtu(1400)?;
    std::thread::sleep(Duration::from_millis(500));
    lab.set_v4_path_mtu(1300)?;
    transfer.finish()?;
    lab.set_v6_path_mtu(1280)?;
    upload(&lab.host, lab.dir(), SERVER, 500_000, LIMIT)?;
    download(&lab.host, SERVER, 500_000, LIMIT)
}

/// The device's MTU follows the MTU in the router's advertisements, to the byte. The server must answer echoes with
/// Don't Fragment.
///
/// # Errors
/// When it does not, or a packet of another size than the MTU allows passes.
pub fn mtu_follows_the_router(lab: &Lab, clat: &mut Clat<'_>) -> Result<()> {
    for mtu in [1400, 1280, 1500] {
        lab.edges[0].ra.set(|ra| ra.mtu = Some(mtu));
        let followed = |s: &Value| s["state"] == "active" && s["clat"]["mtu"] == mtu - 28;
        clat.wait_status(&format!("at MTU {}", mtu - 28), Duration::from_secs(5), followed)?;
        let fits = usize::try_from(mtu - 28)?;
        ensure!(ping(&lab.host, SERVER, fits, true)?.answered, "{fits} bytes at MTU {mtu}");
        let beyond = ping(&lab.host, SERVER, fits + 1, true)?;
        ensure!(!beyond.answered && beyond.mtu() == Some(mtu - 28), "{}", beyond.text);
    }
    Ok(())
}

/// The server answers an echo, and a download of 200 KB is right.
///
/// # Errors
/// When not, or it takes too long.
pub fn works(lab: &Lab) -> Result<()> {
    ensure!(answers(&lab.host, SERVER, Duration::from_secs(5)), "no answer from {SERVER}");
    download(&lab.host, SERVER, 200_000, LIMIT)
}

/// Whether a status document tells of translation on that interface.
#[must_use]
pub fn on_uplink(status: &Value, dev: &str) -> bool {
    status["state"] == "active" && status["uplink"]["name"] == dev
}

/// A download goes on while a second uplink comes and goes, and while the first has no carrier for a moment. The lab
/// must have two uplinks.
///
/// # Errors
/// When a byte is wrong or missing, the uplink is left, or the CLAT's address changes.
pub fn download_survives_a_second_uplink_and_a_lost_carrier(lab: &Lab, clat: &mut Clat<'_>) -> Result<()> {
    clat.wait_status("on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    let address = lab.address_seen()?;
    let transfer = Transfer::start(&lab.host, SERVER, 5_000_000, 1_000_000)?;
    std::thread::sleep(Duration::from_millis(300));
    lab.link_up(1)?;
    std::thread::sleep(Duration::from_millis(500));
    ensure!(on_uplink(&clat.status()?, "up0"), "a second uplink is no reason to leave the first");
    lab.link_down(1)?;
    lab.carrier(0, false)?;
    std::thread::sleep(Duration::from_millis(700));
    lab.carrier(0, true)?;
    transfer.finish()?;
    clat.wait_status("on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    ensure!(lab.address_seen()? == address, "the CLAT's address changed on the same network");
    Ok(())
}

/// The uplink is cut in the middle of a download, another comes, and later the first again. `settled` is called with
/// the name of the uplink each time after packets went over it. The lab must have two uplinks, the second one down.
///
/// # Errors
/// When one of them does not work in time, or `settled` has an error.
pub fn uplink_is_cut_and_another_comes(
    lab: &Lab,
    clat: &mut Clat<'_>,
    mut settled: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    clat.wait_status("on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    works(lab)?;
    settled("up0")?;
    let doomed = Transfer::start(&lab.host, SERVER, 10_000_000, 1_000_000)?;
    lab.link_down(0)?;
    lab.link_up(1)?;
    let s = clat.wait_status("on up1", LIMIT, |s| on_uplink(s, "up1"))?;
    ensure!(s["clat"]["ipv6"].as_str().is_some_and(|a| a.starts_with("2001:db8:b:")), "{s}");
    works(lab).context("the second uplink")?;
    settled("up1")?;
    // Its address went with the first uplink: no translator can save this connection.
    drop(doomed);
    lab.link_down(1)?;
    lab.link_up(0)?;
    clat.wait_status("back on up0", LIMIT, |s| on_uplink(s, "up0"))?;
    works(lab).context("back on the first uplink")?;
    settled("up0")
}
