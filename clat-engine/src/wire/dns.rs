//! The one question of RFC 7050 section 3 and its answers (RFC 1035 section 4).

use crate::DnsOutcome;
use core::net::Ipv6Addr;
use heapless::Vec;
use smoltcp::wire::{
    DnsFlags, DnsOpcode, DnsPacket, DnsQueryType, DnsQuestion, DnsRcode, DnsRecord, DnsRecordData, DnsRepr,
};

/// `ipv4only.arpa.` as it stands in a message: with the root, so that no search list applies.
const NAME: &[u8] = b"\x08ipv4only\x04arpa\x00";

/// How many addresses of an answer count: two well-known ones under sixteen prefixes.
pub(crate) const MAX_ADDRESSES: usize = 32;

/// The AAAA records of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The addresses.
    pub(crate) addresses: Vec<Ipv6Addr, MAX_ADDRESSES>,
    /// The smallest time to live in seconds.
    pub(crate) ttl_s: u32,
}

/// What an answer says, without borrowing it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "lives for one input; there is no heap to box it in")]
pub(crate) enum Reply {
    /// There are AAAA records.
    Records(Answer),
    /// The name does not exist or has no AAAA record.
    None,
    /// The resolver cannot say.
    Failed,
}

impl Reply {
    /// From a resolver library's outcome.
    pub(crate) fn from_outcome(outcome: &DnsOutcome<'_>) -> Self {
        match *outcome {
            DnsOutcome::Records { addresses, ttl_s } if !addresses.is_empty() => {
                let addresses = addresses.iter().copied().take(MAX_ADDRESSES).collect();
                Self::Records(Answer { addresses, ttl_s })
            }
            DnsOutcome::Records { .. } | DnsOutcome::None => Self::None,
            DnsOutcome::Failed => Self::Failed,
        }
    }
}

/// The query: recursion desired, one question.
pub(crate) fn query(id: u16) -> Vec<u8, 64> {
    let question = DnsQuestion { name: NAME, type_: DnsQueryType::Aaaa };
    let repr = DnsRepr {
        transaction_id: id,
        flags: DnsFlags::RECURSION_DESIRED,
        opcode: DnsOpcode::Query,
        question,
    };
    let mut message = Vec::new();
    if message.resize(repr.buffer_len(), 0).is_ok() {
        repr.emit(&mut DnsPacket::new_unchecked(message.as_mut_slice()));
    }
    message
}

/// Reads the answer to the query `id`; `None` when the message is no answer to it.
///
/// All AAAA records of the answer section count, whatever name a CNAME led to (RFC 7050 section 3).
pub(crate) fn read_reply(id: u16, message: &[u8]) -> Option<Reply> {
    let packet = DnsPacket::new_checked(message).ok()?;
    let ours = packet.transaction_id() == id
        && packet.flags().contains(DnsFlags::RESPONSE)
        && packet.opcode() == DnsOpcode::Query
        && packet.question_count() == 1;
    let (rest, question) = DnsQuestion::parse(packet.payload()).ok()?;
    if !ours || question.type_ != DnsQueryType::Aaaa || !question.name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    let rcode = packet.rcode();
    Some(if rcode == DnsRcode::NXDomain {
        Reply::None
    } else if rcode == DnsRcode::NoError {
        read_records(rest, packet.answer_record_count())
    } else {
        Reply::Failed
    })
}

fn read_records(mut rest: &[u8], count: u16) -> Reply {
    let mut answer = Answer { addresses: Vec::new(), ttl_s: u32::MAX };
    for _ in 0..count {
        // A truncated answer: what was whole counts.
        let Ok((after, record)) = DnsRecord::parse(rest) else { break };
        rest = after;
        if let DnsRecordData::Aaaa(addr) = record.data
            && answer.addresses.push(addr).is_ok()
        {
            answer.ttl_s = answer.ttl_s.min(record.ttl);
        }
    }
    if answer.addresses.is_empty() { Reply::None } else { Reply::Records(answer) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An answer with these AAAA records, names compressed.
    pub(crate) fn reply(id: u16, rcode: u8, records: &[(&str, u32)]) -> std::vec::Vec<u8> {
        let mut message = query(id).to_vec();
        message[2] |= 0x80;
        message[3] = 0x80 | rcode;
        message[7] = u8::try_from(records.len()).unwrap();
        for (addr, ttl) in records {
            message.extend([0xc0, 12, 0, 28, 0, 1]);
            message.extend(ttl.to_be_bytes());
            message.extend([0, 16]);
            message.extend(addr.parse::<Ipv6Addr>().unwrap().octets());
        }
        message
    }

    #[test]
    fn rfc7050_section_3_query_bytes() {
        assert_eq!(
            query(0x1234).as_slice(),
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08ipv4only\x04arpa\x00\x00\x1c\x00\x01"
        );
    }

    #[test]
    fn rfc7050_section_3_all_records_of_an_answer() {
        let message = reply(7, 0, &[("64:ff9b::c000:aa", 300), ("64:ff9b::c000:ab", 60)]);
        let Some(Reply::Records(answer)) = read_reply(7, &message) else { panic!() };
        assert_eq!(answer.ttl_s, 60);
        assert_eq!(answer.addresses.len(), 2);
        assert_eq!(read_reply(8, &message), None, "another query's answer");
        for cut in 0..34 {
            assert!(!matches!(read_reply(7, &message[..cut]), Some(Reply::Records(_))), "cut at {cut}");
        }
    }

    #[test]
    fn rfc7050_section_3_negative_answers() {
        assert_eq!(read_reply(7, &reply(7, 3, &[])), Some(Reply::None), "NXDOMAIN");
        assert_eq!(read_reply(7, &reply(7, 0, &[])), Some(Reply::None), "no data");
        assert_eq!(read_reply(7, &reply(7, 2, &[])), Some(Reply::Failed), "SERVFAIL");
        let mut request = reply(7, 0, &[]);
        request[2] &= 0x7f;
        assert_eq!(read_reply(7, &request), None, "a query is no answer");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut message = reply(7, 0, &[("64:ff9b::c000:aa", 300)]);
            let at = bytes.len() % message.len();
            message.truncate(at);
            message.extend(bytes);
            if let Some(Reply::Records(answer)) = read_reply(7, &message) {
                proptest::prop_assert!(!answer.addresses.is_empty());
            }
        }
    }
}
