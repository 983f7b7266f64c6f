//! From arguments to a translator, the same for every offline command.

use crate::cli::{PolicyArgs, PrivateIpv4, UdpZeroChecksum};
use crate::exit::usage;
use clat_core::{ClatMap, EamRow, EamTable, Policy, Pref64, PrivateV4, QueueState, Translator, UdpZero};
use clat_engine::is_plausible;
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
    check_addresses(Some(pref64), Some(clat_v4), Some(clat_v6))?;
    let mut rows = EamTable::new();
    for row in [EamRow::host(clat_v4, clat_v6)].iter().chain(&args.eam) {
        rows.insert(*row).map_err(|e| usage(format!("--eam {row:?}: {e}")))?;
    }
    Ok(Translator::new(ClatMap::from_parts(pref64, rows), policy(args)))
}

/// Refuses what no host and no NAT64 can have.
///
/// # Errors
/// As the user is told.
pub(crate) fn check_addresses(
    pref64: Option<Pref64>,
    clat_v4: Option<Ipv4Addr>,
    clat_v6: Option<Ipv6Addr>,
) -> anyhow::Result<()> {
    if let Some(pref64) = pref64.filter(|prefix| !is_plausible(*prefix)) {
        return Err(usage(format!("--pref64 {pref64}: no prefix that a NAT64 can have")));
    }
    if let Some(v4) = clat_v4.filter(|v4| !usable_v4(*v4)) {
        return Err(usage(format!("--clat-v4 {v4}: no address that a host can have")));
    }
    if let Some(v6) = clat_v6.filter(|v6| !usable_v6(*v6)) {
        return Err(usage(format!("--clat-v6 {v6}: no global unicast address")));
    }
    Ok(())
}

fn usable_v4(v4: Ipv4Addr) -> bool {
    !(v4.is_loopback() || v4.is_multicast() || v4.is_broadcast() || v4.octets()[0] == 0)
}

const fn usable_v6(v6: Ipv6Addr) -> bool {
    !(v6.is_unspecified() || v6.is_loopback() || v6.is_multicast() || v6.is_unicast_link_local())
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
    fn what_no_host_and_no_nat64_can_have_is_refused_with_its_name() {
        let check = |pref64: &str, v4: &str, v6: &str| {
            let parsed = (pref64.parse().ok(), v4.parse().ok(), v6.parse().ok());
            check_addresses(parsed.0, parsed.1, parsed.2).map_err(|e| e.to_string())
        };
        assert_eq!(check("fd00:64::/96", "192.168.1.1", "fd00::1"), Ok(()));
        for pref64 in ["ff00::/96", "fe80::/96", "::/96"] {
            assert!(check(pref64, "", "").unwrap_err().starts_with(&format!("--pref64 {pref64}: ")));
        }
        for v4 in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
            assert!(check("", v4, "").unwrap_err().starts_with(&format!("--clat-v4 {v4}: ")));
        }
        for v6 in ["::", "::1", "ff02::1", "fe80::1"] {
            assert!(check("", "", v6).unwrap_err().starts_with(&format!("--clat-v6 {v6}: ")));
        }
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
