//! Captures in every dialect, whole, cut at every byte and with every byte changed.

use super::writer::{NgWriter, Notes, Writer};
use super::{Precision, ReadError, Reader, Record};
use std::time::Duration;

const PACKETS: [&[u8]; 3] = [b"E123456789", b"`1", b""];

fn time(n: usize) -> Duration {
    Duration::new(1_700_000_000 + n as u64, 123_456_000)
}

type Whole = (u16, Duration, u32, Vec<u8>);

/// What a capture holds: times, lengths and bytes, until its end or an error.
fn read(bytes: &[u8]) -> (Vec<Whole>, Option<ReadError>) {
    let Ok(mut reader) = Reader::open(bytes) else { return (Vec::new(), None) };
    let mut records = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(Record { link, time, wire_len, data, .. })) => {
                records.push((link, time, wire_len, data.to_vec()))
            }
            Ok(None) => return (records, None),
            Err(e) => return (records, Some(e)),
        }
    }
}

fn classic_file(magic: u32, link: u32, big: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut put = |v: u32, len: usize| {
        if big { file.extend(&v.to_be_bytes()[4 - len..]) } else { file.extend(&v.to_le_bytes()[..len]) }
    };
    put(magic, 4);
    for (v, len) in [(2, 2), (4, 2), (0, 4), (0, 4), (65535, 4), (link, 4)] {
        put(v, len);
    }
    let fraction = if magic == 0xa1b2_3c4d { 123_456_000 } else { 123_456 };
    for (i, packet) in PACKETS.into_iter().enumerate() {
        let mut put = |v: u32| file.extend(if big { v.to_be_bytes() } else { v.to_le_bytes() });
        let len = packet.len() as u32;
        [1_700_000_000 + i as u32, fraction, len, len + 7].into_iter().for_each(&mut put);
        if magic == 0xa1b2_cd34 {
            [1, 2].into_iter().for_each(put);
        }
        file.extend(packet);
    }
    file
}

/// A big-endian section with every kind of packet block, options and an offset of the times.
fn ng_file_big_endian() -> Vec<u8> {
    let mut file = Vec::new();
    let mut block = |block_type: u32, body: &[u8]| {
        let len = (body.len() as u32 + 12).to_be_bytes();
        file.extend([&block_type.to_be_bytes()[..], &len, body, &len].concat());
    };
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX]));
    block(1, &words(&[101 << 16, 5]));
    block(1, &words(&[1 << 16, 0, 9 << 16 | 1, 9 << 24, 14 << 16 | 8, 0, 10, 0]));
    block(4, &words(&[0]));
    block(6, &words(&[0, 0, 1_500_000, 2, 9, 0x6031_0000]));
    block(6, &words(&[1, 0, 1_500, 4, 4, 0x4531_3233, 1 << 16 | 2, 0x6869_0000, 0]));
    block(2, &words(&[1 << 16 | 3, 0, 1_500, 1, 1, 0x4500_0000]));
    block(3, &words(&[9, 0x4531_3233, 0x3435_3637]));
    block(6, &words(&[7, 0, 0, 0, 0]));
    block(6, &words(&[0, 0, 0, 5, 5, 0]));
    file
}

fn ng_file() -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = NgWriter::new(&mut file).unwrap();
    assert_eq!(writer.interface("v4", "one").unwrap(), 0);
    assert_eq!(writer.interface("v6", "two").unwrap(), 1);
    for (i, packet) in PACKETS.into_iter().enumerate() {
        let comment = (i == 1).then_some("drop hop_limit");
        writer
            .packet(i as u32 % 2, time(i), &[packet, b"tail"], Notes { comment, ..Notes::default() })
            .unwrap();
    }
    assert_eq!(writer.written(), file.len() as u64);
    file
}

#[test]
fn classic_in_every_dialect() {
    for magic in [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34] {
        for big in [false, true] {
            let (records, error) = read(&classic_file(magic, 0x1400_0065, big));
            assert!(error.is_none(), "{magic:x} {big}");
            assert_eq!(records.len(), PACKETS.len());
            for (i, (link, at, wire_len, data)) in records.into_iter().enumerate() {
                assert_eq!((link, at), (101, time(i)));
                assert_eq!((wire_len as usize, &data[..]), (PACKETS[i].len() + 7, PACKETS[i]));
            }
        }
    }
}

#[test]
fn ng_blocks_of_every_kind() {
    let file = ng_file_big_endian();
    let mut reader = Reader::open(&file[..]).unwrap();
    let mut precision = Precision::Micro;
    let mut records = Vec::new();
    while let Some(r) = reader.next().unwrap() {
        precision = r.precision;
        records.push((r.link, r.time, r.wire_len, r.data.to_vec()));
    }
    assert_eq!(reader.malformed_blocks(), 2, "an interface that is not there, a length that lies");
    let ten = Duration::from_secs(10);
    let nanos = Duration::from_nanos(1_500);
    assert_eq!(
        records,
        [
            (101, Duration::from_millis(1_500), 9, b"`1".to_vec()),
            (1, ten + nanos, 4, b"E123".to_vec()),
            (1, ten + nanos, 1, b"E".to_vec()),
            (101, Duration::ZERO, 9, b"E1234".to_vec()),
        ]
    );
    assert_eq!(precision, Precision::Nano);
}

#[test]
fn what_is_written_is_read_again() {
    let mut file = Vec::new();
    let mut writer = Writer::classic(&mut file, Precision::Nano).unwrap();
    for (i, packet) in PACKETS.into_iter().enumerate() {
        writer.packet(time(i), &[packet, b"tail"]).unwrap();
    }
    writer.finish().unwrap();
    for file in [file, ng_file()] {
        let (records, error) = read(&file);
        assert!(error.is_none());
        for (i, (link, at, wire_len, data)) in records.into_iter().enumerate() {
            assert_eq!((link, at, wire_len as usize), (101, time(i), data.len()));
            assert_eq!(data, [PACKETS[i], b"tail"].concat());
        }
    }
}

#[test]
fn two_sections_of_different_byte_order() {
    let (records, error) = read(&[ng_file(), ng_file_big_endian(), ng_file()].concat());
    assert!(error.is_none());
    assert_eq!(records.len(), 3 + 4 + 3);
}

#[test]
fn cut_at_every_byte_what_came_before_is_read() {
    let files = [
        classic_file(0xa1b2_c3d4, 101, false),
        classic_file(0xa1b2_cd34, 1, true),
        ng_file_big_endian(),
        ng_file(),
    ];
    for file in files {
        let (whole, _) = read(&file);
        for cut in 0..file.len() {
            let (records, error) = read(&file[..cut]);
            assert_eq!(records, whole[..records.len()], "cut at {cut}");
            assert!(records.len() < whole.len() || error.is_some() || cut > 0);
            assert!(!matches!(error, Some(ReadError::Corrupt { .. })), "cut at {cut}: {error:?}");
        }
    }
}

#[test]
fn every_byte_changed_is_survived_in_bounded_memory() {
    for file in [classic_file(0xa1b2_c3d4, 101, false), ng_file_big_endian(), ng_file()] {
        for at in 0..file.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = file.clone();
                bad[at] = value;
                let (records, _) = read(&bad);
                let bytes: usize = records.iter().map(|r| r.3.len()).sum();
                assert!(bytes <= file.len(), "more came out than went in");
            }
        }
    }
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"PK\x03\x04", &[0; 24], &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4]] {
        assert!(Reader::open(bytes).is_err(), "{bytes:02x?}");
    }
}
