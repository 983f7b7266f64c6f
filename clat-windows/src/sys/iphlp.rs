//! IP Helper: one function a call of `iphlpapi.dll`, rows made by the system's own initialisers.

use super::Code;
use super::late::{Late, late};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use windows_sys::Win32::Foundation::NO_ERROR;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    ConvertInterfaceAliasToLuid, ConvertInterfaceIndexToLuid, ConvertInterfaceLuidToAlias,
    ConvertInterfaceLuidToIndex, FreeMibTable, GetIpForwardTable2, MIB_IPFORWARD_ROW2, MIB_IPFORWARD_TABLE2,
    MIB_IPINTERFACE_ROW, MIB_UNICASTIPADDRESS_ROW,
};
use windows_sys::Win32::NetworkManagement::Ndis::NET_LUID_LH;
use windows_sys::Win32::Networking::WinSock::{
    ADDRESS_FAMILY, AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, IpDadStatePreferred,
    MIB_IPPROTO_NETMGMT, NlroManual, RouterDiscoveryDisabled, RouterDiscoveryEnabled, SOCKADDR_IN,
    SOCKADDR_IN6, SOCKADDR_IN6_0, SOCKADDR_INET,
};

/// The part of an interface's settings that we read and write, for one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) mtu: u32,
    pub(crate) metric: u32,
    pub(crate) forwarding: bool,
    pub(crate) advertising: bool,
    pub(crate) router_discovery: bool,
    pub(crate) connected: bool,
}

/// What is to change; `None` leaves a setting as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    pub(crate) mtu: Option<u32>,
    pub(crate) forwarding: Option<bool>,
    pub(crate) advertising: Option<bool>,
    pub(crate) router_discovery: Option<bool>,
    pub(crate) dad_transmits: Option<u32>,
}

/// A row of the routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) luid: u64,
    pub(crate) index: u32,
    pub(crate) dest: IpAddr,
    pub(crate) prefix_len: u8,
    pub(crate) next_hop: IpAddr,
    pub(crate) metric: u32,
}

pub(super) const fn luid(value: u64) -> NET_LUID_LH {
    NET_LUID_LH { Value: value }
}

pub(super) const fn check(code: u32) -> Result<(), Code> {
    if code == NO_ERROR { Ok(()) } else { Err(Code(code)) }
}

const fn family(addr: IpAddr) -> ADDRESS_FAMILY {
    if addr.is_ipv4() { AF_INET } else { AF_INET6 }
}

pub(super) fn sockaddr(addr: IpAddr) -> SOCKADDR_INET {
    match addr {
        IpAddr::V4(v4) => {
            let bits = u32::from_ne_bytes(v4.octets());
            let sin_addr = IN_ADDR { S_un: IN_ADDR_0 { S_addr: bits } };
            SOCKADDR_INET {
                Ipv4: SOCKADDR_IN { sin_family: AF_INET, sin_port: 0, sin_addr, sin_zero: [0; 8] },
            }
        }
        IpAddr::V6(v6) => {
            let sin6_addr = IN6_ADDR { u: IN6_ADDR_0 { Byte: v6.octets() } };
            SOCKADDR_INET {
                Ipv6: SOCKADDR_IN6 {
                    sin6_family: AF_INET6,
                    sin6_port: 0,
                    sin6_flowinfo: 0,
                    sin6_addr,
                    Anonymous: SOCKADDR_IN6_0 { sin6_scope_id: 0 },
                },
            }
        }
    }
}

/// The address in a socket address, or `None` for another family.
pub(super) fn address(sa: &SOCKADDR_INET) -> Option<IpAddr> {
    // SAFETY: every member starts with the family, and each family's member is plain bytes of that size.
    unsafe {
        match sa.si_family {
            AF_INET => Some(Ipv4Addr::from(sa.Ipv4.sin_addr.S_un.S_addr.to_ne_bytes()).into()),
            AF_INET6 => Some(Ipv6Addr::from(sa.Ipv6.sin6_addr.u.Byte).into()),
            _ => None,
        }
    }
}

pub(crate) fn index_to_luid(index: u32) -> Result<u64, Code> {
    let mut found = luid(0);
    // SAFETY: the call writes one LUID.
    check(unsafe { ConvertInterfaceIndexToLuid(index, &raw mut found) })?;
    // SAFETY: every member of the union covers the same 64 bits.
    Ok(unsafe { found.Value })
}

pub(crate) fn luid_to_index(value: u64) -> Result<u32, Code> {
    let mut index = 0;
    // SAFETY: the call reads one LUID and writes one number.
    check(unsafe { ConvertInterfaceLuidToIndex(&luid(value), &raw mut index) })?;
    Ok(index)
}

pub(crate) fn alias_to_luid(alias: &str) -> Result<u64, Code> {
    let name = super::wide(alias);
    let mut found = luid(0);
    // SAFETY: the name ends with a zero; the call writes one LUID.
    check(unsafe { ConvertInterfaceAliasToLuid(name.as_ptr(), &raw mut found) })?;
    // SAFETY: every member of the union covers the same 64 bits.
    Ok(unsafe { found.Value })
}

pub(crate) fn luid_to_alias(value: u64) -> Result<String, Code> {
    let mut name = [0_u16; 257];
    // SAFETY: the buffer is as long as said.
    check(unsafe { ConvertInterfaceLuidToAlias(&luid(value), name.as_mut_ptr(), name.len()) })?;
    Ok(super::narrow(&name))
}

fn interface_row(value: u64, v6: bool) -> Result<MIB_IPINTERFACE_ROW, Code> {
    let calls = late()?;
    let mut row = MIB_IPINTERFACE_ROW::default();
    // SAFETY: both calls write the row; the second one reads its first two members.
    unsafe {
        (calls.InitializeIpInterfaceEntry)(&raw mut row);
        row.Family = if v6 { AF_INET6 } else { AF_INET };
        row.InterfaceLuid = luid(value);
        check((calls.GetIpInterfaceEntry)(&raw mut row))?;
    }
    Ok(row)
}

pub(crate) fn settings(value: u64, v6: bool) -> Result<Settings, Code> {
    let row = interface_row(value, v6)?;
    Ok(Settings {
        mtu: row.NlMtu,
        metric: row.Metric,
        forwarding: row.ForwardingEnabled,
        advertising: row.AdvertisingEnabled,
        router_discovery: row.RouterDiscoveryBehavior == RouterDiscoveryEnabled,
        connected: row.Connected,
    })
}

/// Changes settings of one interface in one call: what is not named keeps the value just read.
pub(crate) fn change(value: u64, v6: bool, change: Change) -> Result<(), Code> {
    let mut row = interface_row(value, v6)?;
    if !v6 {
        // The documentation of SetIpInterfaceEntry wants zero for IPv4; what Get returns is refused.
        row.SitePrefixLength = 0;
    }
    row.NlMtu = change.mtu.unwrap_or(row.NlMtu);
    row.ForwardingEnabled = change.forwarding.unwrap_or(row.ForwardingEnabled);
    row.AdvertisingEnabled = change.advertising.unwrap_or(row.AdvertisingEnabled);
    row.DadTransmits = change.dad_transmits.unwrap_or(row.DadTransmits);
    if let Some(on) = change.router_discovery {
        row.RouterDiscoveryBehavior = if on { RouterDiscoveryEnabled } else { RouterDiscoveryDisabled };
    }
    // SAFETY: the row was filled by the system.
    check(unsafe { (late()?.SetIpInterfaceEntry)(&raw mut row) })
}

fn address_row(calls: &Late, value: u64, addr: IpAddr) -> MIB_UNICASTIPADDRESS_ROW {
    let mut row = MIB_UNICASTIPADDRESS_ROW::default();
    // SAFETY: the call writes the row.
    unsafe { (calls.InitializeUnicastIpAddressEntry)(&raw mut row) };
    row.InterfaceLuid = luid(value);
    row.Address = sockaddr(addr);
    row
}

/// Adds an address. With `claim` the system looks for duplicates and never takes it as a source by itself.
pub(crate) fn add_address(value: u64, addr: IpAddr, prefix_len: u8, claim: bool) -> Result<(), Code> {
    let calls = late()?;
    let mut row = address_row(calls, value, addr);
    row.OnLinkPrefixLength = prefix_len;
    if claim {
        row.SkipAsSource = true;
    } else {
        row.DadState = IpDadStatePreferred;
    }
    // SAFETY: the row is complete.
    check(unsafe { (calls.CreateUnicastIpAddressEntry)(&raw const row) })
}

pub(crate) fn delete_address(value: u64, addr: IpAddr) -> Result<(), Code> {
    let calls = late()?;
    let row = address_row(calls, value, addr);
    // SAFETY: the call reads the interface and the address.
    check(unsafe { (calls.DeleteUnicastIpAddressEntry)(&raw const row) })
}

fn route_row(calls: &Late, value: u64, dest: IpAddr, prefix_len: u8, metric: u32) -> MIB_IPFORWARD_ROW2 {
    let mut row = MIB_IPFORWARD_ROW2::default();
    // SAFETY: the call writes the row.
    unsafe { (calls.InitializeIpForwardEntry)(&raw mut row) };
    row.InterfaceLuid = luid(value);
    row.DestinationPrefix.Prefix = sockaddr(dest);
    row.DestinationPrefix.PrefixLength = prefix_len;
    // On-link: the unspecified address of the family.
    row.NextHop.si_family = family(dest);
    row.Metric = metric;
    row.Protocol = MIB_IPPROTO_NETMGMT;
    row.Origin = NlroManual;
    row
}

pub(crate) fn add_route(value: u64, dest: IpAddr, prefix_len: u8, metric: u32) -> Result<(), Code> {
    let calls = late()?;
    let row = route_row(calls, value, dest, prefix_len, metric);
    // SAFETY: the row is complete.
    check(unsafe { (calls.CreateIpForwardEntry2)(&raw const row) })
}

pub(crate) fn delete_route(value: u64, dest: IpAddr, prefix_len: u8) -> Result<(), Code> {
    let calls = late()?;
    let row = route_row(calls, value, dest, prefix_len, 0);
    // SAFETY: the call reads interface, prefix and next hop.
    check(unsafe { (calls.DeleteIpForwardEntry2)(&raw const row) })
}

/// The routing table of one family.
pub(crate) fn routes(v6: bool) -> Result<Vec<Route>, Code> {
    let mut table: *mut MIB_IPFORWARD_TABLE2 = std::ptr::null_mut();
    // SAFETY: on success the call stores a table that we free.
    check(unsafe { GetIpForwardTable2(if v6 { AF_INET6 } else { AF_INET }, &raw mut table) })?;
    // SAFETY: the table holds as many rows as it says.
    let rows = unsafe {
        let first = (&raw const (*table).Table).cast::<MIB_IPFORWARD_ROW2>();
        std::slice::from_raw_parts(first, (*table).NumEntries as usize)
    };
    let found = rows.iter().filter_map(route).collect();
    // SAFETY: the table is the system's and nobody reads it any more.
    unsafe { FreeMibTable(table.cast()) };
    Ok(found)
}

fn route(row: &MIB_IPFORWARD_ROW2) -> Option<Route> {
    Some(Route {
        // SAFETY: every member of the union covers the same 64 bits.
        luid: unsafe { row.InterfaceLuid.Value },
        index: row.InterfaceIndex,
        dest: address(&row.DestinationPrefix.Prefix)?,
        prefix_len: row.DestinationPrefix.PrefixLength,
        next_hop: address(&row.NextHop)?,
        metric: row.Metric,
    })
}
