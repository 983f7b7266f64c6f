//! Small questions to the system.

use super::Code;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    ICMP_ECHO_REPLY, IP_OPTION_INFORMATION, IcmpCloseHandle, IcmpCreateFile, IcmpSendEcho2Ex,
};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::ProcessStatus::{
    GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS, PROCESS_MEMORY_COUNTERS_EX,
};
use windows_sys::Win32::System::SystemInformation::GetTickCount64;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// `IP_FLAG_DF` of ipexport.h.
const DONT_FRAGMENT: u8 = 2;

/// Milliseconds since the machine was started, sleep included.
pub(crate) fn uptime_ms() -> u64 {
    // SAFETY: reads a number.
    unsafe { GetTickCount64() }
}

/// Whether a loaded DLL has a function; Wine leaves out those it does not have.
pub(crate) fn has_function(dll: &str, function: &std::ffi::CStr) -> bool {
    let name = super::wide(dll);
    // SAFETY: both names end with a zero; nothing is called.
    unsafe {
        let module = GetModuleHandleW(name.as_ptr());
        !module.is_null() && GetProcAddress(module, function.as_ptr().cast()).is_some()
    }
}

/// Private bytes of this process.
pub(crate) fn private_bytes() -> Option<u64> {
    let mut counters = PROCESS_MEMORY_COUNTERS_EX::default();
    let size = size_of::<PROCESS_MEMORY_COUNTERS_EX>() as u32;
    // SAFETY: the larger structure begins like the smaller one, and its size is given.
    let done = unsafe {
        GetProcessMemoryInfo(GetCurrentProcess(), (&raw mut counters).cast::<PROCESS_MEMORY_COUNTERS>(), size)
    };
    (done != 0).then_some(counters.PrivateUsage as u64)
}

/// Has `handler` called at Ctrl-C, at the window's close, at log-off and shutdown, in a thread of the system's.
pub(crate) fn on_console_event(handler: unsafe extern "system" fn(u32) -> i32) -> Result<(), Code> {
    // SAFETY: the handler is a function and lives for ever.
    if unsafe { SetConsoleCtrlHandler(Some(handler), 1) } == 0 { Err(Code::last()) } else { Ok(()) }
}

/// What came back from an echo request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) from: [u8; 4],
    pub(crate) status: u32,
}

/// Sends an ICMPv4 echo request of `payload` bytes with Don't Fragment and waits for an answer.
pub(crate) fn echo(from: [u8; 4], to: [u8; 4], ttl: u8, payload: u16, wait_ms: u32) -> Result<Echo, Code> {
    // SAFETY: no arguments; the result is checked.
    let file: HANDLE = unsafe { IcmpCreateFile() };
    if file.is_null() || file as isize == -1 {
        return Err(Code::last());
    }
    let data = vec![0x61_u8; payload.into()];
    // As the documentation asks: the reply, the data, and eight bytes of an ICMP error.
    let mut reply = vec![0_u64; (size_of::<ICMP_ECHO_REPLY>() + usize::from(payload) + 72).div_ceil(8)];
    let options =
        IP_OPTION_INFORMATION { Ttl: ttl, Flags: DONT_FRAGMENT, ..IP_OPTION_INFORMATION::default() };
    // SAFETY: the buffers live during the call, which waits for the answer, and are as long as said.
    let found = unsafe {
        IcmpSendEcho2Ex(
            file,
            std::ptr::null_mut(),
            None,
            std::ptr::null(),
            u32::from_ne_bytes(from),
            u32::from_ne_bytes(to),
            data.as_ptr().cast(),
            payload,
            &raw const options,
            reply.as_mut_ptr().cast(),
            (reply.len() * 8) as u32,
            wait_ms,
        )
    };
    let result = if found == 0 {
        Err(Code::last())
    } else {
        // SAFETY: the call stored at least one reply in the aligned buffer.
        let answer = unsafe { reply.as_ptr().cast::<ICMP_ECHO_REPLY>().read() };
        Ok(Echo { from: answer.Address.to_ne_bytes(), status: answer.Status })
    };
    // SAFETY: our handle, closed once.
    unsafe { IcmpCloseHandle(file) };
    result
}
