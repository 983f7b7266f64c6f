//! Npcap's wpcap.dll: loaded where it is installed, a dozen functions of it.
//!
//! Names and structures are those of libpcap's `pcap.h`, which Npcap keeps binary compatible.

use super::event::Borrowed;
use libloading::os::windows::{Library, Symbol};
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_uint, c_void};
use std::io;
use std::path::Path;
use std::sync::Arc;
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;

/// Packet.dll comes from the same folder, everything else from the system's: `LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR` and
/// `LOAD_LIBRARY_SEARCH_SYSTEM32`.
const SEARCH: u32 = 0x100 | 0x800;

/// `PCAP_ERRBUF_SIZE`
const ERRBUF: usize = 256;

/// `DLT_EN10MB`
const ETHERNET: c_int = 1;

/// `PCAP_NETMASK_UNKNOWN`
const NO_NETMASK: c_uint = 0xffff_ffff;

/// `struct bpf_program`
#[repr(C)]
struct Program {
    len: c_uint,
    instructions: *mut c_void,
}

/// `struct pcap_pkthdr`: Windows' `struct timeval` has two 32-bit numbers.
#[repr(C)]
struct Header {
    time: [i32; 2],
    captured: u32,
    len: u32,
}

/// `pcap_t *`
type Pcap = *mut c_void;

macro_rules! functions {
    ($($name:ident: fn($($arg:ty),*) $(-> $ret:ty)?;)+) => {
        /// The functions, and the DLL that keeps them alive.
        struct Functions {
            $($name: Symbol<unsafe extern "C" fn($($arg),*) $(-> $ret)?>,)+
            _library: Library,
        }

        impl Functions {
            fn of(library: Library) -> Result<Self, libloading::Error> {
                // SAFETY: the types are those of `pcap.h`; the DLL is kept as long as the symbols.
                unsafe {
                    Ok(Self {
                        $($name: library.get(concat!(stringify!($name), "\0").as_bytes())?,)+
                        _library: library,
                    })
                }
            }
        }
    };
}

functions! {
    pcap_open_live: fn(*const c_char, c_int, c_int, c_int, *mut c_char) -> Pcap;
    pcap_close: fn(Pcap);
    pcap_datalink: fn(Pcap) -> c_int;
    pcap_setnonblock: fn(Pcap, c_int, *mut c_char) -> c_int;
    pcap_setmintocopy: fn(Pcap, c_int) -> c_int;
    pcap_compile: fn(Pcap, *mut Program, *const c_char, c_int, c_uint) -> c_int;
    pcap_setfilter: fn(Pcap, *mut Program) -> c_int;
    pcap_freecode: fn(*mut Program);
    pcap_next_ex: fn(Pcap, *mut *const Header, *mut *const c_uchar) -> c_int;
    pcap_sendpacket: fn(Pcap, *const c_uchar, c_int) -> c_int;
    pcap_getevent: fn(Pcap) -> *mut c_void;
    pcap_geterr: fn(Pcap) -> *const c_char;
}

/// The DLL.
#[derive(Clone)]
pub(crate) struct Npcap(Arc<Functions>);

impl std::fmt::Debug for Npcap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wpcap.dll")
    }
}

/// The system's folder, usually `C:\Windows\System32`.
pub(crate) fn system_folder() -> String {
    let mut buffer = [0; 260];
    // SAFETY: the buffer is as long as said.
    let len = unsafe { GetSystemDirectoryW(buffer.as_mut_ptr(), 260) };
    super::narrow(buffer.get(..len as usize).unwrap_or_default())
}

impl Npcap {
    /// Loads the file at this absolute path.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        // SAFETY: the file lies in the system's folder, which only administrators can write to; loading it has no side
        // effect but opening its driver.
        let library =
            unsafe { Library::load_with_flags(path, SEARCH) }.map_err(|e| super::wintun::chain(&e))?;
        let functions = Functions::of(library).map_err(|e| super::wintun::chain(&e))?;
        Ok(Self(Arc::new(functions)))
    }

    /// Opens a device (`\Device\NPF_{GUID}`): frames of everybody, waiting up to `patience_ms`, or not at all for zero.
    pub(crate) fn open(&self, device: &str, longest: u16, patience_ms: u16) -> io::Result<Handle> {
        let device = CString::new(device)?;
        let mut error = [0; ERRBUF];
        // SAFETY: the name ends with a zero; the buffer has the size that the function expects.
        let pcap = unsafe {
            (self.0.pcap_open_live)(
                device.as_ptr(),
                longest.into(),
                1,
                patience_ms.max(1).into(),
                error.as_mut_ptr(),
            )
        };
        if pcap.is_null() {
            // SAFETY: the function left a text that ends with a zero.
            return Err(io::Error::other(unsafe { text(error.as_ptr()) }));
        }
        let handle = Handle { pcap, of: self.clone() };
        // SAFETY: an open handle; the buffer has the size that the function expects.
        let ready = unsafe {
            // Each frame at once: without this the driver collects them.
            handle.done((self.0.pcap_setmintocopy)(pcap, 0))?;
            (patience_ms > 0) || (self.0.pcap_setnonblock)(pcap, 1, error.as_mut_ptr()) == 0
        };
        // SAFETY: an open handle.
        let link = unsafe { (self.0.pcap_datalink)(pcap) };
        match (ready, link) {
            (true, ETHERNET) => Ok(handle),
            (true, _) => {
                Err(io::Error::other("it is no Ethernet, and raw frames are spoken on Ethernet only"))
            }
            (false, _) => Err(handle.error()),
        }
    }
}

/// An open device.
#[derive(Debug)]
pub(crate) struct Handle {
    pcap: Pcap,
    of: Npcap,
}

// SAFETY: libpcap lets one thread at a time use a handle, whichever it is.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: our handle, closed once.
        unsafe { (self.of.0.pcap_close)(self.pcap) };
    }
}

impl Handle {
    /// Hears only what passes this filter, which the driver runs.
    pub(crate) fn filter(&mut self, expression: &str) -> io::Result<()> {
        let expression = CString::new(expression)?;
        let mut program = Program { len: 0, instructions: std::ptr::null_mut() };
        let npcap = &self.of.0;
        // SAFETY: an open handle and an expression that ends with a zero; the program is freed once it is set.
        unsafe {
            let compiled =
                (npcap.pcap_compile)(self.pcap, &raw mut program, expression.as_ptr(), 1, NO_NETMASK);
            self.done(compiled)?;
            let set = (npcap.pcap_setfilter)(self.pcap, &raw mut program);
            (npcap.pcap_freecode)(&raw mut program);
            self.done(set)
        }
    }

    /// The next frame, or `None` when none waits or came in time.
    pub(crate) fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        let (mut header, mut data) = (std::ptr::null(), std::ptr::null());
        // SAFETY: an open handle and two places for pointers.
        let found = unsafe { (self.of.0.pcap_next_ex)(self.pcap, &raw mut header, &raw mut data) };
        match found {
            // SAFETY: both point into the handle's buffer, which stays as it is until the next call on the handle.
            1 => Ok(Some(unsafe {
                let header: &Header = &*header;
                std::slice::from_raw_parts(data, header.captured as usize)
            })),
            0 => Ok(None),
            _ => Err(self.error()),
        }
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let len = c_int::try_from(frame.len()).map_err(io::Error::other)?;
        // SAFETY: an open handle and a buffer of this length.
        self.done(unsafe { (self.of.0.pcap_sendpacket)(self.pcap, frame.as_ptr(), len) })
    }

    /// Is set when frames wait. It lives as long as the handle.
    pub(crate) fn event(&self) -> Borrowed {
        // SAFETY: an open handle.
        Borrowed::new(unsafe { (self.of.0.pcap_getevent)(self.pcap) })
    }

    fn done(&self, result: c_int) -> io::Result<()> {
        if result == 0 { Ok(()) } else { Err(self.error()) }
    }

    fn error(&self) -> io::Error {
        // SAFETY: an open handle; the text is in it and ends with a zero.
        io::Error::other(unsafe { text((self.of.0.pcap_geterr)(self.pcap)) })
    }
}

/// # Safety
/// Null or a text that ends with a zero.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: by the contract of this function.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().trim_end().to_owned()
}
