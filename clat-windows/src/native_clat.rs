//! Whether Windows translates by itself: its own CLAT of mobile broadband (`IpxlatCfgSvc`, since Windows 10), and of
//! every network in Windows 11 from 25H2 on, off until `netsh interface clat set global permit=enabled` or a policy.
//!
//! No documented call tells whether it translates: IP Helper has none, and
//! `netsh` prints its state for people only. So what is seen decides: an address of 192.0.0.0/29 (RFC 7335), or an IPv4
//! default route to such an address, on an interface that is not ours. What is set is read from the registry, for
//! `doctor`: the policy's value is Microsoft's (ADMX `tcpip`), the other one is what `netsh` writes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Below HKEY_LOCAL_MACHINE: where Group Policy puts [`PERMIT`].
pub const POLICY_KEY: &str = r"SOFTWARE\Policies\Microsoft\Windows\TCPIP\v6Transition\IPxlatCfgSvc";

/// Below HKEY_LOCAL_MACHINE: where `netsh interface clat set global` puts [`PERMIT`].
pub const LOCAL_KEY: &str = r"SYSTEM\CurrentControlSet\Services\IpxlatCfgSvc";

/// A number: whether Windows may translate elsewhere than on mobile broadband.
pub const PERMIT: &str = "PermitNonCellularCLAT";

/// What our own adapters are called in the system's list.
const OURS: &str = "CLAT";

/// An interface, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its index.
    pub index: u32,
    /// The device behind it.
    pub device: &'a str,
    /// Its addresses.
    pub addresses: &'a [IpAddr],
    /// The next hops of its default routes.
    pub gateways: &'a [IpAddr],
}

/// What gives a CLAT away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// An address that only a CLAT gives to a host.
    Address(Ipv4Addr),
    /// An IPv4 default route to such an address.
    Gateway(Ipv4Addr),
}

/// An interface on which somebody else translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Its index.
    pub index: u32,
    /// The device behind it.
    pub device: &'a str,
    /// What gave it away.
    pub sign: Sign,
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            Sign::Address(addr) => write!(f, "{} (address {addr})", self.device),
            Sign::Gateway(addr) => write!(f, "{} (IPv4 default route to {addr})", self.device),
        }
    }
}

/// The first interface with the sign of a CLAT that is not ours.
pub fn find<'a>(interfaces: impl IntoIterator<Item = Seen<'a>>) -> Option<Found<'a>> {
    let foreign = interfaces.into_iter().filter(|i| !i.device.starts_with(OURS));
    foreign.filter_map(|i| Some(Found { index: i.index, device: i.device, sign: sign(&i)? })).next()
}

fn sign(i: &Seen<'_>) -> Option<Sign> {
    let address = i.addresses.iter().copied().find_map(clat_address).map(Sign::Address);
    address.or_else(|| i.gateways.iter().copied().find_map(clat_address).map(Sign::Gateway))
}

/// One of 192.0.0.0/29, which RFC 7335 keeps for the two ends of a CLAT's link.
fn clat_address(addr: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V4(v4) = addr else { return None };
    let [a, b, c, d] = v4.octets();
    ([a, b, c] == [192, 0, 0] && (1..8).contains(&d)).then_some(v4)
}

/// Whether Windows may translate elsewhere than on mobile broadband.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nothing is set: it does not, or this Windows knows no such setting.
    Unset,
    /// It may not.
    No,
    /// It may, and does where it finds a prefix and no IPv4.
    Yes(SetBy),
}

/// Who set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// Group Policy, which goes before what `netsh` says.
    Policy,
    /// `netsh interface clat`.
    Netsh,
}

/// What the two values of [`PERMIT`] mean together.
#[must_use]
pub const fn permission(policy: Option<u32>, local: Option<u32>) -> Permission {
    match (policy, local) {
        (Some(0), _) | (None, Some(0)) => Permission::No,
        (Some(_), _) => Permission::Yes(SetBy::Policy),
        (None, Some(_)) => Permission::Yes(SetBy::Netsh),
        (None, None) => Permission::Unset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|a| a.parse().unwrap()).collect()
    }

    fn seen(device: &str, own: &[&str], gateways: &[&str]) -> Option<String> {
        let (own, gateways) = (addresses(own), addresses(gateways));
        let wifi = addresses(&["10.0.0.1", "2001:db8::2"]);
        let list = [
            Seen { index: 3, device: "Intel Wi-Fi", addresses: &wifi, gateways: &wifi },
            Seen { index: 7, device, addresses: &own, gateways: &gateways },
        ];
        find(list).map(|f| format!("{} {f}", f.index))
    }

    #[test]
    fn mobile_broadband_with_a_clat_address() {
        let found = seen("Surface Mobile", &["2001:db8::1", "192.0.0.4"], &[]);
        assert_eq!(found.as_deref(), Some("7 Surface Mobile (address 192.0.0.4)"));
    }

    #[test]
    fn an_ipv4_default_route_to_the_other_end_of_a_clat() {
        let found = seen("Modem", &["10.1.1.1"], &["fe80::1", "192.0.0.1"]);
        assert_eq!(found.as_deref(), Some("7 Modem (IPv4 default route to 192.0.0.1)"));
    }

    #[test]
    fn our_own_adapter_is_no_other_clat() {
        assert_eq!(seen("CLAT Tunnel", &["192.0.0.1"], &["192.0.0.1"]), None);
    }

    #[test]
    fn the_dummy_and_the_well_known_addresses_are_nobodys() {
        for addr in ["192.0.0.8", "192.0.0.170", "192.0.0.0", "192.0.1.1", "192.1.0.1"] {
            assert_eq!(seen("x", &[addr], &[addr]), None, "{addr}");
        }
    }

    #[test]
    fn a_policy_goes_before_netsh_in_both_directions() {
        assert_eq!(permission(None, None), Permission::Unset);
        assert_eq!(permission(None, Some(1)), Permission::Yes(SetBy::Netsh));
        assert_eq!(permission(Some(1), Some(0)), Permission::Yes(SetBy::Policy));
        assert_eq!(permission(Some(0), Some(1)), Permission::No);
        assert_eq!(permission(None, Some(0)), Permission::No);
    }
}
