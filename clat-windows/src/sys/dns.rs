//! The DNS client of Windows: one question on one interface.

use super::{Code, wide};
use std::net::Ipv6Addr;
use windows_sys::Win32::NetworkManagement::Dns::{
    DNS_QUERY_BYPASS_CACHE, DNS_QUERY_NO_HOSTS_FILE, DNS_QUERY_NO_MULTICAST, DNS_QUERY_NO_NETBT,
    DNS_QUERY_REQUEST, DNS_QUERY_REQUEST_VERSION1, DNS_QUERY_RESULT, DNS_QUERY_RESULTS_VERSION1,
    DNS_QUERY_TREAT_AS_FQDN, DNS_RECORDA, DNS_TYPE_AAAA, DnsFree, DnsFreeRecordList, DnsQueryEx,
};

/// Only servers of the network may answer: no cache, no file, no neighbours, no suffixes.
const OPTIONS: u32 = DNS_QUERY_BYPASS_CACHE
    | DNS_QUERY_NO_HOSTS_FILE
    | DNS_QUERY_NO_MULTICAST
    | DNS_QUERY_NO_NETBT
    | DNS_QUERY_TREAT_AS_FQDN;

/// More records than this are not read.
const MOST: usize = 16;

/// The AAAA records of `name`, each with its time to live in seconds. Blocks until the client gives up.
pub(crate) fn aaaa(name: &str, ifindex: u32) -> Result<Vec<(Ipv6Addr, u32)>, Code> {
    let name = wide(name);
    let request = DNS_QUERY_REQUEST {
        Version: DNS_QUERY_REQUEST_VERSION1,
        QueryName: name.as_ptr(),
        QueryType: DNS_TYPE_AAAA,
        QueryOptions: OPTIONS.into(),
        InterfaceIndex: ifindex,
        ..DNS_QUERY_REQUEST::default()
    };
    let mut result = DNS_QUERY_RESULT { Version: DNS_QUERY_RESULTS_VERSION1, ..DNS_QUERY_RESULT::default() };
    // SAFETY: both structures live during the call, which waits for the answer, as no callback is given; the name ends
    // with a zero.
    let status = unsafe { DnsQueryEx(&raw const request, &raw mut result, std::ptr::null_mut()) };
    // SAFETY: the call made the list, or left the pointer null.
    let records = unsafe { read(result.pQueryRecords) };
    if !result.pQueryRecords.is_null() {
        // SAFETY: our list, freed once; nothing of it is kept.
        unsafe { DnsFree(result.pQueryRecords.cast(), DnsFreeRecordList) };
    }
    if status == 0 { Ok(records) } else { Err(Code(status.cast_unsigned())) }
}

/// # Safety
/// `first` is null or starts a list of records that the DNS client made.
unsafe fn read(first: *const DNS_RECORDA) -> Vec<(Ipv6Addr, u32)> {
    let mut found = Vec::new();
    let mut at = first;
    for _ in 0..MOST {
        // SAFETY: by the contract of this function.
        let Some(record) = (unsafe { at.as_ref() }) else { break };
        if record.wType == DNS_TYPE_AAAA && usize::from(record.wDataLength) >= size_of::<Ipv6Addr>() {
            // SAFETY: the type says which member of the union it is; all its bytes are numbers in network order.
            let bytes = unsafe { record.Data.AAAA.Ip6Address.IP6Byte };
            found.push((Ipv6Addr::from(bytes), record.dwTtl));
        }
        at = record.pNext;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, data: [u8; 16], ttl: u32, next: *mut DNS_RECORDA) -> DNS_RECORDA {
        let mut record =
            DNS_RECORDA { pNext: next, wType: kind, wDataLength: 16, dwTtl: ttl, ..Default::default() };
        record.Data.AAAA.Ip6Address.IP6Byte = data;
        record
    }

    #[test]
    fn only_aaaa_records_of_a_list_count_and_a_ring_ends() {
        let address: Ipv6Addr = "64:ff9b::c000:aa".parse().unwrap();
        let mut last = record(DNS_TYPE_AAAA, address.octets(), 60, std::ptr::null_mut());
        let first = record(5, [1; 16], 1, &raw mut last);
        // SAFETY: a list of two records that live here.
        assert_eq!(unsafe { read(&raw const first) }, [(address, 60)]);
        let mut ring = record(DNS_TYPE_AAAA, address.octets(), 60, std::ptr::null_mut());
        ring.pNext = &raw mut ring;
        // SAFETY: a record that lives here.
        assert_eq!(unsafe { read(&raw const ring) }.len(), MOST);
        // SAFETY: no list.
        assert!(unsafe { read(std::ptr::null()) }.is_empty());
    }
}
