//! Reading values below HKEY_LOCAL_MACHINE.

use super::iphlp::check;
use super::{Code, wide};
use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, REG_ROUTINE_FLAGS, RRF_RT_REG_BINARY, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RegGetValueW,
};

/// A binary value.
pub(crate) fn bytes(key: &str, name: &str) -> Result<Vec<u8>, Code> {
    // Large enough for a lease; the value may grow between two calls.
    let mut buffer = vec![0; 2048];
    loop {
        match get(key, name, RRF_RT_REG_BINARY, &mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            Err(Code(ERROR_MORE_DATA)) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            Err(code) => return Err(code),
        }
    }
}

/// A number.
pub(crate) fn number(key: &str, name: &str) -> Result<u32, Code> {
    let mut buffer = [0; 4];
    get(key, name, RRF_RT_REG_DWORD, &mut buffer)?;
    Ok(u32::from_ne_bytes(buffer))
}

/// A text of at most 260 characters, variables in it expanded.
pub(crate) fn text(key: &str, name: &str) -> Result<String, Code> {
    let mut buffer = [0; 520];
    let len = get(key, name, RRF_RT_REG_SZ, &mut buffer)?;
    let (pairs, _) = buffer.get(..len).unwrap_or_default().as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    Ok(super::narrow(&units))
}

/// Reads a value of a type into `buffer`; its length in bytes.
fn get(key: &str, name: &str, kind: REG_ROUTINE_FLAGS, buffer: &mut [u8]) -> Result<usize, Code> {
    let (key, name) = (wide(key), wide(name));
    let mut len = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    // SAFETY: both strings end with a zero; `len` is the length of the buffer, which lives during the call.
    check(unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            kind,
            std::ptr::null_mut(),
            buffer.as_mut_ptr().cast(),
            &raw mut len,
        )
    })?;
    Ok(len as usize)
}
