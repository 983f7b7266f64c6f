//! TCP, UDP, and the way to ICMP.

use super::slot::Slot;
use super::{Fields, icmp, sum, u8_at, u16_at, u32_at};

const ICMPV4: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

const TCP_FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/// What stands behind the IP headers.
pub(super) struct Transport<'a> {
    pub(super) protocol: u8,
    pub(super) payload: &'a [u8],
    /// Both addresses, as the pseudo-header has them.
    pub(super) pseudo: Vec<u8>,
    /// No fragment, and nothing of it cut off.
    pub(super) is_whole: bool,
    /// It starts with a transport header.
    pub(super) is_first: bool,
    pub(super) is_quoted: bool,
}

impl Transport<'_> {
    /// The checksum at `at`, judged over pseudo-header and payload where all of that is here.
    pub(super) fn checksum(&self, at: usize, with_pseudo: bool) -> Option<String> {
        let field = u16_at(self.payload, at)?;
        if !self.is_whole {
            return Some(sum::judge(field, None));
        }
        let tail = self.pseudo_tail();
        let pseudo: [&[u8]; 2] = if with_pseudo { [&self.pseudo, &tail] } else { [&[], &[]] };
        Some(sum::judge(field, Some(&[pseudo[0], pseudo[1], self.payload])))
    }

    /// Length and protocol of the pseudo-header. Both families' sums agree on this form.
    fn pseudo_tail(&self) -> [u8; 8] {
        let len = u32::try_from(self.payload.len()).unwrap_or_default().to_be_bytes();
        [len[0], len[1], len[2], len[3], 0, 0, 0, self.protocol]
    }
}

/// The fields of a transport header.
pub(super) fn transport(fields: &mut Fields, transport: &Transport<'_>) {
    match transport.protocol {
        _ if !transport.is_first => payload(fields, transport.payload),
        TCP => tcp(fields, transport),
        UDP => udp(fields, transport),
        ICMPV4 => icmp::v4(fields, transport),
        ICMPV6 => icmp::v6(fields, transport),
        _ => payload(fields, transport.payload),
    }
}

pub(super) fn payload(fields: &mut Fields, bytes: &[u8]) {
    fields.put(Slot::Payload, format!("{} bytes", bytes.len()));
}

fn tcp(fields: &mut Fields, transport: &Transport<'_>) {
    let bytes = transport.payload;
    ports(fields, bytes);
    fields.put_some(Slot::Sequence, u32_at(bytes, 4).map(|v| v.to_string()));
    fields.put_some(Slot::Acknowledgement, u32_at(bytes, 8).map(|v| v.to_string()));
    fields.put_some(Slot::TcpFlags, u8_at(bytes, 13).map(tcp_flags));
    fields.put_some(Slot::Window, u16_at(bytes, 14).map(|v| v.to_string()));
    fields.put_some(Slot::Checksum, transport.checksum(16, true));
    let header = usize::from(u8_at(bytes, 12).map_or(0, |b| b >> 4)) * 4;
    payload(fields, bytes.get(header.max(20)..).unwrap_or_default());
}

fn tcp_flags(flags: u8) -> String {
    let set: Vec<&str> = TCP_FLAGS
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| flags & (1 << bit) != 0)
        .map(|(_, n)| n)
        .collect();
    if set.is_empty() { "none".to_owned() } else { set.join(" ") }
}

fn udp(fields: &mut Fields, transport: &Transport<'_>) {
    let bytes = transport.payload;
    ports(fields, bytes);
    fields.put_some(Slot::UdpLength, u16_at(bytes, 4).map(|v| v.to_string()));
    let none = u16_at(bytes, 6) == Some(0);
    let checksum = if none { Some("none".to_owned()) } else { transport.checksum(6, true) };
    fields.put_some(Slot::Checksum, checksum);
    payload(fields, bytes.get(8..).unwrap_or_default());
}

fn ports(fields: &mut Fields, bytes: &[u8]) {
    fields.put_some(Slot::SourcePort, u16_at(bytes, 0).map(|v| v.to_string()));
    fields.put_some(Slot::DestinationPort, u16_at(bytes, 2).map(|v| v.to_string()));
}
