//! The PREF64 option of Router Advertisements: what is read is written the same.
#![no_main]

use clat_core::RaPref64;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(option) = RaPref64::parse(data) {
        assert_eq!(data.len(), RaPref64::LEN);
        let emitted = option.emit();
        assert_eq!(RaPref64::parse(&emitted), Some(option));
        // All but the bits beyond the prefix is as it came.
        assert_eq!(emitted[..4], data[..4]);
        let bytes = usize::from(option.prefix.len() / 8);
        assert_eq!(emitted[4..4 + bytes.min(12)], data[4..4 + bytes.min(12)]);
    }
});
