//! A window on a stream: bytes are looked at in place, memory is bounded by the largest record.

use super::reader::ReadError;
use std::io::{self, Read};

/// No record is larger: far above every snapshot length in use (262144), far below what hurts.
pub(super) const MAX_RECORD: usize = 16 << 20;

const START_CAPACITY: usize = 256 << 10;

/// A stream with its unread bytes at hand.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `start` in the stream.
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buf: vec![0; START_CAPACITY], start: 0, end: 0, offset: 0 }
    }

    /// How many bytes were consumed.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next `len` bytes, without consuming them; fewer at the end of the stream.
    pub(super) fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        while self.end - self.start < len {
            self.make_room();
            match self.inner.read(&mut self.buf[self.end..]) {
                Ok(0) => break,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(&self.buf[self.start..self.end.min(self.start + len)])
    }

    /// As [`peek`](Self::peek), all or an error; `None` when the stream ends before the first byte.
    pub(super) fn whole(&mut self, len: usize) -> Result<Option<&[u8]>, ReadError> {
        let offset = self.offset;
        match self.peek(len).map_err(ReadError::Io)? {
            [] => Ok(None),
            bytes if bytes.len() < len => Err(ReadError::CutShort { offset }),
            bytes => Ok(Some(bytes)),
        }
    }

    /// Consumes `len` bytes that were peeked, and returns them.
    pub(super) fn consume(&mut self, len: usize) -> &[u8] {
        let from = self.start;
        self.start = self.end.min(from + len);
        self.offset += (self.start - from) as u64;
        &self.buf[from..self.start]
    }

    /// Room behind the unread bytes. The buffer doubles only after it was filled: a length that
    /// lies costs no memory.
    fn make_room(&mut self) {
        if self.start > 0 && self.end == self.buf.len() {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buf.len() {
            self.buf.resize(self.buf.len() * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe at its worst: one byte a read.
    struct Drip(u8);

    impl Read for Drip {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0 == 200 {
                return Ok(0);
            }
            buf[0] = self.0;
            self.0 += 1;
            Ok(1)
        }
    }

    #[test]
    fn short_reads_are_put_together() {
        let mut source = Source::new(Drip(0));
        assert_eq!(source.peek(3).unwrap(), [0, 1, 2]);
        assert_eq!(source.consume(2), [0, 1]);
        assert_eq!(source.whole(2).unwrap(), Some(&[2, 3][..]));
        source.consume(2);
        assert!(matches!(source.whole(300), Err(ReadError::CutShort { offset: 4 })));
        source.consume(196);
        assert_eq!(source.whole(1).unwrap(), None);
        assert_eq!(source.offset(), 200);
    }

    #[test]
    fn memory_follows_the_data_and_not_the_wish() {
        let mut source = Source::new(&[0_u8; 1000][..]);
        assert_eq!(source.peek(MAX_RECORD).unwrap().len(), 1000);
        assert_eq!(source.buf.len(), START_CAPACITY);
    }
}
