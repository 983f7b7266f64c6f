//! The ioctls of `/dev/net/tun` (Linux `include/uapi/linux/if_tun.h`).

use rustix::{io, ioctl};
use std::ffi::c_int;
use std::os::fd::BorrowedFd;

/// `IFNAMSIZ`: an interface name and its terminating zero.
pub(crate) const NAME_SIZE: usize = 16;

/// `struct ifreq` as far as TUNSETIFF reads it.
#[repr(C)]
struct IfReq {
    name: [u8; NAME_SIZE],
    flags: u16,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<IfReq>() == 40);

const TUNSETIFF: ioctl::Opcode = ioctl::opcode::write::<c_int>(b'T', 202);
const TUNSETOFFLOAD: ioctl::Opcode = ioctl::opcode::write::<u32>(b'T', 208);
const TUNSETVNETHDRSZ: ioctl::Opcode = ioctl::opcode::write::<c_int>(b'T', 216);
const TUNSETVNETLE: ioctl::Opcode = ioctl::opcode::write::<c_int>(b'T', 220);

/// Ties the descriptor to the interface of this name, made if there is none. Returns the name that the
/// kernel chose (`name` may hold a pattern such as `clat%d`).
pub(crate) fn set_interface(fd: BorrowedFd<'_>, name: &str, flags: u16) -> io::Result<String> {
    let mut request = IfReq { name: [0; NAME_SIZE], flags, rest: [0; 22] };
    if name.len() >= NAME_SIZE {
        return Err(io::Errno::NAMETOOLONG);
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which `IfReq` has the size and layout of;
    // the pointer is valid for the call.
    unsafe { ioctl::ioctl(fd, ioctl::Updater::<TUNSETIFF, IfReq>::new(&mut request))? };
    let end = request.name.iter().position(|&b| b == 0).unwrap_or(NAME_SIZE);
    Ok(String::from_utf8_lossy(&request.name[..end]).into_owned())
}

/// Says which offloads this end understands (`TUN_F_*`).
pub(crate) fn set_offload(fd: BorrowedFd<'_>, flags: u32) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value and touches no memory of ours.
    unsafe { ioctl::ioctl(fd, ioctl::IntegerSetter::<TUNSETOFFLOAD>::new_usize(flags as usize)) }
}

/// Sets the length of the virtio-net header, in bytes, and fixes its byte order to little-endian.
pub(crate) fn set_vnet_header(fd: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    let len = c_int::try_from(len).map_err(|_| io::Errno::INVAL)?;
    // SAFETY: both ioctls read one `int` through the pointer.
    unsafe {
        ioctl::ioctl(fd, ioctl::Setter::<TUNSETVNETHDRSZ, c_int>::new(len))?;
        ioctl::ioctl(fd, ioctl::Setter::<TUNSETVNETLE, c_int>::new(1))
    }
}
