//! `demo`: an IPv4-only client reaches an IPv4-only server over a simulated IPv6-only network. No
//! privileges and no network are needed; the translator is the one that `run` uses.
//!
//! # Layout
//!
//! - [`page`], [`ping`], [`traceroute`], [`datagram`]: what the client tries, one file each.
//! - [`picture`]: the network and the closing counters.

mod datagram;
mod page;
mod picture;
mod ping;
mod traceroute;

use crate::cli::DemoArgs;
use crate::exit::Exit;
use crate::explain::Paint;
use clat_core::Pref64;
use clat_sim::network::{FIRST_PUBLIC_LINK, FIRST_V6_LINK, network};
use clat_sim::smoltcp::time::Duration;
use clat_sim::{Link, Path, Seen};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;

/// The links on which there must not be any IPv4.
const V6_LINKS: Range<usize> = FIRST_V6_LINK..FIRST_PUBLIC_LINK;
const DELAY: Duration = Duration::from_millis(2);
/// Virtual time that a scene may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scene plays on the network and tells what happened; `Err` when it does not work.
type Scene = fn(&mut Stage) -> anyhow::Result<String>;

/// The network and everything that went over its links.
struct Stage {
    path: Path,
    seen: Vec<Seen>,
    paint: Paint,
}

impl Stage {
    /// Packets that went over a link since the scene began, in order.
    fn packets(&mut self, link: usize, to: clat_sim::Side) -> Vec<Vec<u8>> {
        self.seen.extend(self.path.take_seen());
        let on_link = self.seen.iter().filter(|s| s.link == link && s.to == to);
        on_link.map(|s| s.packet.clone()).collect()
    }
}

/// Plays all scenes, and fails when one of them does not work.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    let paint = Paint::new(io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let (text, failed) = play(args.seed, paint);
    io::stdout().write_all(text.as_bytes())?;
    Ok(if failed == 0 { Exit::Success } else { Exit::Failure })
}

/// What is told, and how many scenes failed.
fn play(seed: u64, paint: Paint) -> (String, usize) {
    let scenes: [(&str, Scene); 4] = [
        ("A page by TCP from http://198.51.100.10/", page::play),
        ("ping 198.51.100.10", ping::play),
        ("traceroute 198.51.100.10", traceroute::play),
        ("A UDP datagram of 4000 bytes, and its echo", datagram::play),
    ];
    let mut stage =
        Stage { path: network(Pref64::WELL_KNOWN, Link::perfect(DELAY), seed), seen: Vec::new(), paint };
    stage.path.record();
    let mut text = picture::network(paint);
    let mut failed = 0;
    let mut all = Vec::new();
    for (i, (title, scene)) in scenes.into_iter().enumerate() {
        let _ = write!(text, "\n{}\n\n", paint.bold(&format!("{}. {title}", i + 1)));
        match scene(&mut stage) {
            Ok(told) => text += &told,
            Err(error) => {
                failed += 1;
                let _ = writeln!(text, "   {}", paint.changed(&format!("FAILED: {error:#}")));
            }
        }
        let seen = stage.path.take_seen();
        all.append(&mut stage.seen);
        all.extend(seen);
    }
    text += &picture::counters(&stage.path, &all, paint);
    let stray =
        all.iter().filter(|s| V6_LINKS.contains(&s.link) && s.packet.first().is_none_or(|b| b >> 4 != 6));
    failed += stray.count().min(1);
    let end = match failed {
        0 => "All of it worked.",
        _ => "Not all of it worked: this build is broken.",
    };
    let _ = writeln!(text, "\n{}", paint.bold(end));
    (text, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_works_and_is_told() {
        let (text, failed) = play(464, Paint::new(false));
        assert_eq!(failed, 0, "{text}");
        for part in [
            "200 OK",
            "IPv4 to IPv6",
            "RFC 6052 section 2.3",
            "3 of 3 answered",
            "2001:db8:464::fe",
            "198.51.100.1 ",
            "198.51.100.10",
            "the same 4000 bytes",
            "none of them IPv4",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(!text.contains("FAILED") && !text.contains("WRONG"), "{text}");
        assert!(text.lines().all(|l| l.chars().count() <= 110), "{text}");
    }

    #[test]
    fn every_seed_works_and_the_same_seed_tells_the_same() {
        for seed in 0..20 {
            assert_eq!(play(seed, Paint::new(false)).1, 0, "seed {seed}");
        }
        assert_eq!(play(1, Paint::new(false)), play(1, Paint::new(false)));
    }
}
