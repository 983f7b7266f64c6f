//! What an administrator types when `clat-cli run --no-configure` only opens the device.

use crate::Lab;
use crate::clat::Clat;
use crate::lab::UPLINK;
use anyhow::Result;

/// The device, and the addresses that the scenes give to the CLAT by hand.
pub const TUN: &str = "clat0";
/// The host's IPv4 address behind the CLAT (RFC 7335).
pub const CLAT_V4: &str = "192.0.0.1";
/// The CLAT's IPv6 address on the first uplink.
pub const CLAT_V6: &str = "2001:db8:a::464";

/// Starts `run --no-configure` for one prefix and configures the host with `ip`.
///
/// # Errors
/// When the device does not come, or `ip` refuses.
pub fn start<'a>(lab: &'a Lab, pref64: &str, more: &[&str]) -> Result<Clat<'a>> {
    let args =
        ["--no-configure", "--pref64", pref64, "--clat-v4", CLAT_V4, "--clat-v6", CLAT_V6, "--tun", TUN];
    let mut clat = Clat::run(lab, &[&args[..], more].concat())?;
    clat.wait_device(TUN)?;
    configure(lab)?;
    Ok(clat)
}

/// Addresses, routes, forwarding and the proxy neighbour.
///
/// # Errors
/// When `ip` refuses.
pub fn configure(lab: &Lab) -> Result<()> {
    let (host, dev) = (&lab.host, UPLINK[0]);
    // Forwarding turns the host into a router, which would stop to listen to routers.
    host.set_sysctl(&format!("ipv6/conf/{dev}/accept_ra"), "2")?;
    host.set_sysctl("ipv6/conf/all/forwarding", "1")?;
    host.set_sysctl(&format!("ipv6/conf/{dev}/proxy_ndp"), "1")?;
    host.ip(&format!("neigh add proxy {CLAT_V6} dev {dev}"))?;
    host.ip(&format!("link set {TUN} up mtu 1500"))?;
    host.ip(&format!("addr add {CLAT_V4}/32 dev {TUN}"))?;
    host.ip(&format!("route add default dev {TUN} src {CLAT_V4}"))?;
    host.ip(&format!("-6 route add {CLAT_V6}/128 dev {TUN}")).map(drop)
}
