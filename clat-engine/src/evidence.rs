//! What a translated or dropped packet tells the self-test, by rules that every shell shares.

use clat_core::DropReason;

const ICMPV6: u8 = 58;

/// What the data path counted since the start. Growth is evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// Packets of [`is_answer`].
    pub packets: u64,
    /// Packets of [`is_cut_answer`].
    pub icmp_fragments: u64,
}

/// Whether a translated packet, as it came in, says that somebody beyond the NAT64 has answered: IPv6, and not ICMPv6,
/// which comes from anywhere (RFC 7915 section 5.2).
#[must_use]
#[inline]
pub fn is_answer(packet: &[u8]) -> bool {
    is_ipv6(packet) && packet.get(6) != Some(&ICMPV6)
}

/// Whether a dropped packet, as it came in, is a fragment of an ICMPv6 message (RFC 7915 section 5.2): a NAT64 has cut
/// the answer to an echo of the full size.
#[must_use]
pub fn is_cut_answer(reason: DropReason, packet: &[u8]) -> bool {
    reason == DropReason::FragmentedIcmp && is_ipv6(packet)
}

/// A count, and what it was when somebody began to look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Growth {
    count: u64,
    base: u64,
}

impl Growth {
    pub(crate) const fn new() -> Self {
        Self { count: 0, base: 0 }
    }

    /// A count that is smaller than before is that of another device, and begins anew.
    pub(crate) fn tell(&mut self, count: u64) {
        if count < self.count {
            self.base = 0;
        }
        self.count = count;
    }

    pub(crate) const fn begin(&mut self) {
        self.base = self.count;
    }

    pub(crate) const fn grew(&self) -> bool {
        self.count > self.base
    }
}

fn is_ipv6(packet: &[u8]) -> bool {
    packet.first().is_some_and(|byte| byte >> 4 == 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_routers_are_no_packets_from_beyond_the_nat64() {
        let answers = [(0x60, 6), (0x60, 17), (0x60, ICMPV6), (0x45, 6)].map(|(version, next_header)| {
            let mut packet = [0; 40];
            (packet[0], packet[6]) = (version, next_header);
            is_answer(&packet)
        });
        assert_eq!(answers, [true, true, false, false]);
        assert!(!is_answer(&[]));
    }

    #[test]
    fn a_count_that_begins_anew_is_no_growth_and_grows_from_there() {
        let mut growth = Growth::new();
        growth.tell(9);
        growth.begin();
        growth.tell(2);
        assert!(growth.grew(), "two of the new device");
        growth.begin();
        growth.tell(0);
        assert!(!growth.grew());
        growth.tell(1);
        assert!(growth.grew());
    }

    #[test]
    fn fragments_of_icmp_that_came_in_are_told_from_those_of_this_host() {
        assert!(is_cut_answer(DropReason::FragmentedIcmp, &[0x60, 0]));
        assert!(!is_cut_answer(DropReason::FragmentedIcmp, &[0x45, 0]));
        assert!(!is_cut_answer(DropReason::TooBig, &[0x60, 0]));
        assert!(!is_cut_answer(DropReason::FragmentedIcmp, &[]));
    }
}
