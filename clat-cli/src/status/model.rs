//! What a running instance tells about itself: the document of `status --json`.
//!
//! The keys are a contract: new ones may come, none changes its meaning. Sizes are in bytes,
//! durations in seconds, points in time RFC 3339 in UTC, addresses in their usual text.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The reason of an instance that waits between two tries to begin: it knows nothing of the network.
pub(crate) const CANNOT_START: &str = "cannot-start";

/// One instance at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Version of the running program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// `idle`, `discovering`, `claiming`, `active` or `stale`.
    pub state: String,
    /// Why it is in this state, as a word.
    pub reason: String,
    /// The same as a sentence.
    pub reason_text: String,
    /// Whether the uplink has an IPv4 default route of its own.
    pub native_ipv4: bool,
    /// Whose CLAT translates on the uplink.
    pub other_clat: Option<String>,
    /// V6ONLY_WAIT in seconds, where DHCPv4 granted option 108 (RFC 8925) and the system tells.
    pub v6_only_wait_s: Option<u32>,
    /// The interface towards the NAT64.
    pub uplink: Option<Uplink>,
    /// The prefix in use.
    pub pref64: Option<Prefix>,
    /// The addresses in use.
    pub clat: Option<Clat>,
    /// The TUN or Wintun device.
    pub device: Option<Device>,
    /// Packets so far.
    pub counters: Counters,
    /// The last self-test.
    pub self_test: Option<SelfTest>,
    /// The packets dropped last, newest at the end.
    pub last_drops: Vec<Dropped>,
    /// The changes of state, newest at the end.
    pub transitions: Vec<Transition>,
    /// The changes to the host that are in force, in the order they were made.
    pub plan: Vec<String>,
    /// Every prefix known, the one in use included.
    pub prefixes: Vec<Prefix>,
    /// What is missing or unusual, and what it costs.
    pub warnings: Vec<String>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Uplink {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
}

/// A PREF64 and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prefix {
    /// Address and length.
    pub prefix: String,
    /// `manual`, `ra` or `dns`.
    pub source: String,
    /// The router that announced it, or the resolver that answered.
    pub router: Option<String>,
    /// Seconds until it ends; nothing when it does not.
    pub expires_in_s: Option<u64>,
    /// Seconds since it was last heard.
    pub age_s: Option<u64>,
    /// Whether translation goes by it.
    pub used: bool,
    /// Why it is used or not.
    pub why: String,
}

/// The addresses of the CLAT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Clat {
    /// The IPv6 address that the NAT64 sees.
    pub ipv6: String,
    /// The IPv4 address that programs use.
    pub ipv4: String,
    /// MTU of the IPv4 side.
    pub mtu: u32,
    /// MTU of the IPv6 side.
    pub ipv6_mtu: u32,
    /// The TCP MSS that the IPv4 default route advertises (`clamp-mss`); nothing where programs see to it.
    #[serde(default)]
    pub tcp_mss: Option<u32>,
}

/// The device that packets go through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Device {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Queues, each with its thread.
    pub queues: u32,
    /// What the kernel hands over unfinished (`csum`, `tso4`, `uso`, ...).
    pub offload: Vec<String>,
}

/// Packets and bytes of one direction, as they came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// Packets. A super-packet of the kernel counts as those that it stands for.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// All packets so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// From the host to the NAT64.
    pub v4_to_v6: Flow,
    /// From the NAT64 to the host.
    pub v6_to_v4: Flow,
    /// Those of them that are no ICMP: answers from beyond the NAT64, and proof that the path works.
    #[serde(default)]
    pub returned: u64,
    /// ICMP errors made by the translator.
    pub replies: u64,
    /// Packets dropped, by the name of the reason. Only reasons that occurred.
    pub drops: BTreeMap<String, u64>,
    /// Packets that came while there was nothing to translate with.
    pub inactive: u64,
    /// Frames of the uplink that came faster than they were read (`--source pcap`).
    #[serde(default)]
    pub lost: u64,
}

impl Counters {
    /// Adds what another device counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, flow) in [(&mut self.v4_to_v6, other.v4_to_v6), (&mut self.v6_to_v4, other.v6_to_v4)] {
            sum.packets += flow.packets;
            sum.bytes += flow.bytes;
        }
        self.returned += other.returned;
        self.replies += other.replies;
        self.inactive += other.inactive;
        self.lost += other.lost;
        for (reason, n) in &other.drops {
            *self.drops.entry(reason.clone()).or_default() += n;
        }
    }
}

/// The outcome of a self-test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SelfTest {
    /// Whether the whole path answered.
    pub ok: bool,
    /// The leg that failed.
    pub leg: Option<String>,
    /// Seconds since then.
    pub age_s: u64,
    /// What the leg means and what helps.
    pub text: Option<String>,
}

/// A packet that was dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dropped {
    /// When.
    pub at: String,
    /// Name of the reason.
    pub reason: String,
    /// The rule behind it.
    pub section: String,
    /// The reason as a sentence.
    pub text: String,
    /// The packet in a few words.
    pub packet: String,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transition {
    /// When.
    pub at: String,
    /// The state before.
    pub from: String,
    /// The state after.
    pub to: String,
    /// Why, as a word.
    pub reason: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Status {
        let prefix = Prefix {
            prefix: "64:ff9b::/96".to_owned(),
            source: "ra".to_owned(),
            router: Some("fe80::1".to_owned()),
            expires_in_s: Some(1740),
            age_s: Some(60),
            used: true,
            why: "the only one".to_owned(),
        };
        Status {
            version: "0.1.0".to_owned(),
            pid: 4711,
            uptime_s: 61,
            state: "active".to_owned(),
            reason: "ready".to_owned(),
            reason_text: "The CLAT address is ours.".to_owned(),
            native_ipv4: false,
            other_clat: None,
            v6_only_wait_s: None,
            uplink: Some(Uplink { name: "eth0".to_owned(), index: 2 }),
            pref64: Some(prefix.clone()),
            clat: Some(Clat {
                ipv6: "2001:db8::464".to_owned(),
                ipv4: "192.0.0.1".to_owned(),
                mtu: 1472,
                ipv6_mtu: 1500,
                tcp_mss: None,
            }),
            device: Some(Device {
                name: "clat".to_owned(),
                index: 5,
                queues: 1,
                offload: vec!["csum".to_owned()],
            }),
            counters: Counters {
                v4_to_v6: Flow { packets: 10, bytes: 1000 },
                v6_to_v4: Flow { packets: 9, bytes: 900 },
                returned: 8,
                replies: 3,
                drops: BTreeMap::from([("hop_limit".to_owned(), 3)]),
                inactive: 0,
                lost: 0,
            },
            self_test: Some(SelfTest {
                ok: false,
                leg: Some("nat64-silent".to_owned()),
                age_s: 7,
                text: Some("The NAT64 does not answer.".to_owned()),
            }),
            last_drops: vec![Dropped {
                at: "2026-01-02T03:04:05Z".to_owned(),
                reason: "hop_limit".to_owned(),
                section: "RFC 7915 sections 4.1 and 5.1".to_owned(),
                text: "TTL or hop limit ran out.".to_owned(),
                packet: "192.0.0.1 > 192.0.2.1 udp".to_owned(),
            }],
            transitions: vec![Transition {
                at: "2026-01-02T03:04:05Z".to_owned(),
                from: "claiming".to_owned(),
                to: "active".to_owned(),
                reason: "ready".to_owned(),
            }],
            plan: vec!["address 192.0.0.1/32 on clat".to_owned()],
            prefixes: vec![prefix],
            warnings: Vec::new(),
        }
    }

    /// The keys of the contract, as paths. A key that goes missing breaks somebody's program.
    #[test]
    fn the_keys_of_the_contract_are_there() {
        let json = serde_json::to_value(sample()).unwrap();
        for path in [
            "/state",
            "/reason",
            "/uplink/name",
            "/uplink/index",
            "/pref64/prefix",
            "/pref64/source",
            "/pref64/router",
            "/pref64/expires_in_s",
            "/clat/ipv6",
            "/clat/ipv4",
            "/clat/mtu",
            "/counters/v4_to_v6/packets",
            "/counters/v4_to_v6/bytes",
            "/counters/v6_to_v4/packets",
            "/counters/v6_to_v4/bytes",
            "/counters/replies",
            "/counters/drops/hop_limit",
            "/self_test/ok",
            "/self_test/leg",
            "/self_test/age_s",
            "/last_drops/0/reason",
            "/transitions/0/at",
            "/transitions/0/from",
            "/transitions/0/to",
            "/transitions/0/reason",
            "/plan/0",
            "/version",
        ] {
            assert!(json.pointer(path).is_some(), "{path} is missing in {json:#}");
        }
    }

    #[test]
    fn absent_parts_are_null_and_not_missing() {
        let json = serde_json::to_value(Status::default()).unwrap();
        for key in ["uplink", "pref64", "clat", "self_test"] {
            assert!(json.get(key).is_some_and(serde_json::Value::is_null), "{key} in {json:#}");
        }
    }

    #[test]
    fn counters_of_two_devices_add_up() {
        let mut sum = sample().counters;
        sum.add(&sample().counters);
        assert_eq!((sum.v4_to_v6.packets, sum.v6_to_v4.bytes, sum.replies), (20, 1800, 6));
        assert_eq!(sum.drops["hop_limit"], 6);
    }

    #[test]
    fn a_document_survives_the_wire() {
        let text = serde_json::to_string(&sample()).unwrap();
        assert!(!text.contains('\n'), "one line a document");
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), sample());
    }
}
