//! The half of IP Helper that Wine does not have: looked up when it is needed, since a call of what is not there ends the
//! program without a word. Every Windows since Vista has all of it.

use super::Code;
use std::ffi::CStr;
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::ERROR_NOT_SUPPORTED;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    MIB_IPFORWARD_ROW2, MIB_IPINTERFACE_ROW, MIB_UNICASTIPADDRESS_ROW,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

macro_rules! late {
    ($($name:ident: fn($arg:ty) $(-> $ret:ty)?;)+) => {
        /// The functions, by the names that `netioapi.h` gives them.
        #[allow(non_snake_case)]
        pub(super) struct Late { $(pub(super) $name: unsafe extern "system" fn($arg) $(-> $ret)?,)+ }

        /// Their names.
        const NAMES: &[&CStr] = &[$(name(concat!(stringify!($name), "\0"))),+];

        impl Late {
            fn find() -> Option<Self> {
                Some(Self {
                    // SAFETY: the type is that of `netioapi.h`.
                    $($name: unsafe {
                        std::mem::transmute::<Function, unsafe extern "system" fn($arg) $(-> $ret)?>(
                            function(name(concat!(stringify!($name), "\0")))?,
                        )
                    },)+
                })
            }
        }
    };
}

late! {
    InitializeIpInterfaceEntry: fn(*mut MIB_IPINTERFACE_ROW);
    GetIpInterfaceEntry: fn(*mut MIB_IPINTERFACE_ROW) -> u32;
    SetIpInterfaceEntry: fn(*mut MIB_IPINTERFACE_ROW) -> u32;
    InitializeUnicastIpAddressEntry: fn(*mut MIB_UNICASTIPADDRESS_ROW);
    CreateUnicastIpAddressEntry: fn(*const MIB_UNICASTIPADDRESS_ROW) -> u32;
    DeleteUnicastIpAddressEntry: fn(*const MIB_UNICASTIPADDRESS_ROW) -> u32;
    InitializeIpForwardEntry: fn(*mut MIB_IPFORWARD_ROW2);
    CreateIpForwardEntry2: fn(*const MIB_IPFORWARD_ROW2) -> u32;
    DeleteIpForwardEntry2: fn(*const MIB_IPFORWARD_ROW2) -> u32;
}

/// A function of unknown type.
type Function = unsafe extern "system" fn() -> isize;

const fn name(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(name) => name,
        Err(_) => c"",
    }
}

fn function(name: &CStr) -> Option<Function> {
    let dll = super::wide("iphlpapi.dll");
    // SAFETY: both names end with a zero. The program imports other functions of the DLL, so it is loaded for good.
    unsafe { GetProcAddress(GetModuleHandleW(dll.as_ptr()), name.as_ptr().cast()) }
}

/// All of them, or ERROR_NOT_SUPPORTED.
pub(super) fn late() -> Result<&'static Late, Code> {
    static LATE: OnceLock<Option<Late>> = OnceLock::new();
    LATE.get_or_init(Late::find).as_ref().ok_or(Code(ERROR_NOT_SUPPORTED))
}

/// The names of those that this system lacks.
pub(crate) fn missing() -> Vec<&'static str> {
    NAMES.iter().filter(|name| function(name).is_none()).filter_map(|name| name.to_str().ok()).collect()
}
