//! What a scene does with any source of packets: the way to the network differs, the demands do not.

use crate::client::{Transfer, download, ping, upload};
use crate::lab::SERVER_V4;
use crate::{Clat, Lab};
use anyhow::{Result, ensure};
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
