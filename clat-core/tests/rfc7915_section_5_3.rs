//! RFC 7915 section 5.3: the packet quoted in an ICMPv6 error.

mod common;

use clat_model::build::{V4, V6, tcp, udp};
use common::{becomes, bytes_of, host, silent, translates};

fn error6(quoted: &[u8]) -> Vec<u8> {
    V6::back().icmp(3, 0, [0; 4], quoted)
}

fn error4(quoted: &[u8]) -> Vec<u8> {
    V4::back().ttl(63).icmp(11, 0, [0; 4], quoted)
}

/// The packet that the host sent, as the host sees it quoted.
fn sent() -> V4 {
    V4::out().df(false).ident(0)
}

#[test]
fn translated_like_any_packet_but_for_the_ttl() {
    for hops in [0, 1, 2, 64, 255] {
        let quoted = V6::out().hop_limit(hops).traffic_class(0xb8).flow(7).udp(5000, 53, b"question");
        let expected = sent().ttl(hops).tos(0xb8).udp(5000, 53, b"question");
        translates(&error6(&quoted), &error4(&expected));
    }
    let mut c = host();
    c.tos = Some(0);
    let quoted = V6::out().traffic_class(0xb8).udp(5000, 53, b"question");
    becomes(&c, &error6(&quoted), &[error4(&sent().udp(5000, 53, b"question"))]);
}

#[test]
fn quotations_of_every_length() {
    let (tcp6, tcp4) = (V6::out().tcp(5000, 80, &bytes_of(60)), sent().tcp(5000, 80, &bytes_of(60)));
    let (udp6, udp4) = (V6::out().udp(5000, 53, &bytes_of(60)), sent().udp(5000, 53, &bytes_of(60)));
    let echo6 = V6::out().icmp(128, 0, [0, 1, 0, 2], &bytes_of(60));
    let echo4 = sent().icmp(8, 0, [0, 1, 0, 2], &bytes_of(60));
    for (v6, v4, checksum_ends) in [(&tcp6, &tcp4, 18), (&udp6, &udp4, 8), (&echo6, &echo4, 8)] {
        for len in 0..v6.len() {
            let packet = error6(&v6[..len]);
            let l4 = len.saturating_sub(40);
            if len < 40 || (v6[6] == 58 && (1..8).contains(&l4)) {
                silent(&host(), &packet, "quoted_malformed");
                continue;
            }
            let mut expected = v4[..20 + l4].to_vec();
            if l4 < checksum_ends {
                expected[20..].copy_from_slice(&v6[40..len]);
            }
            translates(&packet, &error4(&expected));
        }
    }
}

#[test]
fn lengths_are_those_of_the_packet_that_was_sent() {
    let quoted = V6::out().claim(1460).raw(17, &udp(5000, 53, &[]));
    let got = common::translate(&host(), &error6(&quoted)).forwarded;
    assert_eq!(got[0][30..32], 1480u16.to_be_bytes());
    assert_eq!(got[0][34] & 0x40, 0x40, "DF: it was larger than 1260 bytes");
    let quoted = V6::out().extension(60, 1).fragment(7, 0, true).claim(1464).raw(17, &udp(5000, 53, &[]));
    let got = common::translate(&host(), &error6(&quoted)).forwarded;
    assert_eq!(got[0][30..32], 1460u16.to_be_bytes(), "extension headers and Fragment Header left out");
    assert_eq!(got[0][34] & 0x40, 0, "DF is clear with a Fragment Header");
    silent(&host(), &error6(&V6::out().extension(60, 1).claim(8).raw(17, &[0; 8])), "quoted_malformed");
    silent(&host(), &error6(&V6::out().claim(65_530).raw(17, &[0; 8])), "quoted_malformed");
}

#[test]
fn quoted_extension_headers_are_skipped() {
    let quoted = V6::out().extension(0, 0).extension(60, 2).routing(0).udp(5000, 53, b"question");
    translates(&error6(&quoted), &error4(&sent().udp(5000, 53, b"question")));
    for len in 40..72 {
        silent(&host(), &error6(&quoted[..len]), "quoted_malformed");
    }
}

#[test]
fn quoted_fragment_headers_become_fragment_fields() {
    let first = V6::out().fragment(0xabcd_0007, 0, true).summed(6, tcp(5000, 80, &bytes_of(44)), 16);
    let expected = sent().ident(7).fragment(0, true).summed(6, tcp(5000, 80, &bytes_of(44)), 16);
    translates(&error6(&first), &error4(&expected));
    for next in [6, 17, 58] {
        let later = V6::out().fragment(7, 1232, false).raw(next, &bytes_of(40));
        let protocol = if next == 58 { 1 } else { next };
        let expected = sent().ident(7).fragment(1232, false).raw(protocol, &bytes_of(40));
        translates(&error6(&later), &error4(&expected));
    }
    let behind = V6::out().fragment(7, 0, true).raw(60, &bytes_of(40));
    silent(&host(), &error6(&behind), "quoted_untranslatable");
}

#[test]
fn a_quoted_error_is_one_header_too_many() {
    for kind in [1, 2, 3, 4, 100, 127] {
        let inner = V6::out().icmp(kind, 0, [0; 4], &V6::back().udp(53, 5000, b"answer"));
        silent(&host(), &error6(&inner), "quoted_icmp_error");
        silent(&host(), &error6(&inner[..48]), "quoted_icmp_error");
    }
    for kind in [130, 133, 135, 136, 143, 200] {
        silent(&host(), &error6(&V6::out().icmp(kind, 0, [0; 4], b"nd")), "quoted_untranslatable");
    }
}

#[test]
fn quoted_udp_without_checksum_stays_without() {
    let quoted = V6::out().raw(17, &udp(5000, 53, b"question"));
    translates(&error6(&quoted), &error4(&sent().raw(17, &udp(5000, 53, b"question"))));
}

#[test]
fn errors_are_cut_to_576_bytes() {
    for (len, out) in [(400, 360), (616, 576), (617, 576), (700, 576), (1280, 576)] {
        let payload = bytes_of(len - 96);
        let packet = error6(&V6::out().udp(5000, 53, &payload));
        assert_eq!(packet.len(), len);
        translates(&packet, &error4(&sent().udp(5000, 53, &payload)[..out - 28]));
    }
}

#[test]
fn quotations_of_packets_from_somebody_else() {
    let quoted = V6::out().src("2001:db8::465".parse().unwrap()).udp(5000, 53, b"question");
    silent(&host(), &error6(&quoted), "quoted_not_ours");
    let mut version = V6::out().udp(5000, 53, b"question");
    version[0] = 0x45;
    silent(&host(), &error6(&version), "quoted_malformed");
    let native = V6::out().dst("2001:db8:9::1".parse().unwrap()).udp(5000, 53, b"question");
    silent(&host(), &error6(&native), "quoted_untranslatable");
}
