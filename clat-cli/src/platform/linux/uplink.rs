//! The uplink of `--source pcap`, opened while there still are the rights for it.

use super::interfaces;
use crate::config::Settings;
use anyhow::{Context, anyhow};
use clat_linux::frames::nd::Nd;
use clat_linux::frames::{Uplink, Wire};
use std::sync::Arc;

/// For the data thread.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Arc<Uplink>> {
    let (name, wire, mac) = parts(settings)?;
    Uplink::new(wire, mac).with_context(|| name.to_owned())
}

/// For the control thread.
pub(super) fn open_nd(settings: &Settings) -> anyhow::Result<Nd> {
    let (name, wire, mac) = parts(settings)?;
    let ifindex = interfaces::index(name).ok_or_else(|| anyhow!("there is no interface {name}"))?;
    Nd::new(wire, ifindex, mac).with_context(|| name.to_owned())
}

fn parts(settings: &Settings) -> anyhow::Result<(&str, Wire, [u8; 6])> {
    let name = settings.uplink.as_deref().context("--source pcap needs --uplink")?;
    let wire = Wire::open(name).with_context(|| format!("--source pcap on {name}"))?;
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/address"))
        .with_context(|| format!("the link-layer address of {name}"))?;
    let mac = mac(text.trim()).ok_or_else(|| anyhow!("{name} has no Ethernet address: {text:?}"))?;
    Ok((name, wire, mac))
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let octets: Option<Vec<u8>> = text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    octets?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_layer_addresses_as_the_kernel_writes_them() {
        assert_eq!(mac("02:00:00:00:64:0a"), Some([2, 0, 0, 0, 0x64, 10]));
        assert_eq!(mac("00:00:00:00"), None);
        assert_eq!(mac(""), None);
    }
}
