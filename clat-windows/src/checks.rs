//! What to look at on a machine: the list behind `doctor`'s Windows part and the page "First run on real Windows".

/// One thing to look at.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Its name in `doctor`, or what to do where a program cannot tell.
    pub name: &'static str,
    /// Whether `clat-cli doctor` looks at it.
    pub by_doctor: bool,
    /// What is to be seen.
    pub expected: &'static str,
    /// What it means when something else is seen, and what helps us to know.
    pub otherwise: &'static str,
}

const fn by_doctor(name: &'static str, expected: &'static str, otherwise: &'static str) -> Item {
    Item { name, by_doctor: true, expected, otherwise }
}

const fn by_hand(name: &'static str, expected: &'static str, otherwise: &'static str) -> Item {
    Item { name, by_doctor: false, expected, otherwise }
}

/// In the order in which they depend on each other.
pub const ITEMS: &[Item] = &[
    by_doctor(
        "wintun",
        "`wintun.dll is the signed release`, and with a running instance `driver 0.14`",
        "The driver was not loaded: Event Viewer, System, source Wintun; a policy on drivers may forbid it.",
    ),
    by_doctor(
        "program",
        "the program is safe from users",
        "The access list of a file or folder lets somebody replace the service's program: the line says whose.",
    ),
    by_doctor(
        "ip-helper",
        "addresses, routes and forwarding can be set",
        "Functions of IP Helper are missing: this is Wine, or a Windows that we do not know.",
    ),
    by_doctor(
        "journal",
        "nothing was left by a crash",
        "`clat-cli stop --recover` puts it back; the file says what it was.",
    ),
    by_doctor(
        "service",
        "`running` after the installer",
        "Event Viewer, Application, source CLAT has the reason.",
    ),
    by_doctor(
        "forwarding",
        "the uplink forwards IPv6 and heeds Router Advertisements",
        "Another program switched one of them; without the second the IPv6 default route runs out after some minutes.",
    ),
    by_doctor(
        "native-clat",
        "Windows itself does not translate",
        "Mobile broadband, or Windows 11 from 25H2 on, has its own CLAT on: ours stands aside. Where it says `permitted` \
         and `netsh interface clat show global` does not, or the other way round, its registry value is another.",
    ),
    by_hand(
        "`clat-cli status`, self-test",
        "`the whole path works`",
        "`no-nd-answer`: routers do not find the CLAT address. A capture of ICMPv6 on the uplink \
         (`pktmon start -c --pkt-size 0`) shows whether our advertisements leave.",
    ),
    by_hand(
        "`clat-cli status`, warnings",
        "no line about a raw ICMPv6 socket",
        "Prefixes are learnt from DNS only; a security product may forbid `SIO_RCVALL`.",
    ),
    by_hand(
        "`clat-cli status`, DHCPv4, where the network offers option 108",
        "`the network prefers IPv6 only` with the seconds that the server gave",
        "Windows' DHCP client does not keep an option it did not ask for, or keeps it elsewhere: send the value \
         `DhcpInterfaceOptions` of the interface (`reg query` below `Tcpip\\Parameters\\Interfaces`).",
    ),
    by_hand(
        "`ping 192.0.2.1 -n 1` towards a host that answers, `curl http://` an IPv4 literal",
        "an answer",
        "`status` counts packets out but none in: return path. None out: IPv4 route; `route print -4`.",
    ),
    by_hand(
        "`netsh interface ipv6 show interface UPLINK`",
        "forwarding enabled, router discovery enabled, advertising disabled",
        "The step `set-forwarding` of the plan did something else than it should.",
    ),
    by_hand(
        "wait 30 minutes, then `clat-cli status` and `route print -6`",
        "still active, still a default route",
        "Router Advertisements are not heeded while forwarding: the riskiest assumption of the design.",
    ),
    by_hand(
        "sleep and wake up; change from Wi-Fi to cable and back",
        "active again within ten seconds, without a restart",
        "The transitions in `clat-cli status --json` show which fact came late.",
    ),
    by_hand(
        "end `clat-cli.exe` in the task manager",
        "the service is back within two seconds and `doctor` finds nothing left",
        "`sc qfailure clat` shows the recovery actions.",
    ),
    by_hand(
        "uninstall; `route print`, `ipconfig /all`, `sc query clat`",
        "no adapter CLAT, no address of 192.0.0.0/29, no service",
        "What is left is a bug: the journal in C:\\ProgramData\\CLAT has it.",
    ),
];

/// Shows all that a report needs, for PowerShell as an administrator; into a file as well.
pub const REPORT: &[&str] = &[
    "$v4 = '192.0.2.1'    # put an IPv4 address here that answers",
    "& {",
    "  [Environment]::OSVersion.VersionString",
    "  clat-cli --version",
    "  clat-cli doctor",
    "  clat-cli doctor --json",
    "  clat-cli status",
    "  clat-cli status --json",
    "  clat-cli discover",
    "  ping -n 2 $v4",
    "  tracert -d -h 4 -w 500 $v4",
    "  route print",
    "  netsh interface ipv6 show interface",
    "  netsh interface clat show global",
    "  sc.exe query clat; sc.exe qc clat; sc.exe qfailure clat; sc.exe qprivs clat",
    "  (Get-Process clat-cli).PrivateMemorySize64",
    "  Get-WinEvent -LogName Application -MaxEvents 500 | Where-Object ProviderName -eq CLAT | Format-List",
    "} *>&1 | Tee-Object clat-first-run.txt",
];

/// The page "First run on real Windows: what to check".
#[must_use]
pub fn page() -> String {
    let mut text = String::from(
        "# First run on real Windows: what to check\n\n\
         Made from the list in `clat-windows/src/checks.rs`, which `clat-cli doctor` follows too. Five minutes, as an \
         administrator, on an\nIPv6-only network with a NAT64.\n\n\
         ## To be sent with a report\n\n\
         Paste this into a PowerShell that runs as an administrator; it changes nothing, and writes what it shows to\n\
         `clat-first-run.txt`. Addresses of this machine are in it.\n\n```powershell\n",
    );
    for line in REPORT {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(
        "```\n\n\
         ## What to look at\n\n| look at | to be seen | otherwise |\n|---|---|---|\n",
    );
    for item in ITEMS {
        let name = if item.by_doctor { format!("`doctor`: {}", item.name) } else { item.name.to_owned() };
        text.push_str(&format!("| {name} | {} | {} |\n", item.expected, item.otherwise));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `CLAT_WRITE_DOCS=1` writes the page anew.
    #[test]
    fn the_page_is_that_of_the_list() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/WINDOWS-FIRST-RUN.md");
        if std::env::var_os("CLAT_WRITE_DOCS").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap().replace("\r\n", "\n"),
            page(),
            "CLAT_WRITE_DOCS=1 cargo test"
        );
    }

    #[test]
    fn no_item_is_listed_twice() {
        for (i, item) in ITEMS.iter().enumerate() {
            assert!(ITEMS[i + 1..].iter().all(|other| other.name != item.name), "{}", item.name);
        }
    }
}
