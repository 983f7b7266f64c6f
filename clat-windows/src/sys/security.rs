//! Security descriptors from their language and back.

use super::{Code, wide};
use std::path::Path;
use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES,
};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;

/// A descriptor that the system allocated.
#[derive(Debug)]
pub(crate) struct Descriptor(PSECURITY_DESCRIPTOR);

// SAFETY: nobody writes to a descriptor once it is made.
unsafe impl Send for Descriptor {}
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    pub(crate) fn parse(sddl: &str) -> Result<Self, Code> {
        let text = wide(sddl);
        let mut found: PSECURITY_DESCRIPTOR = std::ptr::null_mut();
        // SAFETY: the text ends with a zero; the size is not asked for.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut found,
                std::ptr::null_mut(),
            )
        };
        if done == 0 { Err(Code::last()) } else { Ok(Self(found)) }
    }

    /// For calls that make an object; valid as long as the descriptor.
    pub(crate) const fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0,
            bInheritHandle: 0,
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: allocated by the system, freed once.
        unsafe { LocalFree(self.0) };
    }
}

/// Makes a folder with this descriptor; true when it was not there.
pub(crate) fn create_folder(path: &Path, descriptor: &Descriptor) -> Result<bool, Code> {
    let (name, attributes) = (wide(&path.to_string_lossy()), descriptor.attributes());
    // SAFETY: the name ends with a zero, the attributes live during the call.
    if unsafe { CreateDirectoryW(name.as_ptr(), &raw const attributes) } != 0 {
        return Ok(true);
    }
    match Code::last() {
        Code(ERROR_ALREADY_EXISTS) => Ok(false),
        other => Err(other),
    }
}

/// Owner and access list of a file or folder, in the language.
pub(crate) fn describe(path: &Path) -> Result<String, Code> {
    let name = wide(&path.to_string_lossy());
    let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let (mut found, mut none): (PSECURITY_DESCRIPTOR, _) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the name ends with a zero; only the whole descriptor is asked for.
    let code = unsafe {
        GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            what,
            &raw mut none,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw mut found,
        )
    };
    if code != 0 {
        return Err(Code(code));
    }
    let found = Descriptor(found);
    let (mut text, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: the descriptor lives; the call allocates a string that we free.
    let done = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            found.0,
            SDDL_REVISION_1,
            what,
            &raw mut text,
            &raw mut len,
        )
    };
    if done == 0 {
        return Err(Code::last());
    }
    // SAFETY: the call says how long the string is.
    let sddl = super::narrow(unsafe { std::slice::from_raw_parts(text, len as usize) });
    // SAFETY: allocated by the system, freed once.
    unsafe { LocalFree(text.cast()) };
    Ok(sddl)
}
