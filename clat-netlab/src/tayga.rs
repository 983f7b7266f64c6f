//! Debian's tayga as the NAT64 of the lab.
//!
//! It is stateless: each IPv6 address that comes by gets an IPv4 address of a pool, which is enough
//! for one customer, and it lets the IPv4 side open flows towards the customer.

use crate::proc::Daemon;
use crate::{Ns, wait_for};
use anyhow::{Context as _, Result};
use clat_core::Pref64;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the IPv6 customers appear in the IPv4 Internet.
pub const POOL: &str = "192.31.196.128/25";
/// tayga's own address in the IPv4 Internet: the source of its ICMPv4 errors.
pub const OWN_V4: &str = "192.31.196.129";
/// tayga's own IPv6 address: the source of its ICMPv6 errors.
pub const OWN_V6: &str = "2001:db8:64::64";

/// A running tayga, its device and the routes to it.
#[derive(Debug)]
pub struct Tayga {
    _daemon: Daemon,
}

impl Tayga {
    /// Starts it in `ns` for one prefix, on the device `nat64-N`.
    ///
    /// # Errors
    /// When it does not start; its own words are part of the error.
    pub fn start(ns: &Ns, dir: &Path, number: usize, pref64: Pref64) -> Result<Self> {
        let dev = format!("nat64-{number}");
        let conf = write_config(dir, number, &dev, pref64)?;
        let mut command = Command::new("tayga");
        command.arg("--nodetach").arg("--config").arg(&conf);
        let mut daemon = Daemon::spawn(ns, command, &conf.with_extension("log"))?;
        let up = wait_for(Duration::from_secs(5), || {
            (daemon.ended().is_some() || ns.ip(&format!("link show {dev}")).is_ok()).then_some(())
        });
        if up.is_none() || daemon.ended().is_some() {
            anyhow::bail!("tayga did not start: {}", daemon.log());
        }
        ns.ip(&format!("link set {dev} up"))?;
        ns.ip(&format!("route add {} dev {dev}", pool(number)))?;
        ns.ip(&format!("route add {} dev {dev}", own_v6(number)))?;
        ns.ip(&format!("route add {pref64} dev {dev}"))?;
        Ok(Self { _daemon: daemon })
    }
}

/// A tayga that somebody uses as a CLAT on the host: another program's translation, on `tayga-clat`.
///
/// # Errors
/// When it does not start.
pub fn start_as_clat(host: &Ns, dir: &Path) -> Result<Daemon> {
    const DEV: &str = "tayga-clat";
    let conf = dir.join("tayga-clat.conf");
    let text = format!(
        "tun-device {DEV}\nipv4-addr 192.0.0.2\nipv6-addr 2001:db8:a::463\nprefix 64:ff9b::/96\n\
         map 192.0.0.1 2001:db8:a::464\n"
    );
    std::fs::write(&conf, text)?;
    let mut command = Command::new("tayga");
    command.arg("--nodetach").arg("--config").arg(&conf);
    let daemon = Daemon::spawn(host, command, &conf.with_extension("log"))?;
    wait_for(Duration::from_secs(5), || host.ip(&format!("link set {DEV} up")).ok())
        .with_context(|| daemon.log())?;
    host.ip(&format!("addr add 192.0.0.1/32 dev {DEV}"))?;
    host.ip(&format!("route add default dev {DEV}"))?;
    Ok(daemon)
}

/// The pool of one instance: a quarter of [`POOL`].
fn pool(number: usize) -> String {
    format!("192.31.196.{}/27", 128 + 32 * number)
}

fn own_v6(number: usize) -> String {
    format!("2001:db8:64::{:x}", 0x64 + number)
}

fn write_config(dir: &Path, number: usize, dev: &str, pref64: Pref64) -> Result<PathBuf> {
    let data = dir.join(format!("tayga-{number}"));
    std::fs::create_dir_all(&data)?;
    let conf = data.join("tayga.conf");
    let text = format!(
        "tun-device {dev}\nipv4-addr 192.31.196.{}\nipv6-addr {}\nprefix {pref64}\ndynamic-pool {}\ndata-dir {}\n",
        129 + 32 * number,
        own_v6(number),
        pool(number),
        data.display(),
    );
    std::fs::write(&conf, text).with_context(|| conf.display().to_string())?;
    Ok(conf)
}
