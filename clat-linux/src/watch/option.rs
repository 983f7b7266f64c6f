//! Options of Router Advertisements that the kernel hands on (`RTNLGRP_ND_USEROPT`, `struct nduseroptmsg`).
//!
//! ```text
//! |  family (1)  |   pad (1)   |  options' length (2)  |
//! |                   interface index (4)              |
//! | ICMPv6 type  | ICMPv6 code |         pad (6)       |
//! | options ...            | attributes ...            |
//! ```
//!
//! Numbers are in the host's byte order. The kernel has checked the advertisement (hop limit, source,
//! checksum). It tells nothing where `accept_ra` is 0.

use clat_core::RaPref64;
use clat_engine::Input;
use netlink_packet_core::{NlaBuffer, NlasIterator};
use std::net::Ipv6Addr;

pub(super) const RTM_NEWNDUSEROPT: u16 = 68;
const ROUTER_ADVERTISEMENT: u8 = 134;
const HEADER: usize = 16;
/// The attribute with the router's address (`NDUSEROPT_SRCADDR`).
const SOURCE: u16 = 1;

/// Tells the PREF64 options of a message.
pub(super) fn pref64(payload: &[u8], sink: &mut dyn FnMut(Input<'_>)) {
    let Some((header, rest)) = payload.split_first_chunk::<HEADER>() else { return };
    let [_, _, l0, l1, i0, i1, i2, i3, kind, ..] = *header;
    let length = usize::from(u16::from_ne_bytes([l0, l1]));
    let Ok(ifindex) = u32::try_from(i32::from_ne_bytes([i0, i1, i2, i3])) else { return };
    if kind != ROUTER_ADVERTISEMENT {
        return;
    }
    let Some((mut options, attributes)) = rest.split_at_checked(length) else { return };
    let router = source(attributes).unwrap_or(Ipv6Addr::UNSPECIFIED);
    while let [kind, units, ..] = *options {
        let Some((option, next)) = options.split_at_checked(usize::from(units) * 8) else { return };
        if option.is_empty() {
            return;
        }
        if kind == RaPref64::TYPE {
            sink(Input::Pref64Option { ifindex, router, option });
        }
        options = next;
    }
}

fn source(attributes: &[u8]) -> Option<Ipv6Addr> {
    NlasIterator::new(attributes)
        .flatten()
        .find(|attribute: &NlaBuffer<&[u8]>| attribute.kind() == SOURCE)
        .and_then(|attribute| <[u8; 16]>::try_from(attribute.value()).ok())
        .map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(options: &[u8]) -> Vec<u8> {
        let length = u16::try_from(options.len()).unwrap().to_ne_bytes();
        let mut bytes = vec![10, 0, length[0], length[1]];
        bytes.extend_from_slice(&7_i32.to_ne_bytes());
        bytes.extend_from_slice(&[134, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(options);
        bytes.extend_from_slice(&20_u16.to_ne_bytes());
        bytes.extend_from_slice(&1_u16.to_ne_bytes());
        bytes.extend_from_slice(&"fe80::1".parse::<Ipv6Addr>().unwrap().octets());
        bytes
    }

    fn told(bytes: &[u8]) -> Vec<(u32, String, Vec<u8>)> {
        let mut told = Vec::new();
        pref64(bytes, &mut |input| {
            let Input::Pref64Option { ifindex, router, option } = input else { panic!("{input:?}") };
            told.push((ifindex, router.to_string(), option.to_vec()));
        });
        told
    }

    #[test]
    fn rfc8781_section_4_the_option_is_found_among_others() {
        let pref64 = [38, 2, 0x07, 0x08, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
        let other = [25, 1, 0, 0, 0, 0, 0, 0];
        let options = [&other[..], &pref64, &other, &pref64].concat();
        let found = told(&message(&options));
        assert_eq!(found, vec![(7, "fe80::1".to_owned(), pref64.to_vec()); 2]);
    }

    #[test]
    fn torn_messages_and_options_of_length_zero_end_it() {
        let pref64 = [38, 2, 0x07, 0x08, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
        let whole = message(&pref64);
        for cut in 0..HEADER + pref64.len() {
            assert!(told(&whole[..cut]).is_empty(), "{cut}");
        }
        assert_eq!(told(&whole[..HEADER + pref64.len()]), vec![(7, "::".to_owned(), pref64.to_vec())]);
        assert!(told(&message(&[38, 0, 0, 0, 0, 0, 0, 0])).is_empty());
    }
}
