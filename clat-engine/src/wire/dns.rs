//! The one question of RFC 7050 section 3 and its answers (RFC 1035 section 4).
//!
//! ```text
//! |              ID               |QR| Opcode |AA|TC|RD|RA|  Z  | RCODE |
//! |            QDCOUNT            |            ANCOUNT                   |
//! |            NSCOUNT            |            ARCOUNT                   |
//! | name | TYPE | CLASS |   then for each record   | name | TYPE | CLASS | TTL | RDLENGTH | RDATA |
//! ```
//!
//! Own views, like those of Neighbour Discovery, so that the linker sees no panic; smoltcp's reader is the
//! judge in the tests.

use crate::DnsOutcome;
use core::net::Ipv6Addr;
use heapless::Vec;

/// `ipv4only.arpa.` as it stands in a message: with the root, so that no search list applies.
const NAME: &[u8] = b"\x08ipv4only\x04arpa\x00";
/// TYPE AAAA (RFC 3596 section 2.1), CLASS IN.
const AAAA_IN: [u8; 4] = [0, 28, 0, 1];
/// RCODE of a name that does not exist.
const NX_DOMAIN: u8 = 3;

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
    let mut message = Vec::new();
    for part in [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], NAME, &AAAA_IN] {
        message.extend_from_slice(part).ok();
    }
    message
}

/// Reads the answer to the query `id`; `None` when the message is no answer to it.
///
/// All AAAA records of the answer section count, whatever name a CNAME led to (RFC 7050 section 3).
pub(crate) fn read_reply(id: u16, message: &[u8]) -> Option<Reply> {
    let [i0, i1, high, low, 0, 1, n0, n1, _, _, _, _, body @ ..] = message else { return None };
    let is_answer = u16::from_be_bytes([*i0, *i1]) == id && high & 0xf8 == 0x80;
    let (name, rest) = body.split_at_checked(NAME.len())?;
    let records = rest.strip_prefix(&AAAA_IN)?;
    if !is_answer || !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    Some(match low & 0x0f {
        0 => read_records(records, u16::from_be_bytes([*n0, *n1])),
        NX_DOMAIN => Reply::None,
        _ => Reply::Failed,
    })
}

fn read_records(mut rest: &[u8], count: u16) -> Reply {
    let mut answer = Answer { addresses: Vec::new(), ttl_s: u32::MAX };
    for _ in 0..count {
        // A truncated answer: what was whole counts.
        let Some((record, after)) = split_record(rest) else { break };
        rest = after;
        if let Some((addr, ttl_s)) = record
            && answer.addresses.push(addr).is_ok()
        {
            answer.ttl_s = answer.ttl_s.min(ttl_s);
        }
    }
    if answer.addresses.is_empty() { Reply::None } else { Reply::Records(answer) }
}

/// An address and its time to live in seconds.
type Aaaa = (Ipv6Addr, u32);

/// The first record, where it is an AAAA one, and what follows it.
fn split_record(bytes: &[u8]) -> Option<(Option<Aaaa>, &[u8])> {
    let (head, rest) = skip_name(bytes)?.split_first_chunk::<10>()?;
    let [t0, t1, c0, c1, ttl @ .., l0, l1] = *head;
    let (data, after) = rest.split_at_checked(u16::from_be_bytes([l0, l1]).into())?;
    let addr = <[u8; 16]>::try_from(data).ok().filter(|_| [t0, t1, c0, c1] == AAAA_IN);
    Some((addr.map(|octets| (octets.into(), u32::from_be_bytes(ttl))), after))
}

/// What follows a name: labels up to the root or to a pointer (RFC 1035 section 4.1.4).
fn skip_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        match bytes {
            [0, rest @ ..] | [0xc0..=0xff, _, rest @ ..] => return Some(rest),
            [len @ 1..=63, rest @ ..] => bytes = rest.get(usize::from(*len)..)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use smoltcp::wire::{
        DnsFlags, DnsOpcode, DnsPacket, DnsQueryType, DnsQuestion, DnsRcode, DnsRecord, DnsRecordData,
    };

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

    /// The AAAA records of an answer without error that smoltcp reads to its end.
    fn by_smoltcp(message: &[u8]) -> Option<std::vec::Vec<Ipv6Addr>> {
        let packet = DnsPacket::new_checked(message).ok()?;
        let right = packet.transaction_id() == 7
            && packet.flags().contains(DnsFlags::RESPONSE)
            && packet.opcode() == DnsOpcode::Query
            && packet.rcode() == DnsRcode::NoError
            && packet.question_count() == 1;
        let (mut rest, question) = DnsQuestion::parse(packet.payload()).ok()?;
        if !right || question.type_ != DnsQueryType::Aaaa || question.name != NAME {
            return None;
        }
        let mut found = std::vec::Vec::new();
        for _ in 0..packet.answer_record_count() {
            let (after, record) = DnsRecord::parse(rest).ok()?;
            rest = after;
            if let DnsRecordData::Aaaa(addr) = record.data {
                found.push(addr);
            }
        }
        found.truncate(MAX_ADDRESSES);
        Some(found)
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_as_smoltcp_reads_them(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut message = reply(7, 0, &[("64:ff9b::c000:aa", 300)]);
            let at = bytes.len() % message.len();
            message.truncate(at);
            message.extend(bytes);
            let ours = match read_reply(7, &message) {
                Some(Reply::Records(answer)) => answer.addresses.to_vec(),
                _ => std::vec::Vec::new(),
            };
            if let Some(theirs) = by_smoltcp(&message) {
                proptest::prop_assert_eq!(ours, theirs);
            }
        }
    }
}
