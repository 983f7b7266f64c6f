//! One change to the host, its inverse, and its line in the journal.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::{FromStr, SplitAsciiWhitespace};

/// The number of a step; never used twice by one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

/// An interface as a step names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Iface {
    /// Our own device.
    Device,
    /// Another interface.
    Index(u32),
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressRole {
    /// The IPv4 address of the host behind the CLAT: an ordinary address, no duplicate detection.
    Host,
    /// The CLAT's IPv6 address, put on the uplink for duplicate address detection by the operating system
    /// and taken off again. Never a source for applications: deprecated at once, no prefix route
    /// (`preferred_lft 0`, `IFA_F_NOPREFIXROUTE`; `SkipAsSource`).
    Claim,
}

/// One change to the host. Each maps to one call of the operating system's and has an inverse.
///
/// The shell remembers what was before, journals the step, and undoes only what is still as it set it.
/// The text form ([`Display`](fmt::Display), [`FromStr`]) is the journal's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Create our device. Inverse: remove it, and with it all that was set on it.
    OpenDevice,
    /// The MTU of each family in bytes. Where a link has one MTU for both it is the larger one, and the
    /// IPv4 default route has the IPv4 MTU. Inverse: the old values.
    SetMtu {
        /// The interface.
        iface: Iface,
        /// The IPv4 MTU in bytes.
        v4: u32,
        /// The IPv6 MTU in bytes.
        v6: u32,
    },
    /// Bring the interface up. Inverse: down, where it was down.
    SetLinkUp {
        /// The interface.
        iface: Iface,
    },
    /// Add an address. Inverse: remove it.
    AddAddress {
        /// The interface.
        iface: Iface,
        /// The address.
        addr: IpAddr,
        /// The prefix length in bits.
        prefix_len: u8,
        /// What it is for.
        role: AddressRole,
    },
    /// Add a route to the main table, on-link. Inverse: remove it.
    AddRoute {
        /// The interface it leads to.
        iface: Iface,
        /// The destination; bits beyond the length are zero.
        dest: IpAddr,
        /// The prefix length in bits; zero is the default route.
        prefix_len: u8,
        /// The metric; zero leaves it to the operating system.
        metric: u32,
        /// The MTU of the route in bytes; zero sets none.
        mtu: u32,
        /// The TCP MSS to advertise; zero sets none.
        mss: u32,
    },
    /// Forward IPv6 packets that arrive on the interface, with router discovery kept on (on Linux
    /// `accept_ra` 2, on Windows `RouterDiscoveryBehavior` enabled in the same call). Inverse: the old values.
    SetForwarding {
        /// The interface.
        iface: Iface,
    },
    /// Answer Neighbour Solicitations for the address on the interface (a proxy entry, with the switch
    /// that makes it count). Inverse: remove the entry, restore the switch.
    ProxyNeighbour {
        /// The interface.
        iface: Iface,
        /// The address.
        addr: Ipv6Addr,
    },
    /// Join a multicast group. Inverse: leave it.
    JoinGroup {
        /// The interface.
        iface: Iface,
        /// The group.
        group: Ipv6Addr,
    },
    /// Let ICMPv6 of Neighbour Discovery (types 133 to 136) through the host's firewall to this program.
    /// Inverse: remove the rule.
    AllowNeighbourDiscovery {
        /// The interface.
        iface: Iface,
    },
}

impl Step {
    /// The name of the kind, first word of the text form.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OpenDevice => "open-device",
            Self::SetMtu { .. } => "set-mtu",
            Self::SetLinkUp { .. } => "set-link-up",
            Self::AddAddress { .. } => "add-address",
            Self::AddRoute { .. } => "add-route",
            Self::SetForwarding { .. } => "set-forwarding",
            Self::ProxyNeighbour { .. } => "proxy-neighbour",
            Self::JoinGroup { .. } => "join-group",
            Self::AllowNeighbourDiscovery { .. } => "allow-neighbour-discovery",
        }
    }

    /// What undoing it does, for people.
    #[must_use]
    pub const fn inverse(&self) -> &'static str {
        match self {
            Self::OpenDevice => "remove the device",
            Self::SetMtu { .. } => "restore the MTU",
            Self::SetLinkUp { .. } => "set the link down",
            Self::AddAddress { .. } => "remove the address",
            Self::AddRoute { .. } => "remove the route",
            Self::SetForwarding { .. } => "restore forwarding and router discovery",
            Self::ProxyNeighbour { .. } => "remove the proxy entry",
            Self::JoinGroup { .. } => "leave the group",
            Self::AllowNeighbourDiscovery { .. } => "remove the firewall rule",
        }
    }

    /// The interface it changes.
    #[must_use]
    pub const fn iface(&self) -> Iface {
        match *self {
            Self::OpenDevice => Iface::Device,
            Self::SetMtu { iface, .. }
            | Self::SetLinkUp { iface }
            | Self::AddAddress { iface, .. }
            | Self::AddRoute { iface, .. }
            | Self::SetForwarding { iface }
            | Self::ProxyNeighbour { iface, .. }
            | Self::JoinGroup { iface, .. }
            | Self::AllowNeighbourDiscovery { iface } => iface,
        }
    }

    /// Whether it is the IPv4 default route: what is withdrawn first when translation cannot go on.
    #[must_use]
    pub const fn is_default_route(&self) -> bool {
        matches!(self, Self::AddRoute { dest: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len: 0, .. })
    }
}

impl fmt::Display for Iface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("device"),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl fmt::Display for AddressRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Claim => "claim",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::OpenDevice => Ok(()),
            Self::SetMtu { iface, v4, v6 } => write!(f, " dev {iface} v4 {v4} v6 {v6}"),
            Self::SetLinkUp { iface }
            | Self::SetForwarding { iface }
            | Self::AllowNeighbourDiscovery { iface } => {
                write!(f, " dev {iface}")
            }
            Self::AddAddress { iface, addr, prefix_len, role } => {
                write!(f, " dev {iface} addr {addr}/{prefix_len} role {role}")
            }
            Self::AddRoute { iface, dest, prefix_len, metric, mtu, mss } => {
                write!(f, " dev {iface} dest {dest}/{prefix_len} metric {metric} mtu {mtu} mss {mss}")
            }
            Self::ProxyNeighbour { iface, addr } => write!(f, " dev {iface} addr {addr}"),
            Self::JoinGroup { iface, group } => write!(f, " dev {iface} group {group}"),
        }
    }
}

/// A line that is no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseStepError {
    /// The first word names no step.
    Name,
    /// This field is missing, out of order, or not as written by `Display`.
    Field(&'static str),
    /// Something follows the last field.
    Trailing,
}

impl fmt::Display for ParseStepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the line names no known step"),
            Self::Field(name) => write!(f, "the field `{name}` is missing or malformed"),
            Self::Trailing => f.write_str("something follows the last field"),
        }
    }
}

impl core::error::Error for ParseStepError {}

/// The words of a line, taken field by field.
struct Words<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self, key: &'static str) -> Result<&'a str, ParseStepError> {
        let found = self.0.next() == Some(key);
        self.0.next().filter(|_| found).ok_or(ParseStepError::Field(key))
    }

    fn field<T: FromStr>(&mut self, key: &'static str) -> Result<T, ParseStepError> {
        self.word(key)?.parse().map_err(|_| ParseStepError::Field(key))
    }

    fn iface(&mut self) -> Result<Iface, ParseStepError> {
        match self.word("dev")? {
            "device" => Ok(Iface::Device),
            index => index.parse().map(Iface::Index).map_err(|_| ParseStepError::Field("dev")),
        }
    }

    fn prefix(&mut self, key: &'static str) -> Result<(IpAddr, u8), ParseStepError> {
        let bad = ParseStepError::Field(key);
        let (addr, len) = self.word(key)?.split_once('/').ok_or(bad)?;
        let addr: IpAddr = addr.parse().map_err(|_| bad)?;
        let len: u8 = len.parse().map_err(|_| bad)?;
        let most = if addr.is_ipv4() { 32 } else { 128 };
        if len > most { Err(bad) } else { Ok((addr, len)) }
    }

    fn role(&mut self) -> Result<AddressRole, ParseStepError> {
        match self.word("role")? {
            "host" => Ok(AddressRole::Host),
            "claim" => Ok(AddressRole::Claim),
            _ => Err(ParseStepError::Field("role")),
        }
    }

    fn step(&mut self) -> Result<Step, ParseStepError> {
        Ok(match self.0.next() {
            Some("open-device") => Step::OpenDevice,
            Some("set-mtu") => {
                Step::SetMtu { iface: self.iface()?, v4: self.field("v4")?, v6: self.field("v6")? }
            }
            Some("set-link-up") => Step::SetLinkUp { iface: self.iface()? },
            Some("add-address") => {
                let iface = self.iface()?;
                let (addr, prefix_len) = self.prefix("addr")?;
                Step::AddAddress { iface, addr, prefix_len, role: self.role()? }
            }
            Some("add-route") => self.route()?,
            Some("set-forwarding") => Step::SetForwarding { iface: self.iface()? },
            Some("proxy-neighbour") => {
                Step::ProxyNeighbour { iface: self.iface()?, addr: self.field("addr")? }
            }
            Some("join-group") => Step::JoinGroup { iface: self.iface()?, group: self.field("group")? },
            Some("allow-neighbour-discovery") => Step::AllowNeighbourDiscovery { iface: self.iface()? },
            _ => return Err(ParseStepError::Name),
        })
    }

    fn route(&mut self) -> Result<Step, ParseStepError> {
        let iface = self.iface()?;
        let (dest, prefix_len) = self.prefix("dest")?;
        Ok(Step::AddRoute {
            iface,
            dest,
            prefix_len,
            metric: self.field("metric")?,
            mtu: self.field("mtu")?,
            mss: self.field("mss")?,
        })
    }
}

impl FromStr for Step {
    type Err = ParseStepError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut words = Words(s.split_ascii_whitespace());
        let step = words.step()?;
        match words.0.next() {
            None => Ok(step),
            Some(_) => Err(ParseStepError::Trailing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const LINES: [&str; 10] = [
        "open-device",
        "set-mtu dev device v4 1472 v6 1500",
        "set-link-up dev device",
        "add-address dev device addr 192.0.0.1/32 role host",
        "add-address dev 2 addr 2001:db8::1/128 role claim",
        "add-route dev device dest 0.0.0.0/0 metric 1000000 mtu 1472 mss 0",
        "set-forwarding dev 2",
        "proxy-neighbour dev 2 addr 2001:db8::1",
        "join-group dev 2 group ff02::1:ff00:1",
        "allow-neighbour-discovery dev 2",
    ];

    #[test]
    fn every_step_has_one_line_and_returns_from_it() {
        for line in LINES {
            assert_eq!(line.parse::<Step>().unwrap().to_string(), line);
        }
    }

    #[test]
    fn a_torn_or_foreign_line_is_no_step() {
        for line in LINES {
            for cut in 1..line.len() {
                if let Ok(step) = line[..cut].parse::<Step>() {
                    assert_ne!(step.to_string(), line, "{}", &line[..cut]);
                }
            }
            assert_eq!((line.to_string() + " x").parse::<Step>(), Err(ParseStepError::Trailing));
        }
        assert_eq!("".parse::<Step>(), Err(ParseStepError::Name));
        assert_eq!("rm -rf".parse::<Step>(), Err(ParseStepError::Name));
        assert_eq!("set-link-up dev -1".parse::<Step>(), Err(ParseStepError::Field("dev")));
        assert_eq!(
            "add-address dev 1 addr 192.0.0.1/33 role host".parse::<Step>(),
            Err(ParseStepError::Field("addr"))
        );
    }

    #[test]
    fn only_the_ipv4_default_route_is_the_default_route() {
        let found: std::vec::Vec<_> =
            LINES.iter().filter(|l| l.parse::<Step>().unwrap().is_default_route()).collect();
        assert_eq!(found, [&"add-route dev device dest 0.0.0.0/0 metric 1000000 mtu 1472 mss 0"]);
    }
}
