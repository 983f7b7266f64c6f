//! From arguments to a translator, the same for every offline command.

use crate::cli::{PolicyArgs, PrivateIpv4, UdpZeroChecksum};
use crate::exit::usage;
use clat_core::{ClatMap, EamRow, EamTable, Policy, Pref64, PrivateV4, QueueState, Translator, UdpZero};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Rows that `--eam` may give, and the one of the CLAT itself.
const MAX_ROWS: usize = 65;

/// The translator of the offline commands.
pub(crate) type OfflineTranslator = Translator<ClatMap<MAX_ROWS>>;

/// The translator that these arguments describe.
pub(crate) fn translator(
    pref64: Pref64,
    clat_v4: Ipv4Addr,
    clat_v6: Ipv6Addr,
    args: &PolicyArgs,
) -> anyhow::Result<OfflineTranslator> {
    let mut rows = EamTable::new();
    for row in [EamRow::host(clat_v4, clat_v6)].iter().chain(&args.eam) {
        rows.insert(*row).map_err(|e| usage(format!("--eam {row:?}: {e}")))?;
    }
    Ok(Translator::new(ClatMap::from_parts(pref64, rows), policy(args)))
}

/// A queue whose identifications are the same in every run, and that makes as many ICMP errors as
/// there are reasons for.
pub(crate) fn queue() -> QueueState {
    QueueState::with_limit(0x0464_7915_6877_6052, None)
}

fn policy(args: &PolicyArgs) -> Policy {
    let mut policy = Policy::new();
    policy.v4_mtu = args.mtu4;
    policy.v6_mtu = args.mtu6;
    policy.lowest_v6_mtu = args.min_ipv6_mtu;
    policy.udp_zero = match args.udp_zero_checksum {
        UdpZeroChecksum::Calc => UdpZero::Compute,
        UdpZeroChecksum::Drop => UdpZero::Drop,
    };
    policy.private_v4 = match args.private_ipv4 {
        PrivateIpv4::Translate => PrivateV4::Translate,
        PrivateIpv4::Drop => PrivateV4::Drop,
    };
    policy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn build(extra: &[&str]) -> anyhow::Result<OfflineTranslator> {
        let start = ["clat-cli", "translate", "--pref64", "64:ff9b::/96", "--clat-v4", "192.0.0.1"];
        let args = start.iter().chain(&["--clat-v6", "2001:db8::464"]).chain(extra).chain(&["in", "out"]);
        let Command::Translate(args) = Cli::try_parse_from(args)?.command else { panic!("translate") };
        translator(args.pref64, args.clat_v4, args.clat_v6, &args.policy)
    }

    #[test]
    fn rows_up_to_64_and_none_twice() {
        let rows: Vec<String> = (0..65).map(|i| format!("--eam=10.0.0.{i}=2001:db8:1::{i:x}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(build(&rows[..64]).unwrap().map().local().rows().len(), 65);
        assert!(build(&rows).unwrap_err().to_string().contains("the table is full"));
        let own = build(&["--eam=192.0.0.1=2001:db8::1"]).unwrap_err();
        assert!(own.to_string().contains("192.0.0.1/32=2001:db8::1/128"), "{own}");
    }

    #[test]
    fn every_flag_reaches_the_policy() {
        let flags = ["--mtu4=1400", "--mtu6=1480", "--udp-zero-checksum=drop", "--min-ipv6-mtu=1300"];
        let built = build(&[&flags[..], &["--private-ipv4=drop"]].concat()).unwrap();
        let mut expected = Policy::new();
        (expected.v4_mtu, expected.v6_mtu, expected.lowest_v6_mtu) = (1400, 1480, 1300);
        (expected.udp_zero, expected.private_v4) = (UdpZero::Drop, PrivateV4::Drop);
        assert_eq!(*built.policy(), expected);
    }
}
