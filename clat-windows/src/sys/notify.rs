//! Change notifications of IP Helper: one callback for interfaces, addresses and routes.

use super::Code;
use super::iphlp::check;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    CancelMibChangeNotify2, MIB_IPFORWARD_ROW2, MIB_IPINTERFACE_ROW, MIB_NOTIFICATION_TYPE,
    MIB_UNICASTIPADDRESS_ROW, NotifyIpInterfaceChange, NotifyRouteChange2, NotifyUnicastIpAddressChange,
};
use windows_sys::Win32::Networking::WinSock::AF_UNSPEC;

/// Called from a thread of the system's, and quickly done.
type Callback = Box<dyn Fn() + Send + Sync>;

/// Registered callbacks. Dropping it waits for calls in progress.
pub(crate) struct Notifications {
    handles: Vec<HANDLE>,
    // Behind a second box, so that the context is a thin pointer.
    callback: *mut Callback,
}

// SAFETY: handles are numbers, and the callback may be called from any thread.
unsafe impl Send for Notifications {}

impl std::fmt::Debug for Notifications {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifications").field("handles", &self.handles.len()).finish_non_exhaustive()
    }
}

unsafe extern "system" fn interface(
    context: *const core::ffi::c_void,
    _: *const MIB_IPINTERFACE_ROW,
    _: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: the context is ours.
    unsafe { call(context) }
}

unsafe extern "system" fn address(
    context: *const core::ffi::c_void,
    _: *const MIB_UNICASTIPADDRESS_ROW,
    _: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: the context is ours.
    unsafe { call(context) }
}

unsafe extern "system" fn route(
    context: *const core::ffi::c_void,
    _: *const MIB_IPFORWARD_ROW2,
    _: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: the context is ours.
    unsafe { call(context) }
}

/// # Safety
/// `context` is the pointer of a live [`Notifications`].
unsafe fn call(context: *const core::ffi::c_void) {
    // SAFETY: by the contract of this function.
    if let Some(callback) = unsafe { context.cast::<Callback>().as_ref() } {
        callback();
    }
}

impl Notifications {
    /// Registers for all three kinds of change.
    pub(crate) fn register(callback: impl Fn() + Send + Sync + 'static) -> Result<Self, Code> {
        let callback: *mut Callback = Box::into_raw(Box::new(Box::new(callback)));
        let mut this = Self { handles: Vec::new(), callback };
        let context = callback.cast::<core::ffi::c_void>().cast_const();
        // SAFETY: the context outlives the registrations, which end in `drop`.
        unsafe {
            this.add(|h| NotifyIpInterfaceChange(AF_UNSPEC, Some(interface), context, false, h))?;
            this.add(|h| NotifyUnicastIpAddressChange(AF_UNSPEC, Some(address), context, false, h))?;
            this.add(|h| NotifyRouteChange2(AF_UNSPEC, Some(route), context, false, h))?;
        }
        Ok(this)
    }

    fn add(&mut self, register: impl FnOnce(*mut HANDLE) -> u32) -> Result<(), Code> {
        let mut handle: HANDLE = std::ptr::null_mut();
        check(register(&raw mut handle))?;
        if !handle.is_null() {
            self.handles.push(handle);
        }
        Ok(())
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        for handle in &self.handles {
            // SAFETY: a handle of ours, cancelled once. The call returns after the last callback.
            unsafe { CancelMibChangeNotify2(*handle) };
        }
        // SAFETY: no registration is left that could use it.
        drop(unsafe { Box::from_raw(self.callback) });
    }
}
