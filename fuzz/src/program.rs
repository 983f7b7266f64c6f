//! What the program reads that others have written: captures, its configuration, requests and answers of the
//! control channel, HTTP of a scraper, messages of the kernel.

use crate::control::protocol::{self, Answer, Request};
use crate::netlink::Messages;
use crate::pcap::link::{Payload, is_known, payload};
use crate::pcap::writer::Writer;
use crate::pcap::{Precision, Reader};
use crate::watch::Watch;
use crate::{config_file, metrics};
use clat_engine::Input;
use std::cell::RefCell;
use std::time::Duration;

/// A capture of either format: nothing panics, no more comes out than went in, and what was read is written
/// and read again the same.
pub fn capture_file(data: &[u8]) {
    let Ok(mut reader) = Reader::open(data) else { return };
    let mut records: Vec<(Duration, Vec<u8>)> = Vec::new();
    while let Ok(Some(record)) = reader.next() {
        let ip = match payload(record.link, record.data) {
            Payload::Ip(ip) | Payload::V4(ip) | Payload::V6(ip) => ip,
            Payload::NotIp => &[],
        };
        assert!(is_known(record.link) || ip.is_empty(), "a packet of an unknown link type");
        assert!(record.data.ends_with(ip));
        let _ = record.is_cut();
        records.push((record.time, record.data.to_vec()));
    }
    let bytes: usize = records.iter().map(|(_, data)| data.len()).sum();
    assert!(bytes <= data.len(), "more came out than went in");
    assert!(reader.offset() <= data.len() as u64);
    for ng in [false, true] {
        written_and_read_again(&records, ng);
    }
}

fn written_and_read_again(records: &[(Duration, Vec<u8>)], ng: bool) {
    // The classic format ends in the year 2106, and pcapng's nanoseconds in 2554.
    let last = if ng { u64::MAX / 1_000_000_000 - 1 } else { u32::MAX.into() };
    let fits: Vec<_> = records.iter().filter(|(time, _)| time.as_secs() <= last).collect();
    let mut file = Vec::new();
    let writer = if ng { Writer::ng(&mut file) } else { Writer::classic(&mut file, Precision::Nano) };
    let mut writer = writer.expect("memory takes it");
    for (time, data) in &fits {
        writer.packet(*time, &[data]).expect("memory takes it");
    }
    writer.finish().expect("memory takes it");
    drop(writer);
    let mut reader = Reader::open(&file[..]).expect("our own file");
    for (time, data) in fits {
        let record = reader.next().expect("our own file").expect("as many as were written");
        assert_eq!((record.time, record.data), (*time, &data[..]));
    }
    assert!(reader.next().expect("our own file").is_none(), "more than were written");
}

/// A configuration file: taken or refused with words, never a panic.
pub fn config_file(text: &str) {
    match toml::from_str::<config_file::File>(text) {
        Ok(file) => assert!(file.mtu.is_none_or(|mtu| (68..=65535).contains(&mtu)), "{:?}", file.mtu),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

/// Both ends of the control channel and the scraper's: the first octet says which.
pub fn control_channel(data: &[u8]) {
    let Some((end, line)) = data.split_first() else { return };
    match end % 3 {
        0 => match protocol::parse(line) {
            Ok(request) => {
                let written = protocol::line(&request);
                assert_eq!(protocol::parse(written.trim_ascii_end()), Ok(request));
                assert_eq!(request.is_read_only(), request == Request::Status);
            }
            Err(answer) => assert!(matches!(answer, Answer::Error(text) if !text.is_empty())),
        },
        1 => {
            let Ok(answer) = serde_json::from_slice::<Answer>(line) else { return };
            let written = protocol::line(&answer);
            assert_eq!(written.iter().filter(|b| **b == b'\n').count(), 1, "an answer is one line");
            assert_eq!(serde_json::from_slice::<Answer>(&written).ok(), Some(answer.clone()));
            let response = metrics::response(&answer);
            assert!(response.starts_with(b"HTTP/1.0 "));
        }
        _ => {
            if let Some(end) = metrics::request_end(line) {
                assert!(end <= line.len());
                let _ = metrics::request(line);
            }
        }
    }
}

/// A datagram of the kernel's events: nothing panics, and what is told to the engine lies in the datagram.
pub fn netlink_events(datagram: &[u8]) {
    thread_local! {
        static WATCH: RefCell<Watch> = RefCell::new(Watch::open().expect("a netlink socket"));
    }
    WATCH.with_borrow_mut(|watch| {
        for message in Messages(datagram) {
            let told = &mut |input: Input<'_>| {
                if let Input::Pref64Option { option, .. } = input {
                    assert!(datagram.windows(option.len()).any(|w| w == option) && !option.is_empty());
                }
            };
            // A refusal is the kernel's answer to a question about a link that does not exist.
            let _ = watch.event(message, told);
        }
    });
}
