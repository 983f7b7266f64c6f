//! A network whose DHCPv4 server says that it prefers IPv6 only (RFC 8925, option 108): overheard, never asked for.

use anyhow::{Context as _, Result, ensure};
use clat_core::Pref64;
use clat_netlab::clat::{Clat, clat_cli};
use clat_netlab::snapshot::Snapshot;
use clat_netlab::{Lab, need};
use rustix::process::Signal;
use serde_json::Value;
use std::net::UdpSocket;
use std::time::Duration;

/// The host's card, and a neighbour's.
const HOST: [u8; 6] = [2, 0, 0, 0, 0x64, 0];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0x64, 9];
const OFFER: u8 = 2;
const ACK: u8 = 5;
const SOON: Duration = Duration::from_secs(3);

/// A server on the customer's router.
fn server(lab: &Lab) -> Result<UdpSocket> {
    let socket = lab.edges[0].ns.enter(|| UdpSocket::bind("10.64.0.1:67"))??;
    socket.set_broadcast(true)?;
    socket2::SockRef::from(&socket).bind_device(Some(b"lan0"))?;
    Ok(socket)
}

/// Says to the client with that card what it may hear of option 108.
fn say(server: &UdpSocket, kind: u8, client: [u8; 6], wait_s: Option<u32>) -> Result<()> {
    let mut message = vec![0; 236];
    message[..3].copy_from_slice(&[2, 1, 6]);
    message[28..34].copy_from_slice(&client);
    message.extend([99, 130, 83, 99, 53, 1, kind]);
    if let Some(wait_s) = wait_s {
        message.extend([108, 4]);
        message.extend(wait_s.to_be_bytes());
    }
    message.extend([255; 60]);
    server.send_to(&message, "255.255.255.255:68")?;
    Ok(())
}

#[test]
fn rfc8925_option_108_is_shown_when_it_is_said_to_this_host() -> Result<()> {
    if !need::met("dhcp: option 108", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().ra_pref64(Pref64::WELL_KNOWN).without_resolver().build()?;
    let before = Snapshot::take(&lab.host)?;
    let server = server(&lab)?;
    let mut clat = Clat::run(&lab, &[])?;
    let s = clat.wait_state("active")?;
    ensure!(s["v6_only_wait_s"].is_null(), "{s}");
    say(&server, OFFER, OTHER, Some(7200))?;
    say(&server, OFFER, HOST, Some(1800))?;
    let told = |s: &Value| s["v6_only_wait_s"] == 1800;
    clat.wait_status("told of 1800 s", SOON, told)?;
    let out = clat_cli(&lab, &["discover", "--json"])?;
    let found: Value = serde_json::from_slice(&out.stdout).context("discover --json")?;
    ensure!(found["v6_only_wait_s"] == 1800, "{found}");
    // The link goes and comes back, and the client asks again.
    lab.link_down(0)?;
    lab.link_up(0)?;
    say(&server, ACK, HOST, Some(10))?;
    let least = |s: &Value| s["v6_only_wait_s"] == 300;
    clat.wait_status("told of the least wait", SOON, least)?;
    say(&server, ACK, HOST, None)?;
    clat.wait_status("told of a plain lease", SOON, |s| s["v6_only_wait_s"].is_null())?;
    clat.stop(Signal::TERM)?;
    before.same_as(&Snapshot::take(&lab.host)?)
}
