//! Builds the lab, prints its namespaces and keeps it until a line comes on standard input:
//! `cargo run -p clat-netlab --example lab -- [PREF64]`, then `ip netns exec netlab-PID-0-host sh`.

use anyhow::Result;
use clat_core::Pref64;
use clat_netlab::{Lab, need};

fn main() -> Result<()> {
    if !need::met("lab", &[]) {
        return Ok(());
    }
    let pref64: Pref64 = std::env::args().nth(1).map_or(Ok(Pref64::WELL_KNOWN), |p| p.parse())?;
    let lab = Lab::builder().nat64(&[pref64]).ra_pref64(pref64).two_uplinks().build()?;
    for ns in [&lab.host, &lab.edges[0].ns, &lab.core, &lab.plat, &lab.hop4, &lab.inet] {
        println!("{}", ns.name());
    }
    println!("files in {}; Enter ends it", lab.dir().display());
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
