//! RFC 7915 section 4.3: the packet quoted in an ICMPv4 error.

mod common;

use clat_model::build::{V4, V6, tcp, udp};
use common::{becomes, bytes_of, host, silent, translates};

fn error4(quoted: &[u8]) -> Vec<u8> {
    V4::out().icmp(11, 0, [0; 4], quoted)
}

fn error6(quoted: &[u8]) -> Vec<u8> {
    V6::out().hop_limit(63).icmp(3, 0, [0; 4], quoted)
}

#[test]
fn translated_like_any_packet_but_for_the_hop_limit() {
    for ttl in [0, 1, 2, 64, 255] {
        let quoted = V4::back().ttl(ttl).tos(0xb8).udp(53, 5000, b"answer");
        let expected = V6::back().hop_limit(ttl).traffic_class(0xb8).udp(53, 5000, b"answer");
        translates(&error4(&quoted), &error6(&expected));
    }
    let mut c = host();
    c.tos = Some(0);
    let quoted = V4::back().tos(0xb8).udp(53, 5000, b"answer");
    becomes(&c, &error4(&quoted), &[error6(&V6::back().udp(53, 5000, b"answer"))]);
}

/// RFC 792 quotes eight bytes, RFC 1812 as many as fit; all that lies between and below.
#[test]
fn quotations_of_every_length() {
    let (tcp4, tcp6) = (V4::back().tcp(80, 5000, &bytes_of(60)), V6::back().tcp(80, 5000, &bytes_of(60)));
    let (udp4, udp6) = (V4::back().udp(53, 5000, &bytes_of(60)), V6::back().udp(53, 5000, &bytes_of(60)));
    let echo4 = V4::back().icmp(8, 0, [0, 1, 0, 2], &bytes_of(60));
    let echo6 = V6::back().icmp(128, 0, [0, 1, 0, 2], &bytes_of(60));
    for (v4, v6, checksum_ends) in [(&tcp4, &tcp6, 18), (&udp4, &udp6, 8), (&echo4, &echo6, 8)] {
        for len in 0..v4.len() {
            let sent = error4(&v4[..len]);
            if len < 20 {
                silent(&host(), &sent, "quoted_malformed");
                continue;
            }
            let l4 = len - 20;
            if v4[9] == 1 && (1..8).contains(&l4) {
                silent(&host(), &sent, "quoted_malformed");
                continue;
            }
            let mut expected = v6[..len + 20].to_vec();
            if l4 < checksum_ends {
                // The checksum is not there, or not as a whole: what is there of it stays.
                expected[40..].copy_from_slice(&v4[20..len]);
            }
            translates(&sent, &error6(&expected));
        }
    }
}

#[test]
fn lengths_are_those_of_the_packet_that_was_sent() {
    let quoted = V4::back().claim(1500).raw(17, &udp(53, 5000, &[]));
    let did = common::translate(&host(), &error4(&quoted));
    assert_eq!(did.forwarded[0][52..54], 1480u16.to_be_bytes());
    let quoted = V4::back().claim(1500).fragment(0, true).raw(17, &udp(53, 5000, &[]));
    let did = common::translate(&host(), &error4(&quoted));
    assert_eq!(did.forwarded[0][52..54], 1488u16.to_be_bytes(), "the Fragment Header counts");
}

#[test]
fn quoted_options_are_left_out() {
    let quoted = V4::back().options(&[131, 7, 4, 1, 2, 3, 4, 0]).udp(53, 5000, b"answer");
    translates(&error4(&quoted), &error6(&V6::back().udp(53, 5000, b"answer")));
}

#[test]
fn quoted_fragments_get_a_fragment_header() {
    let first = V4::back().ident(7).fragment(0, true).summed(6, tcp(80, 5000, &bytes_of(44)), 16);
    let expected = V6::back().fragment(7, 0, true).summed(6, tcp(80, 5000, &bytes_of(44)), 16);
    translates(&error4(&first), &error6(&expected));
    for protocol in [1, 6, 17] {
        let later = V4::back().ident(7).fragment(1232, false).raw(protocol, &bytes_of(40));
        let next = if protocol == 1 { 58 } else { protocol };
        let expected = V6::back().fragment(7, 1232, false).raw(next, &bytes_of(40));
        translates(&error4(&later), &error6(&expected));
    }
}

#[test]
fn a_quoted_error_is_one_header_too_many() {
    for kind in [3, 4, 5, 11, 12] {
        let inner = V4::back().icmp(kind, 0, [0; 4], &V4::out().udp(5000, 53, b"question"));
        silent(&host(), &error4(&inner), "quoted_icmp_error");
        silent(&host(), &error4(&inner[..28]), "quoted_icmp_error");
    }
    for kind in [9, 10, 13, 14, 30, 200] {
        let inner = V4::back().icmp(kind, 0, [0; 4], b"information");
        silent(&host(), &error4(&inner), "quoted_untranslatable");
    }
}

#[test]
fn quoted_udp_without_checksum_stays_without() {
    let quoted = V4::back().raw(17, &udp(53, 5000, b"answer"));
    translates(&error4(&quoted), &error6(&V6::back().raw(17, &udp(53, 5000, b"answer"))));
}

#[test]
fn a_wrong_quoted_checksum_is_no_reason_to_drop() {
    let mut quoted = V4::back().udp(53, 5000, b"answer");
    quoted[10] ^= 0x55;
    translates(&error4(&quoted), &error6(&V6::back().udp(53, 5000, b"answer")));
    let (mut quoted, mut expected) =
        (V4::back().udp(53, 5000, b"answer"), V6::back().udp(53, 5000, b"answer"));
    let add = |packet: &mut [u8], at: usize| {
        let field = u32::from(u16::from_be_bytes([packet[at], packet[at + 1]])) + 1;
        packet[at..at + 2].copy_from_slice(&u16::try_from(field).unwrap().to_be_bytes());
    };
    add(&mut quoted, 26);
    add(&mut expected, 46);
    translates(&error4(&quoted), &error6(&expected));
}

#[test]
fn errors_are_cut_to_1280_bytes() {
    for (len, out) in [(400, 440), (1240, 1280), (1241, 1280), (1280, 1280), (1500, 1280)] {
        let payload = bytes_of(len - 56);
        let sent = error4(&V4::back().udp(53, 5000, &payload));
        assert_eq!(sent.len(), len);
        let expected = V6::back().udp(53, 5000, &payload);
        translates(&sent, &error6(&expected[..out - 48]));
    }
}

#[test]
fn quotations_that_contradict_themselves() {
    let quoted = V4::back().udp(53, 5000, b"answer");
    for (at, value) in [(0, 0x65), (0, 0x44), (0, 0x4f), (3, 19)] {
        let mut quoted = quoted.clone();
        quoted[at] = value;
        silent(&host(), &error4(&quoted), "quoted_malformed");
    }
}

#[test]
fn quotations_of_packets_to_somebody_else() {
    let quoted = V4::back().dst("192.0.2.9".parse().unwrap()).udp(53, 5000, b"answer");
    silent(&host(), &error4(&quoted), "quoted_not_ours");
}

#[test]
fn quoted_protocols_without_counterpart() {
    for protocol in [0, 2, 43, 44, 58, 60] {
        silent(&host(), &error4(&V4::back().raw(protocol, &bytes_of(16))), "quoted_untranslatable");
    }
    for protocol in [41, 47, 50, 132] {
        let expected = error6(&V6::back().raw(protocol, &bytes_of(16)));
        translates(&error4(&V4::back().raw(protocol, &bytes_of(16))), &expected);
    }
}
