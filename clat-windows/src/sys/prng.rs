//! Random bytes where the system has no `bcryptprimitives.dll`, as Wine 8.0: the program starts there too.
//!
//! The standard library and `getrandom` import one function of that DLL, and a program whose import is missing does not
//! start. The two symbols through which it is called are defined here, which the linker takes before those of the import:
//! the function is looked up at the first call, in the system's folder. Only where it is missing is `RtlGenRandom` asked
//! (`SystemFunction036` of advapi32.dll), as the standard library did before Windows 10 was the least.

use std::sync::OnceLock;
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};

/// `ProcessPrng`: fills a buffer of this length, and always succeeds.
type Fill = unsafe extern "system" fn(*mut u8, usize) -> i32;

/// `RtlGenRandom`: the same, with a `BOOLEAN` and a length of 32 bits.
type OldFill = unsafe extern "system" fn(*mut u8, u32) -> u8;

/// The entry of an import table.
#[unsafe(no_mangle)]
#[used]
#[allow(non_upper_case_globals)]
static __imp_ProcessPrng: Fill = ProcessPrng;

#[derive(Clone, Copy)]
enum Source {
    New(Fill),
    Old(OldFill),
}

/// The function itself.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
unsafe extern "system" fn ProcessPrng(buffer: *mut u8, len: usize) -> i32 {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    match *SOURCE.get_or_init(source) {
        // SAFETY: the caller's buffer and its length.
        Source::New(fill) => unsafe { fill(buffer, len) },
        Source::Old(fill) => {
            let mut done = 0;
            while done < len {
                let piece = u32::try_from(len - done).unwrap_or(u32::MAX);
                // SAFETY: so many bytes of the caller's buffer are left.
                if unsafe { fill(buffer.add(done), piece) } == 0 {
                    // What the caller cannot be told: there are no random numbers to be had.
                    std::process::abort();
                }
                done += piece as usize;
            }
            1
        }
    }
}

fn source() -> Source {
    // SAFETY: the types are those that Microsoft documents for the two functions.
    unsafe {
        if let Some(new) = function("bcryptprimitives.dll", c"ProcessPrng") {
            return Source::New(std::mem::transmute::<Function, Fill>(new));
        }
        match function("advapi32.dll", c"SystemFunction036") {
            Some(old) => Source::Old(std::mem::transmute::<Function, OldFill>(old)),
            None => std::process::abort(),
        }
    }
}

/// A function of unknown type.
type Function = unsafe extern "system" fn() -> isize;

fn function(dll: &str, name: &std::ffi::CStr) -> Option<Function> {
    let dll = super::wide(dll);
    // SAFETY: both names end with a zero; the DLL is one of the system's own folder and stays loaded.
    unsafe {
        let module = LoadLibraryExW(dll.as_ptr(), std::ptr::null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32);
        if module.is_null() { None } else { GetProcAddress(module, name.as_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_filled_by_whatever_there_is() {
        let (mut one, mut other) = ([0_u8; 64], [0_u8; 64]);
        for buffer in [&mut one, &mut other] {
            // SAFETY: a buffer of this length.
            assert_eq!(unsafe { ProcessPrng(buffer.as_mut_ptr(), buffer.len()) }, 1);
        }
        assert!(one != other && one != [0; 64]);
    }
}
