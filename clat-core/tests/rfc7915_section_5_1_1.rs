//! RFC 7915 section 5.1.1: IPv6 Fragment Headers.

mod common;

use clat_model::build::{V4, V6, icmp, tcp};
use common::{answered, becomes, bytes_of, host, silent, translates};

#[test]
fn identification_offset_and_flags() {
    for (offset, more) in [(0, true), (8, true), (1232, false), (65_400, false)] {
        for ident in [0, 0x1234, 0xabcd_1234, 0xffff_ffff] {
            let payload = bytes_of(80);
            let sent = V6::back().fragment(ident, offset, more).raw(50, &payload);
            let got = common::translate(&host(), &sent).forwarded;
            let low = u16::try_from(ident & 0xffff).unwrap();
            let expected = V4::back().ident(low).fragment(offset, more).ttl(63).raw(50, &payload);
            assert_eq!(got, [expected], "exact, Identification included; DF is clear");
        }
    }
}

#[test]
fn large_fragments_have_no_df_either() {
    let payload = bytes_of(1448);
    let sent = V6::back().fragment(0x1_0007, 0, true).raw(50, &payload);
    translates(&sent, &V4::back().ident(7).fragment(0, true).ttl(63).raw(50, &payload));
}

/// Whether it can be reassembled is not ours to decide.
#[test]
fn fragments_of_an_uneven_size_pass() {
    for (len, more) in [(1239, true), (1239, false), (1240, true), (1240, false), (1, true)] {
        let sent = V6::back().fragment(0x0102_0408, 80, more).raw(6, &bytes_of(len));
        translates(&sent, &V4::back().ident(0x0408).fragment(80, more).ttl(63).raw(6, &bytes_of(len)));
    }
}

#[test]
fn total_length_leaves_out_all_extension_headers() {
    let payload = bytes_of(80);
    let sent = V6::back().extension(0, 0).extension(60, 1).routing(0).fragment(7, 80, true).raw(50, &payload);
    translates(&sent, &V4::back().ident(7).fragment(80, true).ttl(63).raw(50, &payload));
}

#[test]
fn atomic_fragments_are_whole_packets() {
    let sent = V6::back().fragment(0xabcd_0007, 0, false).udp(1, 2, b"data");
    translates(&sent, &V4::back().ident(7).ttl(63).udp(1, 2, b"data"));
    let sent = V6::back().fragment(0xabcd_0007, 0, false).icmp(129, 0, [0, 1, 0, 2], b"pong");
    translates(&sent, &V4::back().ident(7).ttl(63).icmp(0, 0, [0, 1, 0, 2], b"pong"));
    // DF stays clear, however large.
    let sent = V6::back().fragment(7, 0, false).raw(50, &bytes_of(1400));
    translates(&sent, &V4::back().ident(7).ttl(63).raw(50, &bytes_of(1400)));
    let sent = V6::back().fragment(7, 0, false).raw(50, &[]);
    translates(&sent, &V4::back().ident(7).ttl(63).raw(50, &[]));
}

/// "If the Next Header field of the Fragment Header is an extension header (except ESP, but including
/// the Authentication Header), then the packet SHOULD be dropped and logged."
#[test]
fn extension_headers_behind_the_fragment_header() {
    for kind in [0, 43, 44, 51, 60, 135, 139, 140] {
        let first = V6::back().fragment(7, 0, true).raw(kind, &bytes_of(80));
        answered(&host(), &first, "extension_after_fragment", (1, 1, 0));
        let atomic = V6::back().fragment(7, 0, false).raw(kind, &bytes_of(80));
        answered(&host(), &atomic, "extension_after_fragment", (1, 1, 0));
        let later = V6::back().fragment(7, 80, false).raw(kind, &bytes_of(80));
        silent(&host(), &later, "extension_after_fragment");
    }
    let esp = V6::back().fragment(7, 0, true).raw(50, &bytes_of(80));
    translates(&esp, &V4::back().ident(7).fragment(0, true).ttl(63).raw(50, &bytes_of(80)));
}

#[test]
fn fragments_of_icmpv6_messages_are_not_translated() {
    let echo = icmp(129, 0, [0, 1, 0, 2], &bytes_of(72));
    answered(&host(), &V6::back().fragment(7, 0, true).raw(58, &echo), "fragmented_icmp", (1, 1, 0));
    silent(&host(), &V6::back().fragment(7, 80, false).raw(58, &bytes_of(20)), "fragmented_icmp");
}

#[test]
fn first_fragments_have_their_checksum_adjusted() {
    let (whole6, whole4) = (V6::back().tcp(1, 2, &bytes_of(1000)), V4::back().tcp(1, 2, &bytes_of(1000)));
    let first = V6::back().fragment(7, 0, true).raw(6, &whole6[40..520]);
    translates(&first, &V4::back().ident(7).fragment(0, true).ttl(63).raw(6, &whole4[20..500]));
    let last = V6::back().fragment(7, 480, false).raw(6, &whole6[520..]);
    translates(&last, &V4::back().ident(7).fragment(480, false).ttl(63).raw(6, &whole4[500..]));
}

#[test]
fn fragments_are_fragmented_again_for_a_smaller_next_hop() {
    let mut c = host();
    c.v4_mtu = 600;
    let payload = bytes_of(1232);
    for more in [false, true] {
        let piece = |at: usize, end: usize, more| {
            V4::back().ident(7).fragment(2464 + at, more).ttl(63).raw(50, &payload[at..end])
        };
        let expected = [piece(0, 576, true), piece(576, 1152, true), piece(1152, 1232, more)];
        becomes(&c, &V6::back().fragment(7, 2464, more).raw(50, &payload), &expected);
    }
}

#[test]
fn fragments_that_cannot_be() {
    silent(&host(), &V6::back().fragment(7, 65_528, false).raw(50, &bytes_of(16)), "bad_fragment");
    silent(&host(), &V6::back().fragment(7, 800, false).raw(50, &[]), "bad_fragment");
    silent(&host(), &V6::back().fragment(7, 8, false).raw(6, &tcp(1, 2, &[])), "tiny_fragment");
    silent(&host(), &V6::back().fragment(7, 0, true).raw(6, &bytes_of(16)), "tiny_fragment");
}
