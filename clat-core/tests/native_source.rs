//! ICMPv6 errors from routers without IPv4 address (draft-ietf-v6ops-icmpext-xlat-v6only-source): they come
//! from 192.0.0.8 with a Node Identification object (draft-ietf-intarea-extended-icmp-nodeid).

#![allow(clippy::unwrap_used)]

mod common;

use clat_model::build::{DUMMY_V4, ROUTER_V6, V4, V6};
use common::{becomes, bytes_of, host, silent, translates};
use std::net::Ipv6Addr;

fn quotes(payload: usize) -> (Vec<u8>, Vec<u8>) {
    let v4 = V4::out().df(payload + 28 > 1260).ident(0);
    (v4.udp(5000, 53, &bytes_of(payload)), V6::out().udp(5000, 53, &bytes_of(payload)))
}

/// Class 5, C-Type with the IP address bit, family 2.
fn object() -> Vec<u8> {
    [&[0, 24, 5, 4, 0, 2, 0, 0], ROUTER_V6.octets().as_slice()].concat()
}

/// An extension structure with its checksum right.
fn structure(objects: &[u8]) -> Vec<u8> {
    let mut out = [&[0x20, 0, 0, 0], objects].concat();
    let checksum = u16::try_from((65535 - clat_model::residue(&out)) % 65535).unwrap();
    out[2..4].copy_from_slice(&checksum.to_be_bytes());
    out
}

fn from_dummy() -> V4 {
    V4::back().src(DUMMY_V4).ttl(63)
}

fn with_extension(kind: u8, code: u8, quoted: &[u8], units: u8, extension: &[u8]) -> Vec<u8> {
    let mut body = quoted.to_vec();
    body.resize(usize::from(units) * 4, 0);
    body.extend(extension);
    from_dummy().icmp(kind, code, [0, units, 0, 0], &body)
}

#[test]
fn errors_come_from_the_dummy_address_and_name_their_source() {
    let (quoted4, quoted6) = quotes(10);
    for ((kind6, code6), (kind4, code4)) in
        [((3, 0), (11, 0)), ((3, 1), (11, 1)), ((1, 0), (3, 1)), ((1, 4), (3, 3))]
    {
        let error = V6::back().src(ROUTER_V6).icmp(kind6, code6, [0; 4], &quoted6);
        translates(&error, &with_extension(kind4, code4, &quoted4, 32, &structure(&object())));
    }
    // A parameter problem has no extension in ICMPv6, but its counterparts may have one.
    let error = V6::back().src(ROUTER_V6).icmp(4, 1, [0, 0, 0, 6], &quoted6);
    translates(&error, &with_extension(3, 2, &quoted4, 32, &structure(&object())));
    let error = V6::back().src(ROUTER_V6).icmp(4, 0, [0, 0, 0, 7], &quoted6);
    let mut expected = with_extension(12, 0, &quoted4, 32, &structure(&object()));
    // The pointer stands in the first octet behind the checksum.
    expected[24] = 8;
    let sum = u16::from_be_bytes([expected[22], expected[23]]) - 0x0800;
    expected[22..24].copy_from_slice(&sum.to_be_bytes());
    translates(&error, &expected);
}

#[test]
fn packet_too_big_is_translated_without_an_object() {
    let (quoted4, quoted6) = quotes(1300);
    let error = V6::back().src(ROUTER_V6).icmp(2, 0, 1400u32.to_be_bytes(), &quoted6[..1232]);
    translates(&error, &from_dummy().icmp(3, 4, [0, 0, 0x05, 0x64], &quoted4[..548]));
}

#[test]
fn the_quotation_gives_way_to_the_object() {
    let (quoted4, quoted6) = quotes(1000);
    let error = V6::back().src(ROUTER_V6).icmp(3, 0, [0; 4], &quoted6);
    let expected = with_extension(11, 0, &quoted4[..520], 130, &structure(&object()));
    assert_eq!(expected.len(), 576);
    translates(&error, &expected);
}

#[test]
fn the_object_joins_a_structure_that_is_there() {
    let (quoted4, quoted6) = quotes(88);
    let mpls = [0, 8, 1, 1, 0x12, 0x34, 0x51, 0xff];
    let body = [quoted6.as_slice(), &structure(&mpls)].concat();
    let error = V6::back().src(ROUTER_V6).icmp(3, 0, [17, 0, 0, 0], &body);
    let both = structure(&[mpls.as_slice(), &object()].concat());
    translates(&error, &with_extension(11, 0, &quoted4, 32, &both));
    // RFC 4884 section 7: a checksum of zero is none.
    let unsummed = |objects: &[u8]| [&[0x20, 0, 0, 0], objects].concat();
    let body = [quoted6.as_slice(), &unsummed(&mpls)].concat();
    let error = V6::back().src(ROUTER_V6).icmp(3, 0, [17, 0, 0, 0], &body);
    let both = unsummed(&[mpls.as_slice(), &object()].concat());
    translates(&error, &with_extension(11, 0, &quoted4, 32, &both));
    // One too large for both keeps what came in.
    let large = structure(&[&[1, 140, 9, 9], bytes_of(392).as_slice()].concat());
    let body = [quoted6.as_slice(), &large].concat();
    let error = V6::back().src(ROUTER_V6).icmp(3, 0, [17, 0, 0, 0], &body);
    translates(&error, &with_extension(11, 0, &quoted4, 32, &large));
}

/// "The translator MUST NOT use 192.0.0.8 [...] and MUST NOT add the extension if the source is translatable."
#[test]
fn translatable_sources_keep_their_address() {
    let (quoted4, quoted6) = quotes(10);
    let error = V6::back().icmp(3, 0, [0; 4], &quoted6);
    translates(&error, &V4::back().ttl(63).icmp(11, 0, [0; 4], &quoted4));
}

#[test]
fn only_errors_come_from_native_sources() {
    silent(&host(), &V6::back().src(ROUTER_V6).udp(1, 2, b"x"), "source_not_mapped");
    silent(&host(), &V6::back().src(ROUTER_V6).icmp(129, 0, [0; 4], b"pong"), "source_not_mapped");
    let native: Ipv6Addr = "2001:db8:9::1".parse().unwrap();
    let (_, quoted6) = quotes(10);
    let first = V6::back().src(native).fragment(7, 0, true).icmp(3, 0, [0; 4], &quoted6[..56]);
    silent(&host(), &first, "source_not_mapped");
}

#[test]
fn may_be_dropped_or_come_from_another_address() {
    let (quoted4, quoted6) = quotes(1300);
    let error = V6::back().src(ROUTER_V6).icmp(2, 0, 1400u32.to_be_bytes(), &quoted6[..1232]);
    let mut c = host();
    c.native_source = None;
    silent(&c, &error, "source_not_mapped");
    c.native_source = Some("192.0.0.7".parse().unwrap());
    let expected = from_dummy().src("192.0.0.7".parse().unwrap());
    becomes(&c, &error, &[expected.icmp(3, 4, [0, 0, 0x05, 0x64], &quoted4[..548])]);
}
