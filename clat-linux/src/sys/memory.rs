//! Memory that is used at the start and not afterwards.
//!
//! Arguments, configuration and the sandbox take more code and constants than packets do. Their pages stay
//! resident after the start without use; [`Code::give_back`] takes them out. What is still needed comes back
//! from the page cache at the next call, without a read from the disk.

use std::io;
use std::ops::Range;

/// Where the program's code and constants are mapped.
#[derive(Debug, Clone, Default)]
pub struct Code(Vec<Range<usize>>);

impl Code {
    /// Looks it up. Call it before the file system is closed to the program.
    ///
    /// # Errors
    /// Where `/proc` is not there.
    pub fn find() -> io::Result<Self> {
        Ok(Self(unmodified(&std::fs::read_to_string("/proc/self/smaps")?)))
    }

    /// Takes it out of memory, page tables included.
    pub fn give_back(&self) {
        for range in &self.0 {
            let start = std::ptr::with_exposed_provenance_mut(range.start);
            // SAFETY: the kernel listed the range as a private mapping of a file, without write permission
            // and without a page that differs from the file, so that dropping its pages changes nothing that
            // can be observed; nothing in this program maps, unmaps or unprotects them. A failure leaves the
            // pages where they are.
            unsafe { libc::madvise(start, range.len(), libc::MADV_DONTNEED) };
        }
    }
}

/// The read-only and executable file mappings of which no page differs from the file (proc(5), `smaps`).
fn unmodified(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        if let Some(code) = header(line) {
            candidate = code;
        } else if line.split_whitespace().eq(["Anonymous:", "0", "kB"]) {
            found.extend(candidate.take());
        }
    }
    found
}

/// The first line of a mapping; inside it, its range where it is code or constants of a file.
fn header(line: &str) -> Option<Option<Range<usize>>> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |text| usize::from_str_radix(text, 16).ok();
    let range = hex(start)?..hex(end)?;
    let code = matches!(words.next(), Some("r-xp" | "r--p"))
        && words.nth(3).is_some_and(|path| path.starts_with('/'));
    Some(code.then_some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-3000 r-xp 00000000 fe:01 77 /usr/bin/clat-cli
Rss: 8 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
3000-4000 rw-p 00000000 fe:01 77 /usr/bin/clat-cli
Anonymous:             0 kB
5000-6000 r-xp 00000000 fe:01 78 /usr/lib/libc.so.6
Anonymous:             4 kB
6000-7000 r--p 00002000 fe:01 78 /usr/lib/libc.so.6
Anonymous:             0 kB
7000-8000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
";

    #[test]
    fn only_untouched_code_and_constants_of_files_count() {
        let found: Vec<_> = unmodified(SMAPS).iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(found, [(0x1000, 0x3000), (0x6000, 0x7000)]);
        assert!(unmodified("").is_empty());
    }

    #[test]
    fn the_program_goes_on_with_less_memory() {
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = text.lines().find_map(|l| l.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let code = Code::find().unwrap();
        assert!(!code.0.is_empty());
        let before = resident();
        code.give_back();
        let after = resident();
        assert!(after < before, "{after} kB of {before} kB");
    }
}
