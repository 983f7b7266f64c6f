//! The edge to the linker: the entry that keeps everything alive, and the panic handler that tells.

/// A panic in what is tested leaves a call of this handler, and with it this symbol, in the library.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn clat_link_test_panic_is_reachable() -> !;
    }
    // SAFETY: never linked: the symbol exists only to be looked for.
    unsafe { clat_link_test_panic_is_reachable() }
}

/// # Safety
/// `data` points to `len` bytes, `out` to `out_len` others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clat_everything(data: *mut u8, len: usize, out: *mut u8, out_len: usize) {
    // SAFETY: as the caller promises.
    let (data, out) = unsafe {
        (core::slice::from_raw_parts_mut(data, len), core::slice::from_raw_parts_mut(out, out_len))
    };
    crate::packets::everything(data, out);
}
