//! The network as a picture, and what went through it in figures.

use super::V6_LINKS;
use crate::explain::Paint;
use clat_sim::network::{CLIENT_V4, CLIENT_V6, NAT64_V6, PUBLIC_V4, ROUTER_V4, ROUTERS_V6, SERVER_V4};
use clat_sim::{Counters, Node, Path, Seen};
use std::fmt::Write;

/// The network, for one look.
pub(super) fn network(paint: Paint) -> String {
    let title =
        paint.bold("An IPv4-only program, an IPv4-only server, and an IPv6-only network between them");
    let [first, second] = ROUTERS_V6;
    format!(
        "{title}

   your machine                    IPv6-only network                  the IPv4 internet
  +-----------------------+                                       +----------------------+
  | program  --->  CLAT ==|==== router ==== router ==== NAT64 ----|-- router ---> server |
  +-----------------------+                                       +----------------------+
     IPv4 ----     |  IPv6 ====                            |
                   |                                       |
           IPv4 becomes IPv6                       IPv6 becomes IPv4

   program   {CLIENT_V4}, knows nothing of IPv6
   CLAT      {CLIENT_V6}, this project: RFC 7915 on your machine
   routers   {first}, {second}
   NAT64     {NAT64_V6}, of the network: 64:ff9b::/96 leads to it; outside you are {PUBLIC_V4}
   router    {ROUTER_V4}
   server    {SERVER_V4}, knows nothing of IPv6
"
    )
}

/// What the translators counted, and whether the IPv6-only links stayed so.
pub(super) fn counters(path: &Path, seen: &[Seen], paint: Paint) -> String {
    let mut text = format!("\n{}\n\n", paint.bold("What went through"));
    for node in &path.nodes {
        match node {
            Node::Clat(clat) => text += &line("CLAT", clat.counters()),
            Node::Nat64(nat64) => text += &line("NAT64", nat64.node().counters()),
            Node::Router(_) => {}
        }
    }
    let v6_only: Vec<&Seen> = seen.iter().filter(|s| V6_LINKS.contains(&s.link)).collect();
    let strays = v6_only.iter().filter(|s| s.packet.first().is_none_or(|b| b >> 4 != 6)).count();
    let strays = if strays == 0 { "none".to_owned() } else { strays.to_string() };
    let _ = writeln!(text, "   the IPv6-only links carried {} packets, {strays} of them IPv4", v6_only.len());
    text
}

fn line(name: &str, counters: &Counters) -> String {
    let mut text = format!(
        "   {name:5}  IPv4 to IPv6: {} packets ({} of them cut smaller); IPv6 to IPv4: {}; ICMP errors made: {}\n",
        counters.v4_to_v6, counters.fragmented, counters.v6_to_v4, counters.replies
    );
    for (reason, count) in &counters.drops {
        let _ = writeln!(text, "          drop {reason}: {count} ({})", reason.section());
    }
    text
}
