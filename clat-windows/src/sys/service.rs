//! The entry point that the service manager calls, and the one setting that `windows-service` does not know.

use super::{Code, wide};
use std::ffi::OsString;
use std::sync::OnceLock;
use windows_service::service::Service;
use windows_service::{define_windows_service, service_dispatcher};
use windows_sys::Win32::System::Services::{
    ChangeServiceConfig2W, SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, SERVICE_REQUIRED_PRIVILEGES_INFOW,
};

static MAIN: OnceLock<fn()> = OnceLock::new();

define_windows_service!(entry, main);

fn main(_: Vec<OsString>) {
    if let Some(main) = MAIN.get() {
        main();
    }
}

/// Hands this thread to the service manager, which calls `main` in another one; returns when the service has stopped.
pub(crate) fn dispatch(name: &str, main: fn()) -> windows_service::Result<()> {
    // One service a process.
    let _ = MAIN.set(main);
    service_dispatcher::start(name, entry)
}

/// Leaves the service these privileges and no others from its next start on.
pub(crate) fn require_privileges(service: &Service, privileges: &[&str]) -> Result<(), Code> {
    let mut list: Vec<u16> = privileges.iter().flat_map(|p| wide(p)).chain([0]).collect();
    let info = SERVICE_REQUIRED_PRIVILEGES_INFOW { pmszRequiredPrivileges: list.as_mut_ptr() };
    // SAFETY: the handle is open; structure and list live during the call.
    let done = unsafe {
        ChangeServiceConfig2W(
            service.raw_handle(),
            SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
            (&raw const info).cast(),
        )
    };
    if done == 0 { Err(Code::last()) } else { Ok(()) }
}
