//! A line of the journal: what is read is written the same, and nothing else is read.
#![no_main]

use clat_engine::Step;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    if let Ok(step) = line.parse::<Step>() {
        let text = step.to_string();
        assert_eq!(text.parse::<Step>().as_ref(), Ok(&step), "{text}");
        let _ = (step.name(), step.inverse(), step.iface(), step.is_default_route());
    }
});
