//! What a TUN hands over: a virtio-net header, then a packet or a super-packet, through the translator and the
//! software segmentation.
#![no_main]

use clat_core::{Offload, Parts, Verdict};
use clat_fuzz::{CONTROL, prepared, state};
use clat_offload::segment::Segments;
use clat_linux::virtio::{HEADER_LEN, emit, parse};
use clat_model::mend::{Leave, mend};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((control, rest)) = data.split_first_chunk::<CONTROL>() else { return };
    let Some((header, packet)) = rest.split_first_chunk::<HEADER_LEN>() else { return };
    let Some(offload) = parse(header) else { return };
    assert_eq!(parse(&emit(offload)), Some(offload));
    let (translator, ends) = prepared(control[0], control[1]);
    let mut packet = packet.to_vec();
    // As it came, then plausible.
    for leave in [0xff, control[2]] {
        mend(&mut packet, Leave(leave), *ends);
        let look = |parts: Parts<'_>| {
            let mut copy = vec![0; parts.len()];
            assert_eq!(parts.copy_to(&mut copy), Some(parts.len()));
            assert_eq!(parse(&emit(parts.offload())), Some(parts.offload()));
            cut(&copy, parts.offload());
        };
        match translator.translate_offloaded(&packet, offload, &mut state()) {
            Verdict::Forward(parts) | Verdict::Reply(parts, _) => look(parts),
            Verdict::Fragment(pieces) => pieces.for_each(look),
            Verdict::Drop(_) => {}
            Verdict::Segment => assert!(offload.gso.is_some(), "Segment for a packet without segments"),
        }
        cut(&packet, offload);
    }
});

/// All segments of a super-packet: as many as its payload has, each no larger than it was told, and each a
/// packet of its own length.
fn cut(packet: &[u8], offload: Offload) {
    let Some(mut segments) = Segments::of(packet, offload) else { return };
    let size = usize::from(offload.gso.map_or(0, |gso| gso.size));
    let mut buf = vec![0; packet.len()];
    let mut count = 0;
    while let Some(len) = segments.next_into(&mut buf) {
        assert!(len > 0 && len <= packet.len());
        let field = if buf[0] >> 4 == 4 { 2 } else { 4 };
        let stated = usize::from(u16::from_be_bytes([buf[field], buf[field + 1]]));
        assert_eq!(stated + if field == 2 { 0 } else { 40 }, len, "length of the header");
        count += 1;
        assert!((count - 1) * size < packet.len(), "segments without end");
    }
    assert!(count > 0, "not one segment");
}
