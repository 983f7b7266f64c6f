//! RFC 4884 inside RFC 7915 sections 4.2 and 5.2 ("ICMP Error Payload"): the extension is passed on as it
//! is, the length attribute adjusted, what is too long cut from the quoted packet first.

mod common;

use clat_model::build::{V4, V6};
use common::{bytes_of, translates};

/// An ICMPv4 error: the quoted packet filled up to `units` of 4 bytes, then the extension.
fn v4_error(ip: V4, (kind, code): (u8, u8), quoted: &[u8], units: u8, extension: &[u8]) -> Vec<u8> {
    let mut body = quoted.to_vec();
    body.resize(usize::from(units) * 4, 0);
    body.extend(extension);
    ip.icmp(kind, code, [0, units, 0, 0], &body)
}

/// An ICMPv6 error: the quoted packet filled up to `units` of 8 bytes, then the extension.
fn v6_error(ip: V6, (kind, code): (u8, u8), quoted: &[u8], units: u8, extension: &[u8]) -> Vec<u8> {
    let mut body = quoted.to_vec();
    body.resize(usize::from(units) * 8, 0);
    body.extend(extension);
    ip.icmp(kind, code, [units, 0, 0, 0], &body)
}

/// A datagram of `payload` bytes that the host got.
fn received(payload: usize) -> (Vec<u8>, Vec<u8>) {
    (V4::back().udp(53, 5000, &bytes_of(payload)), V6::back().udp(53, 5000, &bytes_of(payload)))
}

/// A datagram of `payload` bytes that the host sent.
fn sent(payload: usize) -> (Vec<u8>, Vec<u8>) {
    let v4 = V4::out().df(payload + 28 > 1260).ident(0);
    (v4.udp(5000, 53, &bytes_of(payload)), V6::out().udp(5000, 53, &bytes_of(payload)))
}

fn structure(len: usize) -> Vec<u8> {
    [&[0x20, 0, 0x12, 0x34], bytes_of(len - 4).as_slice()].concat()
}

#[test]
fn v4_to_v6_length_counts_eight_bytes_and_the_larger_header() {
    // 132 bytes = 33 x 4, 152 bytes = 19 x 8.
    let (quoted4, quoted6) = received(104);
    for (v4, v6) in [((3, 3), (1, 4)), ((3, 0), (1, 0)), ((11, 0), (3, 0)), ((11, 1), (3, 1))] {
        for len in [4, 20, 21, 640] {
            let error = v4_error(V4::out(), v4, &quoted4, 33, &structure(len));
            let expected = v6_error(V6::out().hop_limit(63), v6, &quoted6, 19, &structure(len));
            translates(&error, &expected);
        }
    }
}

#[test]
fn v6_to_v4_length_counts_four_bytes_and_the_smaller_header() {
    let (quoted4, quoted6) = sent(104);
    for (v6, v4) in [((1, 4), (3, 3)), ((1, 0), (3, 1)), ((3, 0), (11, 0)), ((3, 1), (11, 1))] {
        for len in [4, 20, 21, 400] {
            let error = v6_error(V6::back(), v6, &quoted6, 19, &structure(len));
            let expected = v4_error(V4::back().ttl(63), v4, &quoted4, 33, &structure(len));
            translates(&error, &expected);
        }
    }
}

#[test]
fn quotations_are_padded_to_128_bytes_and_to_the_unit() {
    // 28 bytes become 48, far below 128; a length below 128 is taken at its word before a sound structure.
    let (quoted4, quoted6) = received(0);
    let sound = [&[0x20, 0, 0, 0], bytes_of(36).as_slice()].concat();
    translates(
        &v4_error(V4::out(), (3, 3), &quoted4, 7, &sound),
        &v6_error(V6::out().hop_limit(63), (1, 4), &quoted6, 16, &sound),
    );
    // 126 bytes padded to 128 become 148, padded to 152.
    let (quoted4, quoted6) = received(98);
    translates(
        &v4_error(V4::out(), (3, 3), &quoted4, 32, &structure(20)),
        &v6_error(V6::out().hop_limit(63), (1, 4), &quoted6, 19, &structure(20)),
    );
    // 122 bytes padded to 128 become 108, padded to 128.
    let (quoted4, quoted6) = sent(74);
    translates(
        &v6_error(V6::back(), (1, 4), &quoted6, 16, &structure(20)),
        &v4_error(V4::back().ttl(63), (3, 3), &quoted4, 32, &structure(20)),
    );
    let (quoted4, quoted6) = sent(0);
    translates(
        &v6_error(V6::back(), (1, 4), &quoted6, 6, &sound),
        &v4_error(V4::back().ttl(63), (3, 3), &quoted4, 32, &sound),
    );
}

#[test]
fn v6_to_v4_the_quotation_gives_way_first_then_the_extension() {
    // 28 bytes of headers, 40 of extension: 508 = 127 x 4 are left for the quotation.
    for payload in [480, 488, 1144] {
        let (quoted4, quoted6) = sent(payload);
        let units = u8::try_from(quoted6.len() / 8).unwrap();
        let error = v6_error(V6::back(), (1, 4), &quoted6, units, &structure(40));
        let expected = v4_error(V4::back().ttl(63), (3, 3), &quoted4[..508], 127, &structure(40));
        assert_eq!(expected.len(), 576);
        translates(&error, &expected);
    }
    // 420 bytes of extension leave 128, 421 leave less.
    let (quoted4, quoted6) = sent(80);
    let kept = v4_error(V4::back().ttl(63), (3, 3), &quoted4, 32, &structure(420));
    assert_eq!(kept.len(), 576);
    translates(&v6_error(V6::back(), (1, 4), &quoted6, 16, &structure(420)), &kept);
    let removed = V4::back().ttl(63).icmp(3, 3, [0; 4], &quoted4);
    translates(&v6_error(V6::back(), (1, 4), &quoted6, 16, &structure(421)), &removed);
    // Both too large: the quotation cut to what fits, the extension gone.
    let (quoted4, quoted6) = sent(528);
    let removed = V4::back().ttl(63).icmp(3, 3, [0; 4], &quoted4[..548]);
    translates(&v6_error(V6::back(), (1, 4), &quoted6, 72, &structure(521)), &removed);
}

#[test]
fn v4_to_v6_the_quotation_gives_way_first_then_the_extension() {
    // 48 bytes of headers, 640 of extension: 592 = 74 x 8 are left for the quotation.
    for (payload, units4) in [(544, 143), (548, 144), (552, 145), (992, 255)] {
        let (quoted4, quoted6) = received(payload);
        let error = v4_error(V4::out().df(false), (3, 3), &quoted4, units4, &structure(640));
        let expected = v6_error(V6::out().hop_limit(63), (1, 4), &quoted6[..592], 74, &structure(640));
        assert_eq!(expected.len(), 1280);
        translates(&error, &expected);
    }
    // 1104 bytes of extension leave 128, 1105 leave less.
    let (quoted4, quoted6) = received(992);
    let error = v4_error(V4::out().df(false), (3, 3), &quoted4, 255, &structure(1104));
    translates(&error, &v6_error(V6::out().hop_limit(63), (1, 4), &quoted6[..128], 16, &structure(1104)));
    let error = v4_error(V4::out().df(false), (3, 3), &quoted4, 255, &structure(1105));
    translates(&error, &V6::out().hop_limit(63).icmp(1, 4, [0; 4], &quoted6));
}

#[test]
fn messages_that_cannot_carry_an_extension_lose_it() {
    let (quoted4, quoted6) = received(104);
    for (v4, (kind, code, word)) in
        [((3, 2), (4, 1, [0, 0, 0, 6])), ((3, 4), (2, 0, [0, 0, 5, 0])), ((12, 0), (4, 0, [0; 4]))]
    {
        let error = v4_error(V4::out(), v4, &quoted4, 33, &structure(20));
        translates(&error, &V6::out().hop_limit(63).icmp(kind, code, word, &quoted6));
    }
}

#[test]
fn octets_that_are_no_length_in_icmpv6_stay_out() {
    // Packet Too Big and Parameter Problem have no length: MTU and pointer take all four octets.
    let (quoted4, quoted6) = sent(104);
    let error = V6::back().icmp(2, 0, 0x1000_0578u32.to_be_bytes(), &quoted6);
    translates(&error, &V4::back().ttl(63).icmp(3, 4, [0, 0, 0x05, 0xc8], &quoted4));
}

#[test]
fn lengths_that_lie_are_no_lengths() {
    let (quoted4, quoted6) = received(104);
    for units in [33, 34, 100, 255] {
        let error = V4::out().icmp(3, 3, [0, units, 0, 0], &quoted4);
        translates(&error, &V6::out().hop_limit(63).icmp(1, 4, [0; 4], &quoted6));
    }
    let (quoted4, quoted6) = sent(104);
    for units in [19, 20, 100, 255] {
        let error = V6::back().icmp(1, 4, [units, 0, 0, 0], &quoted6);
        translates(&error, &V4::back().ttl(63).icmp(3, 3, [0; 4], &quoted4));
    }
    // So is a length of less than 128 bytes in front of no extension structure.
    for units in [1, 4, 15] {
        let error = V6::back().icmp(1, 4, [units, 0, 0, 0], &quoted6);
        translates(&error, &V4::back().ttl(63).icmp(3, 3, [0; 4], &quoted4));
    }
}
