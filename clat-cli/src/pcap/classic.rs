//! The classic format (draft-ietf-opsawg-pcap).
//!
//! ```text
//! file:   magic 4, major 2, minor 2, reserved 8, snapshot length 4, link type 4
//! record: seconds 4, micro- or nanoseconds 4, captured length 4, length on the wire 4, bytes
//! ```

use super::reader::ReadError;
use super::source::{MAX_RECORD, Source};
use super::{Fields, Order, Precision, Record};
use std::io::Read;
use std::time::Duration;

/// Bytes of the file header.
pub(super) const FILE_HEADER: usize = 24;

pub(super) const MAGIC_MICRO: u32 = 0xa1b2_c3d4;
pub(super) const MAGIC_NANO: u32 = 0xa1b2_3c4d;
/// Old Linux kernels' patched libpcap: eight bytes more in each record header.
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// What the file header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classic {
    order: Order,
    precision: Precision,
    record_header: usize,
    link: u16,
}

impl Classic {
    pub(super) fn recognise(start: &[u8]) -> Option<Self> {
        let header: &[u8; FILE_HEADER] = start.first_chunk()?;
        let (magic, rest) = header.split_first_chunk()?;
        let known = |order: Order| match order.u32(*magic) {
            MAGIC_MICRO => Some((order, Precision::Micro, 16)),
            MAGIC_NANO => Some((order, Precision::Nano, 16)),
            MAGIC_MODIFIED => Some((order, Precision::Micro, 24)),
            _ => None,
        };
        let (order, precision, record_header) = known(Order::Little).or_else(|| known(Order::Big))?;
        // The upper half of the field tells about frame check sequences, which the IP length cuts off.
        let link = order.u32(*rest.last_chunk()?) & 0xffff;
        Some(Self { order, precision, record_header, link: u16::try_from(link).ok()? })
    }

    pub(super) fn link(&self) -> u16 {
        self.link
    }

    pub(super) fn next<'s, R: Read>(
        &self,
        source: &'s mut Source<R>,
    ) -> Result<Option<Record<'s>>, ReadError> {
        let offset = source.offset();
        let Some(header) = source.whole(self.record_header)? else { return Ok(None) };
        let mut fields = Fields::new(header, self.order);
        let mut field = || fields.u32().unwrap_or_default();
        let (seconds, fraction, len, wire_len) = (field(), field(), field(), field());
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > MAX_RECORD {
            return Err(ReadError::Corrupt { offset, what: "it claims more than 16 MiB" });
        }
        source.whole(self.record_header + len)?;
        source.consume(self.record_header);
        let data = source.consume(len);
        let time = self.time(seconds, fraction);
        Ok(Some(Record { link: self.link, time, precision: self.precision, wire_len, data }))
    }

    fn time(&self, seconds: u32, fraction: u32) -> Duration {
        let nanos = match self.precision {
            Precision::Micro => u64::from(fraction) * 1000,
            Precision::Nano => u64::from(fraction),
        };
        Duration::from_secs(seconds.into()) + Duration::from_nanos(nanos)
    }
}
