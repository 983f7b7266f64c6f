//! Writes the first corpora: real packets (clat-core/tests/data/packets.txt), each in the form of each target.
//!
//! `cargo run --example seed` in `fuzz/`.

use clat_core::{Pref64, RaPref64};
use clat_fuzz::CONTROL;
use std::path::Path;
use std::{fs, io};

/// Nothing is mended: a real packet is plausible.
const AS_IS: [u8; CONTROL] = [0, 0, 0x7f];

fn packets() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let text = include_str!("../../clat-core/tests/data/packets.txt");
    text.lines().filter(|l| !l.starts_with('#')).filter_map(|line| {
        let (name, hex) = line.split_once(' ')?;
        let octet = |i| u8::from_str_radix(&hex[i..i + 2], 16).ok();
        Some((name, (0..hex.len()).step_by(2).map_while(octet).collect()))
    })
}

fn write(target: &str, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), parts.concat())
}

/// The packet quoted in an ICMP error, and the error's type as the target counts it.
fn quoted(packet: &[u8]) -> Option<(u8, [u8; 4], &[u8])> {
    let v6 = packet[0] >> 4 == 6;
    let (protocol, header) = if v6 { (packet[6], 40) } else { (packet[9], usize::from(packet[0] & 15) * 4) };
    let message = packet.get(header..).filter(|_| matches!(protocol, 1 | 58))?;
    let [kind, _, _, _, word @ ..] = *message.first_chunk::<8>()?;
    let is_error = if v6 { kind < 128 } else { matches!(kind, 3 | 11 | 12) };
    is_error.then(|| (if v6 { 8 + kind.min(7) } else { kind & 7 }, word, &message[8..]))
}

fn main() -> io::Result<()> {
    for (name, packet) in packets() {
        let family = if packet[0] >> 4 == 6 { "v6_to_v4" } else { "v4_to_v6" };
        for target in [family, "differential", "round_trip"] {
            write(target, name, &[&AS_IS, &packet])?;
        }
        write("in_place", name, &[&[60, 10], &AS_IS, &packet])?;
        if let Some((kind, word, quote)) = quoted(&packet) {
            write("quoted", name, &[&[kind], &word, &AS_IS, quote])?;
        }
    }
    for prefix in ["64:ff9b::/96", "2001:db8:122:344::/64", "2001:db8:122:300::/56", "2001:db8::/32"] {
        let prefix: Pref64 = prefix.parse().map_err(io::Error::other)?;
        let name = format!("pref64-{}", prefix.len());
        write("ra_pref64", &name, &[&RaPref64 { prefix, lifetime_s: 1800 }.emit()])?;
    }
    Ok(())
}
