//! Packet sockets: what socket2 has no words for.

#![allow(unsafe_code)]

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Duration;

/// A packet socket on one interface, which gives whole frames and tells the VLAN tag that the kernel took off.
/// It does not hear what is sent here, and gives up waiting after a tenth of a second.
pub(crate) fn packet_socket(ifindex: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    socket.set_recv_buffer_size(8 << 20)?;
    for option in [libc::PACKET_AUXDATA, libc::PACKET_IGNORE_OUTGOING] {
        switch_on(socket.as_raw_fd(), option)?;
    }
    // SAFETY: sockaddr_ll is a plain C struct for which all zeroes is a valid value.
    let mut at: libc::sockaddr_ll = unsafe { zeroed() };
    at.sll_family = libc::AF_PACKET as _;
    at.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    at.sll_ifindex = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the descriptor is open during the call; the address is live and of the length given.
    let rc = unsafe { libc::bind(socket.as_raw_fd(), (&raw const at).cast(), len) };
    if rc == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

fn switch_on(fd: RawFd, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open during the call, and the value is a live int that the kernel only reads.
    let rc = unsafe { libc::setsockopt(fd, libc::SOL_PACKET, option, (&raw const on).cast(), len) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for the one control message asked for, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Receives a frame: its length, and the tag (TPID and TCI) that the kernel took off it.
pub(crate) fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<(usize, Option<(u16, u16)>)> {
    let mut control = Control([0; 64]);
    let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is a plain C struct for which all zeroes is a valid value.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>() as _;
    // SAFETY: all pointers in the header are to live objects of the lengths beside them.
    let rc = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
    let len = usize::try_from(rc).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the header is as recvmsg left it, so that CMSG_FIRSTHDR stays within the control messages.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    if first.is_null() {
        return Ok((len, None));
    }
    // SAFETY: not null, so it points to a control message header within the buffer, aligned.
    let (level, kind, data) = unsafe { ((*first).cmsg_level, (*first).cmsg_type, libc::CMSG_DATA(first)) };
    if (level, kind) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return Ok((len, None));
    }
    // SAFETY: a message of this type carries a tpacket_auxdata; the read does not ask for alignment.
    let told = unsafe { data.cast::<libc::tpacket_auxdata>().read_unaligned() };
    let tagged = told.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
    Ok((len, tagged.then_some((told.tp_vlan_tpid, told.tp_vlan_tci))))
}
