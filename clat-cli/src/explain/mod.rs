//! `explain`: one packet before and after, field by field, with the rule behind each change.
//!
//! # Layout
//!
//! - [`input`]: the packet, from hex digits or a capture.
//! - [`table`]: two packets side by side.
//! - [`rules`]: which section of which RFC changes a field.

mod input;
mod rules;
mod table;

use crate::cli::ExplainArgs;
use crate::dissect::{dissect, family};
use crate::exit::Exit;
use crate::setup::{self, OfflineTranslator};
use clat_core::{ClatMap, DropReason, Translator, Verdict};
use rules::Rules;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

pub(crate) use table::Paint;

/// Explains one packet on standard output.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let translator = setup::translator(args.pref64, args.clat_v4, args.clat_v6, &args.policy)?;
    let found = input::packet(args)?;
    let paint = Paint::new(io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let mut text = found.note.map(|note| format!("{note}\n\n")).unwrap_or_default();
    text += &explain(&translator, &found.packet, paint);
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Success)
}

/// What becomes of a packet, told field by field.
pub(crate) fn explain(translator: &OfflineTranslator, packet: &[u8], paint: Paint) -> String {
    let mut queue = setup::queue();
    match translator.translate(packet, &mut queue) {
        Verdict::Forward(parts) => compare(translator, packet, &parts.slices().concat(), paint),
        Verdict::Fragment(pieces) => {
            let pieces: Vec<Vec<u8>> = pieces.map(|piece| piece.slices().concat()).collect();
            fragments(translator, packet, &pieces, paint)
        }
        Verdict::Reply(parts, reason) => {
            let reply = parts.slices().concat();
            let heading = format!("The sender gets this {} error, {} bytes:", family(&reply), reply.len());
            format!("{}\n{}\n{}", dropped(packet, reason, paint), paint.bold(&heading), single(&reply, paint))
        }
        Verdict::Drop(reason) => {
            format!("{}\nNobody is told.\n", dropped(packet, reason, paint))
        }
        // Only super-packets of a device come back so.
        Verdict::Segment => single(packet, paint),
    }
}

/// Two packets side by side.
pub(crate) fn compare<const N: usize>(
    translator: &Translator<ClatMap<N>>,
    before: &[u8],
    after: &[u8],
    paint: Paint,
) -> String {
    let rules = Rules::new(translator.map(), before.first().is_some_and(|b| b >> 4 == 4));
    let (from, to) = (family(before), family(after));
    let heading = format!("{from} to {to}: {} bytes become {}", before.len(), after.len());
    let rows = table::align(&dissect(before), &dissect(after), &rules);
    format!("{}\n\n{}", paint.bold(&heading), table::render(&rows, [from, to], paint))
}

fn fragments(translator: &OfflineTranslator, packet: &[u8], pieces: &[Vec<u8>], paint: Paint) -> String {
    let sizes: Vec<String> = pieces.iter().map(|piece| piece.len().to_string()).collect();
    let mut text = format!(
        "It leaves in {} fragments of {} bytes (RFC 7915 sections 4 and 4.1).\n",
        pieces.len(),
        sizes.join(", ")
    );
    for (i, piece) in pieces.iter().enumerate() {
        let heading = format!("\nFragment {} of {}. ", i + 1, pieces.len());
        text += &heading;
        text += &compare(translator, packet, piece, paint);
    }
    text
}

fn dropped(packet: &[u8], reason: DropReason, paint: Paint) -> String {
    let heading = format!("{} packet of {} bytes, not translated", family(packet), packet.len());
    let mut text = format!("{}\n\n{}\n", paint.bold(&heading), single(packet, paint));
    let line = format!("drop {} ({})", reason.as_str(), reason.section());
    let _ = write!(text, "{}\n{}\n", paint.changed(&line), reason.describe().trim());
    text
}

fn single(packet: &[u8], paint: Paint) -> String {
    table::render_single(&dissect(packet), paint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clat_core::{EamRow, EamTable, Policy, Pref64};
    use etherparse::PacketBuilder;

    fn translator() -> OfflineTranslator {
        let mut rows = EamTable::new();
        let v6 = "2001:db8::464".parse().unwrap();
        rows.insert(EamRow::host([192, 0, 0, 1].into(), v6)).unwrap();
        Translator::new(ClatMap::from_parts(Pref64::WELL_KNOWN, rows), Policy::new())
    }

    fn told(packet: &[u8]) -> String {
        explain(&translator(), packet, Paint::new(false))
    }

    fn udp(src: [u8; 4], ttl: u8, len: usize) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv4(src, [198, 51, 100, 10], ttl).udp(40_000, 53);
        builder.write(&mut packet, &vec![7; len]).unwrap();
        packet
    }

    /// The row of a field, its runs of spaces made one.
    fn row(text: &str, label: &str) -> String {
        let line = text.lines().find(|l| l.trim_start_matches(['*', ' ']).starts_with(label));
        line.unwrap_or_else(|| panic!("{label} in\n{text}")).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_translation_names_a_rule_beside_each_change() {
        let text = told(&udp([192, 0, 0, 1], 64, 5));
        assert!(text.starts_with("IPv4 to IPv6: 33 bytes become 53\n"), "{text}");
        assert!(row(&text, "TTL").starts_with("* TTL / hop limit 64 63 RFC 7915 section 4.1"), "{text}");
        let source = row(&text, "source ");
        assert!(source.starts_with("* source 192.0.0.1 2001:db8::464 RFC 7757 section 3.3.1"), "{source}");
        let destination = row(&text, "destination ");
        assert!(destination.contains("64:ff9b::c633:640a RFC 6052 section 2.3"), "{destination}");
        assert_eq!(row(&text, "source port"), "source port 40000 40000");
        for line in text.lines().filter(|l| l.starts_with('*')) {
            assert!(line.contains("RFC "), "no rule in: {line}");
        }
        assert!(!text.contains('\x1b') && !text.contains("WRONG"), "{text}");
    }

    #[test]
    fn fragments_and_icmp_name_their_own_sections() {
        use clat_model::build::{ROUTER_V6, V4, V6};
        let text = told(&V6::back().fragment(0xaaaa_bbbb, 1480, false).raw(17, &[7; 40]));
        for label in ["length", "identification", "don't fragment", "options"] {
            assert!(row(&text, label).contains("RFC 7915 section 5.1.1"), "{text}");
        }
        let text = told(&V4::out().fragment(1480, true).raw(17, &[7; 40]));
        assert!(
            row(&text, "options").contains("RFC 7915 section 4.1: fragments get a Fragment Header"),
            "{text}"
        );
        let text = told(&V4::out().icmp(3, 2, [0; 4], &V4::back().udp(53, 5000, b"data")));
        assert!(row(&text, "transport checksum").contains("RFC 7915 section 4.2"), "{text}");
        assert!(row(&text, "pointer").ends_with("6 RFC 7915 section 4.2: at the Next Header"), "{text}");
        let quoted = V6::out().tcp(5000, 80, b"what you sent");
        let text = told(&V6::back().src(ROUTER_V6).icmp(3, 0, [0; 4], &quoted));
        assert!(row(&text, "source ").contains("draft-ietf-v6ops-icmpext-xlat-v6only-source"), "{text}");
        assert!(row(&text, "transport checksum").contains("RFC 7915 section 5.2"), "{text}");
    }

    #[test]
    fn a_drop_names_reason_section_and_meaning() {
        let text = told(&udp([10, 1, 1, 1], 64, 5));
        assert!(text.contains("drop source_not_local (RFC 6877 section 6.3)"), "{text}");
        assert!(text.contains("not an address of this host"), "{text}");
    }

    #[test]
    fn a_reply_is_shown_with_the_packet_it_quotes() {
        let text = told(&udp([192, 0, 0, 1], 1, 5));
        assert!(text.contains("drop hop_limit"), "{text}");
        assert!(text.contains("The sender gets this IPv4 error"), "{text}");
        assert!(row(&text, "ICMP type").ends_with("11 (time exceeded)"), "{text}");
        assert!(row(&text, "> source port").ends_with("40000"), "{text}");
    }

    #[test]
    fn every_fragment_is_shown() {
        let mut packet = udp([192, 0, 0, 1], 64, 3000);
        // Clear DF, and take it out of the checksum.
        packet[6] = 0;
        packet[10..12].copy_from_slice(&0x84da_u16.to_be_bytes());
        let text = told(&packet);
        assert!(text.contains("fragments of 1280, 1280, "), "{text}");
        assert!(text.contains("Fragment 3 of 3"), "{text}");
    }

    #[test]
    fn a_quoted_packet_is_laid_side_by_side_too() {
        let quoted = udp([203, 0, 113, 1], 64, 5);
        let mut quoted = [&quoted[..12], &[198, 51, 100, 10, 192, 0, 0, 1], &quoted[20..]].concat();
        let mut packet = Vec::new();
        // The host answers a datagram of 198.51.100.10 with port unreachable.
        quoted[10..12].fill(0);
        let builder = PacketBuilder::ipv4([192, 0, 0, 1], [198, 51, 100, 10], 64).icmpv4_raw(3, 3, [0; 4]);
        builder.write(&mut packet, &quoted).unwrap();
        let text = told(&packet);
        assert!(row(&text, "> source ").contains("198.51.100.10 64:ff9b::c633:640a"), "{text}");
        assert!(row(&text, "> destination ").contains("192.0.0.1 2001:db8::464"), "{text}");
        assert!(row(&text, "ICMP code").contains("3 4 RFC 7915 section 4.2"), "{text}");
        for line in text.lines().filter(|l| l.starts_with('*')) {
            assert!(line.contains("RFC "), "no rule in: {line}");
        }
    }

    #[test]
    fn every_packet_has_an_explanation_and_every_change_a_rule() {
        use clat_model::build::{ROUTER_V6, V4, V6};
        let quoted = V6::out().hop_limit(60).tcp(5000, 80, b"what you sent");
        let packets = [
            V4::out().options(&[7, 7, 4, 0, 0, 0, 0, 0]).tcp(5000, 80, b"data"),
            V4::out().fragment(1480, true).raw(17, &[7; 40]),
            V4::out().icmp(3, 4, [0, 0, 5, 0], &V4::back().udp(53, 5000, b"data")),
            V6::back().extension(0, 1).fragment(1, 0, true).raw(17, &[7; 40]),
            V6::back().src(ROUTER_V6).icmp(3, 0, [0; 4], &quoted),
            V6::back().icmp(4, 0, [0, 0, 0, 7], &quoted),
            V6::back().routing(1).udp(53, 5000, b"data"),
        ];
        for packet in packets {
            for at in 0..packet.len() {
                for value in [packet[at], 0, 0x80, 0xff] {
                    let mut packet = packet.clone();
                    packet[at] = value;
                    let text = told(&packet);
                    assert!(text.contains(" to IPv") || text.contains("\ndrop "), "{text}");
                    for line in text.lines().filter(|l| l.starts_with('*')) {
                        assert!(line.contains("RFC "), "no rule in: {line}");
                    }
                }
            }
        }
    }
}
