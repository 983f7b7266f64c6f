//! `GetAdaptersAddresses`: what interfaces there are, their addresses and resolvers.

use super::Code;
use super::iphlp::{address, check};
use std::net::IpAddr;
use windows_sys::Win32::Foundation::ERROR_BUFFER_OVERFLOW;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GAA_FLAG_INCLUDE_GATEWAYS, GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_MULTICAST, GetAdaptersAddresses,
    IP_ADAPTER_ADDRESSES_LH, IP_ADAPTER_DNS_SERVER_ADDRESS_XP, IP_ADAPTER_GATEWAY_ADDRESS_LH,
    IP_ADAPTER_UNICAST_ADDRESS_LH,
};
use windows_sys::Win32::NetworkManagement::Ndis::IfOperStatusUp;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, AF_UNSPEC, IpSuffixOriginRandom, SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_INET,
    SOCKET_ADDRESS,
};

/// An interface as the system tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adapter {
    pub(crate) luid: u64,
    /// The IPv4 index, or the IPv6 one where IPv4 is not bound.
    pub(crate) index: u32,
    /// `{GUID}`, the name that the registry knows it by.
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) if_type: u32,
    pub(crate) up: bool,
    pub(crate) mtu: u32,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) network: [u8; 16],
    pub(crate) v4_metric: u32,
    pub(crate) v6_metric: u32,
    pub(crate) addresses: Vec<Address>,
    pub(crate) gateways: Vec<IpAddr>,
    pub(crate) resolvers: Vec<IpAddr>,
}

/// A unicast address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) addr: IpAddr,
    pub(crate) prefix_len: u8,
    /// `NL_DAD_STATE`.
    pub(crate) dad_state: i32,
    pub(crate) temporary: bool,
}

/// Every interface.
pub(crate) fn adapters() -> Result<Vec<Adapter>, Code> {
    // 15 kB at first, as the documentation advises; the table may grow between two calls.
    let mut size = 15_000_u32;
    for _ in 0..4 {
        let mut buffer = vec![0_u64; size.div_ceil(8) as usize];
        let first = buffer.as_mut_ptr().cast::<IP_ADAPTER_ADDRESSES_LH>();
        let flags = GAA_FLAG_INCLUDE_GATEWAYS | GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST;
        // SAFETY: the buffer is aligned for the structure and at least `size` bytes long.
        let code =
            unsafe { GetAdaptersAddresses(AF_UNSPEC.into(), flags, std::ptr::null(), first, &raw mut size) };
        if code == ERROR_BUFFER_OVERFLOW {
            continue;
        }
        check(code)?;
        // SAFETY: the call made a list in the buffer, which lives until we are done.
        return Ok(unsafe { list(first, |a| a.Next) }.map(adapter).collect());
    }
    Err(Code(ERROR_BUFFER_OVERFLOW))
}

/// Walks one of the API's linked lists.
///
/// # Safety
/// `first` is null or starts a list whose nodes all live as long as the iterator.
unsafe fn list<'a, T: 'a>(first: *const T, next: impl Fn(&T) -> *mut T + 'a) -> impl Iterator<Item = &'a T> {
    let mut at = first;
    std::iter::from_fn(move || {
        // SAFETY: by the contract of this function.
        let node = unsafe { at.as_ref() }?;
        at = next(node);
        Some(node)
    })
}

fn adapter(a: &IP_ADAPTER_ADDRESSES_LH) -> Adapter {
    // SAFETY: the members of the unions are plain numbers; the strings and lists lie in the same buffer.
    unsafe {
        let v4_index = a.Anonymous1.Anonymous.IfIndex;
        Adapter {
            luid: a.Luid.Value,
            index: if v4_index == 0 { a.Ipv6IfIndex } else { v4_index },
            guid: ansi(a.AdapterName),
            name: string(a.FriendlyName),
            description: string(a.Description),
            if_type: a.IfType,
            up: a.OperStatus == IfOperStatusUp,
            mtu: a.Mtu,
            mac: (a.PhysicalAddressLength == 6).then(|| a.PhysicalAddress.first_chunk().copied()).flatten(),
            network: guid_bytes(&a.NetworkGuid),
            v4_metric: a.Ipv4Metric,
            v6_metric: a.Ipv6Metric,
            addresses: list(a.FirstUnicastAddress, |u| u.Next).filter_map(unicast).collect(),
            gateways: list(a.FirstGatewayAddress, |g| g.Next).filter_map(gateway).collect(),
            resolvers: list(a.FirstDnsServerAddress, |d| d.Next).filter_map(resolver).collect(),
        }
    }
}

fn guid_bytes(guid: &windows_sys::core::GUID) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&guid.data1.to_be_bytes());
    bytes[4..6].copy_from_slice(&guid.data2.to_be_bytes());
    bytes[6..8].copy_from_slice(&guid.data3.to_be_bytes());
    bytes[8..].copy_from_slice(&guid.data4);
    bytes
}

/// # Safety
/// Null or a string with a zero at its end.
unsafe fn string(text: *const u16) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the contract of this function.
    let text = unsafe {
        let len = (0..4096).find(|i| *text.add(*i) == 0).unwrap_or_default();
        std::slice::from_raw_parts(text, len)
    };
    String::from_utf16_lossy(text)
}

/// # Safety
/// Null or a string with a zero at its end.
unsafe fn ansi(text: *const u8) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the contract of this function.
    unsafe { std::ffi::CStr::from_ptr(text.cast()) }.to_string_lossy().into_owned()
}

fn unicast(u: &IP_ADAPTER_UNICAST_ADDRESS_LH) -> Option<Address> {
    Some(Address {
        // SAFETY: the address lies in the buffer of the table.
        addr: unsafe { socket_address(&u.Address) }?,
        prefix_len: u.OnLinkPrefixLength,
        dad_state: u.DadState,
        temporary: u.SuffixOrigin == IpSuffixOriginRandom,
    })
}

fn gateway(g: &IP_ADAPTER_GATEWAY_ADDRESS_LH) -> Option<IpAddr> {
    // SAFETY: the address lies in the buffer of the table.
    unsafe { socket_address(&g.Address) }
}

fn resolver(d: &IP_ADAPTER_DNS_SERVER_ADDRESS_XP) -> Option<IpAddr> {
    // SAFETY: the address lies in the buffer of the table.
    unsafe { socket_address(&d.Address) }
}

/// # Safety
/// The socket address lives and is as long as it says.
unsafe fn socket_address(sa: &SOCKET_ADDRESS) -> Option<IpAddr> {
    let pointer = sa.lpSockaddr;
    // SAFETY: by the contract of this function; the structure need not be aligned.
    let found = unsafe {
        let family = pointer.as_ref()?.sa_family;
        let room = usize::try_from(sa.iSockaddrLength).unwrap_or_default();
        match family {
            AF_INET if room >= size_of::<SOCKADDR_IN>() => {
                SOCKADDR_INET { Ipv4: pointer.cast::<SOCKADDR_IN>().read_unaligned() }
            }
            AF_INET6 if room >= size_of::<SOCKADDR_IN6>() => {
                SOCKADDR_INET { Ipv6: pointer.cast::<SOCKADDR_IN6>().read_unaligned() }
            }
            _ => return None,
        }
    };
    address(&found)
}
