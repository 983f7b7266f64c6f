//! The data path in the words of the status document.

use crate::status::model;
use clat_core::{ClatMap, Policy, Translator};
use clat_engine::TranslatorParams;
use clat_windows::iphlp::Luid;
use clat_windows::live::{Counters, HostTranslator, Traffic};
use std::sync::atomic::Ordering;

/// The translator of these parameters.
pub(super) fn translator(params: &TranslatorParams, policy: &Policy) -> HostTranslator {
    let mut policy = *policy;
    policy.v6_mtu = params.v6_mtu;
    policy.v4_mtu = params.v4_mtu;
    Translator::new(ClatMap::host(params.pref64, params.clat_v4, params.clat_v6), policy)
}

/// The device as it is shown.
pub(super) fn device(name: &str, luid: Luid) -> model::Device {
    model::Device {
        name: name.to_owned(),
        index: luid.index().unwrap_or_default(),
        queues: 1,
        offload: Vec::new(),
    }
}

/// The last drops as they are shown.
pub(super) fn last_drops(counted: &Counters) -> Vec<model::Dropped> {
    let drops = counted.last_drops();
    drops
        .iter()
        .map(|d| model::Dropped {
            at: jiff::Timestamp::try_from(d.at).map(|t| format!("{t:.3}")).unwrap_or_default(),
            reason: d.reason.as_str().to_owned(),
            section: d.reason.section().to_owned(),
            text: d.reason.describe().trim().to_owned(),
            packet: d.to_string(),
        })
        .collect()
}

/// The counters as they are shown.
pub(super) fn counters(counted: &Counters) -> model::Counters {
    let flow = |t: &Traffic| {
        let (packets, bytes) = t.get();
        model::Flow { packets, bytes }
    };
    let mut drops: std::collections::BTreeMap<String, u64> =
        counted.drops().map(|(reason, n)| (reason.as_str().to_owned(), n)).collect();
    let full = counted.ring_full.load(Ordering::Relaxed);
    if full > 0 {
        drops.insert("ring_full".to_owned(), full);
    }
    model::Counters {
        v4_to_v6: flow(&counted.v4_to_v6),
        v6_to_v4: flow(&counted.v6_to_v4),
        returned: counted.returned.load(Ordering::Relaxed),
        replies: counted.replies.load(Ordering::Relaxed),
        drops,
        inactive: counted.idle.load(Ordering::Relaxed),
        lost: 0,
    }
}
