//! The next generation format (draft-ietf-opsawg-pcapng): blocks of
//! `type 4, length 4, body, length 4`, in sections of either byte order with interfaces of their own.

use super::reader::ReadError;
use super::source::{MAX_RECORD, Source};
use super::{Fields, Order, Precision, Record};
use std::io::Read;
use std::time::Duration;

pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
pub(super) const ENHANCED_PACKET: u32 = 6;

pub(super) const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
pub(super) const OPTION_TSRESOL: u16 = 9;
const OPTION_TSOFFSET: u16 = 14;

/// More interfaces than any machine has; more is corruption, and would cost memory.
const MAX_INTERFACES: usize = 1 << 16;

/// State of the section being read.
#[derive(Debug)]
pub(super) struct Ng {
    order: Order,
    interfaces: Vec<Interface>,
    malformed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    snaplen: u32,
    tsresol: u8,
    tsoffset: i64,
}

/// Where the packet of a block lies in its body.
struct Packet {
    interface: Interface,
    ticks: Option<u64>,
    wire_len: u32,
    start: usize,
    len: usize,
}

impl Default for Ng {
    fn default() -> Self {
        Self { order: Order::Little, interfaces: Vec::new(), malformed: 0 }
    }
}

impl Ng {
    pub(super) fn recognise(start: &[u8]) -> bool {
        let mut fields = Fields::new(start, Order::Little);
        let block_type = fields.u32();
        let magic = fields.bytes(4).and_then(|_| fields.array());
        block_type == Some(SECTION_HEADER) && magic.is_some_and(|m| byte_order(m).is_some())
    }

    fn precision(&self) -> Precision {
        self.interfaces.iter().map(|i| i.precision()).max().unwrap_or(Precision::Micro)
    }

    pub(super) fn malformed(&self) -> u64 {
        self.malformed
    }

    pub(super) fn next<'s, R: Read>(
        &mut self,
        source: &'s mut Source<R>,
    ) -> Result<Option<Record<'s>>, ReadError> {
        loop {
            let Some((block_type, len)) = self.block(source)? else { return Ok(None) };
            let body_len = len - 12;
            let body = source.peek(len - 4).map_err(ReadError::Io)?.get(8..).unwrap_or_default();
            let packet = match block_type {
                INTERFACE_DESCRIPTION => {
                    self.add_interface(body);
                    None
                }
                ENHANCED_PACKET => self.packet(enhanced(Fields::new(body, self.order)), body_len),
                OBSOLETE_PACKET => self.packet(obsolete(Fields::new(body, self.order)), body_len),
                SIMPLE_PACKET => self.simple(body),
                _ => None,
            };
            let Some(packet) = packet else {
                source.consume(len);
                continue;
            };
            let block = source.consume(len);
            let data = block.get(8 + packet.start..).and_then(|b| b.get(..packet.len)).unwrap_or_default();
            let Interface { link, .. } = packet.interface;
            let time = packet.ticks.map_or(Duration::ZERO, |t| packet.interface.time(t));
            let (precision, wire_len) = (self.precision(), packet.wire_len);
            return Ok(Some(Record { link, time, precision, wire_len, data }));
        }
    }

    /// Type and length of the next block, all of which is at hand then.
    fn block<R: Read>(&mut self, source: &mut Source<R>) -> Result<Option<(u32, usize)>, ReadError> {
        let offset = source.offset();
        let corrupt = |what| Err(ReadError::Corrupt { offset, what });
        let Some(start) = source.whole(12)? else { return Ok(None) };
        let mut fields = Fields::new(start, Order::Little);
        if fields.u32() == Some(SECTION_HEADER) {
            let magic = fields.bytes(4).and_then(|_| fields.array());
            let Some(order) = magic.and_then(byte_order) else {
                return corrupt("a section of unknown byte order");
            };
            self.order = order;
            self.interfaces.clear();
        }
        let mut fields = Fields::new(start, self.order);
        let block_type = fields.u32().unwrap_or_default();
        let len = usize::try_from(fields.u32().unwrap_or_default()).unwrap_or(usize::MAX);
        if len < 12 || len % 4 != 0 {
            return corrupt("its length is impossible");
        }
        if len > MAX_RECORD {
            return corrupt("it claims more than 16 MiB");
        }
        let order = self.order;
        let block = source.whole(len)?.unwrap_or_default();
        let trailer = block.last_chunk().map(|b| order.u32(*b));
        if trailer.and_then(|t| usize::try_from(t).ok()) != Some(len) {
            return corrupt("its two lengths differ");
        }
        Ok(Some((block_type, len)))
    }

    fn add_interface(&mut self, body: &[u8]) {
        let interface = Interface::parse(Fields::new(body, self.order));
        match interface {
            Some(interface) if self.interfaces.len() < MAX_INTERFACES => self.interfaces.push(interface),
            _ => self.malformed += 1,
        }
    }

    /// Counts a packet block that contradicts itself or names an interface that is not there.
    fn packet(&mut self, head: Option<Head>, body_len: usize) -> Option<Packet> {
        let found = head.and_then(|head| {
            let interface = *self.interfaces.get(usize::try_from(head.interface).ok()?)?;
            let len = usize::try_from(head.len).ok()?;
            let ticks = Some(head.ticks);
            (len <= body_len.checked_sub(Head::LEN)?).then_some(Packet {
                interface,
                ticks,
                wire_len: head.wire_len,
                start: Head::LEN,
                len,
            })
        });
        self.malformed += u64::from(found.is_none());
        found
    }

    /// A simple packet block: no time, and the captured length follows from the snapshot length.
    fn simple(&mut self, body: &[u8]) -> Option<Packet> {
        let mut fields = Fields::new(body, self.order);
        let (Some(wire_len), Some(&interface)) = (fields.u32(), self.interfaces.first()) else {
            self.malformed += 1;
            return None;
        };
        let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let len = usize::try_from(wire_len.min(limit)).unwrap_or(usize::MAX).min(fields.rest.len());
        Some(Packet { interface, ticks: None, wire_len, start: 4, len })
    }
}

/// The fixed fields that the enhanced and the obsolete packet block have in common.
struct Head {
    interface: u32,
    ticks: u64,
    len: u32,
    wire_len: u32,
}

impl Head {
    const LEN: usize = 20;
}

fn enhanced(mut fields: Fields<'_>) -> Option<Head> {
    let interface = fields.u32()?;
    times_and_lengths(interface, fields)
}

fn obsolete(mut fields: Fields<'_>) -> Option<Head> {
    let interface = fields.u16()?.into();
    let _drops = fields.u16()?;
    times_and_lengths(interface, fields)
}

fn times_and_lengths(interface: u32, mut fields: Fields<'_>) -> Option<Head> {
    let ticks = (u64::from(fields.u32()?) << 32) | u64::from(fields.u32()?);
    Some(Head { interface, ticks, len: fields.u32()?, wire_len: fields.u32()? })
}

fn byte_order(magic: [u8; 4]) -> Option<Order> {
    [Order::Little, Order::Big].into_iter().find(|order| order.u32(magic) == BYTE_ORDER_MAGIC)
}

impl Interface {
    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        let link = fields.u16()?;
        let _reserved = fields.u16()?;
        let mut interface = Self { link, snaplen: fields.u32()?, tsresol: 6, tsoffset: 0 };
        while let (Some(code), Some(len)) = (fields.u16(), fields.u16()) {
            let padded = usize::from(len).next_multiple_of(4);
            let Some(value) = fields.bytes(padded) else { break };
            match (code, len) {
                (0, _) => break,
                (OPTION_TSRESOL, 1) => interface.tsresol = value.first().copied().unwrap_or(6),
                (OPTION_TSOFFSET, 8) => {
                    let offset = Fields::new(value, fields.order).u64().unwrap_or_default();
                    interface.tsoffset = offset.cast_signed();
                }
                _ => {}
            }
        }
        Some(interface)
    }

    fn precision(self) -> Precision {
        if self.tsresol <= 6 { Precision::Micro } else { Precision::Nano }
    }

    /// Ticks a second; none where it is beyond all measure.
    fn ticks_per_second(self) -> Option<u128> {
        let exponent = u32::from(self.tsresol & 0x7f);
        match self.tsresol & 0x80 {
            0 => 10_u128.checked_pow(exponent),
            _ => 1_u128.checked_shl(exponent),
        }
    }

    fn time(self, ticks: u64) -> Duration {
        const NANOS: u128 = 1_000_000_000;
        let per_second = self.ticks_per_second().unwrap_or(u128::MAX);
        let nanos = u128::from(ticks) * NANOS / per_second;
        let seconds = u64::try_from(nanos / NANOS).unwrap_or(u64::MAX).saturating_add_signed(self.tsoffset);
        Duration::new(seconds, u32::try_from(nanos % NANOS).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_resolution() {
        let at = |tsresol, tsoffset, ticks| Interface { link: 1, snaplen: 0, tsresol, tsoffset }.time(ticks);
        assert_eq!(at(6, 0, 1_500_000), Duration::from_millis(1500));
        assert_eq!(at(9, 0, 1_500_000), Duration::from_micros(1500));
        assert_eq!(at(0, 0, 7), Duration::from_secs(7));
        assert_eq!(at(0x80 | 10, 0, 1536), Duration::from_millis(1500));
        assert_eq!(at(6, 100, 1_500_000), Duration::from_millis(101_500));
        assert_eq!(at(6, -100, 1_500_000), Duration::from_micros(500_000));
        assert_eq!(at(0x7f, 0, u64::MAX), Duration::ZERO);
        assert_eq!(at(0xff, 0, u64::MAX), Duration::ZERO);
    }
}
