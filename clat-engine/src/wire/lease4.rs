//! Option 108 of the last DHCPv4 lease of a link (RFC 8925), as the DHCP client of Windows keeps it.
//!
//! The client writes every option of the server's last answer into one registry value, `DhcpInterfaceOptions` of
//! `Tcpip\Parameters\Interfaces\{GUID}`. Reading it asks nobody and changes nothing, where `DhcpRequestParams` would
//! send a message of its own. Microsoft does not document the value; its layout is known from administrators' scripts
//! and from exported registries: a row of records, each of five little-endian 32-bit numbers (option, class, length in
//! bytes, whether it is vendor specific, end of the lease in seconds since 1970) and the option's data, filled up to a
//! multiple of four bytes.

/// IPv6-Only Preferred (RFC 8925 section 3.1): its data is V6ONLY_WAIT in seconds, four bytes in network byte order.
const V6_ONLY_PREFERRED: u32 = 108;

/// Bytes of a record before its data.
const HEAD: usize = 20;

/// V6ONLY_WAIT in seconds as the server said it, where the lease has option 108 and has not ended at `now` (seconds since
/// 1970). A value that is cut short or lies about a length tells what came before.
pub(crate) fn v6_only_wait_s(options: &[u8], now: u64) -> Option<u32> {
    let granted = Records(options).find(|r| r.option == V6_ONLY_PREFERRED && !r.vendor && r.ends > now)?;
    // Only a length of four bytes is legal (RFC 8925 section 3.1).
    Some(u32::from_be_bytes(granted.data.try_into().ok()?))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record<'a> {
    option: u32,
    vendor: bool,
    /// Seconds since 1970.
    ends: u64,
    data: &'a [u8],
}

/// The records of a value, until one does not fit.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (head, rest) = self.0.split_first_chunk::<HEAD>()?;
        let (words, _) = head.as_chunks::<4>();
        let &[option, _class, len, vendor, ends] = words else { return None };
        let len = usize::try_from(u32::from_le_bytes(len)).ok()?;
        let data = rest.get(..len)?;
        // The last record need not be filled up.
        self.0 = rest.get(len.checked_next_multiple_of(4)?..).unwrap_or_default();
        let [option, vendor, ends] = [option, vendor, ends].map(u32::from_le_bytes);
        Some(Record { option, vendor: vendor != 0, ends: ends.into(), data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The end of the lease in `LEASE`.
    const ENDS: u64 = 0x57b6_1733;

    /// A value as a registry export shows it: option 6 (resolver), 53 (message type, one byte), 12 (a name of eleven).
    const LEASE: [u8; 80] = [
        6, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0x33, 0x17, 0xb6, 0x57, 192, 168, 1, 1, //
        53, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x33, 0x17, 0xb6, 0x57, 5, 0, 0, 0, //
        12, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0x33, 0x17, 0xb6, 0x57, //
        b'G', b'I', b'G', b'A', b'B', b'Y', b'T', b'E', b'-', b'P', b'C', 0,
    ];

    fn record(option: u32, vendor: u32, data: &[u8]) -> Vec<u8> {
        let ends = u32::try_from(ENDS).unwrap();
        let len = u32::try_from(data.len()).unwrap();
        let head = [option, 0, len, vendor, ends].map(u32::to_le_bytes);
        let mut bytes = [head.as_flattened(), data].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn an_exported_lease_is_read_to_its_end() {
        let read: Vec<(u32, &[u8])> = Records(&LEASE).map(|r| (r.option, r.data)).collect();
        assert_eq!(read, [(6, &[192, 168, 1, 1][..]), (53, &[5]), (12, b"GIGABYTE-PC")]);
        assert_eq!(v6_only_wait_s(&LEASE, 0), None);
    }

    #[test]
    fn option_108_behind_others_is_found_in_network_byte_order() {
        let value = [&LEASE[..], &record(108, 0, &[0, 0, 7, 8])].concat();
        assert_eq!(v6_only_wait_s(&value, ENDS - 1), Some(1800));
        assert_eq!(v6_only_wait_s(&value, ENDS), None, "the lease has ended");
    }

    #[test]
    fn a_vendors_108_and_one_of_another_length_are_none() {
        assert_eq!(v6_only_wait_s(&record(108, 1, &[0, 0, 7, 8]), 0), None);
        assert_eq!(v6_only_wait_s(&record(108, 0, &[0, 0, 7]), 0), None);
        assert_eq!(v6_only_wait_s(&record(108, 0, &[]), 0), None, "asked for and not given");
    }

    #[test]
    fn a_value_cut_anywhere_is_read_as_far_as_it_goes() {
        let value = [&LEASE[..], &record(108, 0, &[0, 0, 7, 8])].concat();
        for len in 0..value.len() {
            assert_eq!(v6_only_wait_s(&value[..len], 0), None, "{len} bytes");
        }
    }

    #[test]
    fn a_length_beyond_everything_ends_the_reading() {
        for len in [u32::MAX, u32::MAX - 3, 5] {
            let mut value = record(53, 0, &[5]);
            value[8..12].copy_from_slice(&len.to_le_bytes());
            value.extend(record(108, 0, &[0, 0, 7, 8]));
            assert_ne!(v6_only_wait_s(&value, 0), Some(1800), "{len}");
        }
    }
}
