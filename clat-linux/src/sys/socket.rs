//! Socket options and packet information that rustix has no words for.

use rustix::fd::{AsFd, AsRawFd};
use std::ffi::c_int;
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::ptr;

/// Sets an option whose value is an `int`.
pub(crate) fn set_int(fd: impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    set(fd, level, name, &value.to_ne_bytes())
}

/// Sets an option whose value is plain bytes.
pub(crate) fn set(fd: impl AsFd, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is borrowed for the call, and the pointer and length are those of a live slice
    // that the kernel only reads.
    let rc = unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, name, value.as_ptr().cast(), len) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the card of an interface let through what is sent to a link-layer group, for as long as the packet socket
/// is open; or no longer.
#[cfg_attr(not(feature = "live"), allow(dead_code))]
pub(crate) fn hear_group(fd: impl AsFd, ifindex: i32, group: [u8; 6], hear: bool) -> io::Result<()> {
    // struct packet_mreq: index, type, length of the address, eight bytes of it.
    let mut request = [0; 16];
    request[..4].copy_from_slice(&ifindex.to_ne_bytes());
    request[4..6].copy_from_slice(&(libc::PACKET_MR_MULTICAST as u16).to_ne_bytes());
    request[6..8].copy_from_slice(&6_u16.to_ne_bytes());
    request[8..14].copy_from_slice(&group);
    let name = if hear { libc::PACKET_ADD_MEMBERSHIP } else { libc::PACKET_DROP_MEMBERSHIP };
    set(fd, libc::SOL_PACKET, name, &request)
}

/// The cookie of the network namespace that a socket is in: never used twice until the next boot.
pub(crate) fn netns_cookie(fd: impl AsFd) -> io::Result<u64> {
    let mut value = 0_u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into a live u64, for which every bit pattern is valid.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            ptr::from_mut(&mut value).cast(),
            &raw mut len,
        )
    };
    if rc == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// Sends an IPv6 packet on a link to a link-layer address, through a packet socket (`AF_PACKET`, `SOCK_DGRAM`).
pub(crate) fn send_frame(fd: impl AsFd, ifindex: i32, mac: [u8; 6], packet: &[u8]) -> io::Result<()> {
    // SAFETY: sockaddr_ll is a plain C struct for which all zeroes is a valid value.
    let mut to: libc::sockaddr_ll = unsafe { zeroed() };
    to.sll_family = libc::AF_PACKET as _;
    to.sll_protocol = (libc::ETH_P_IPV6 as u16).to_be();
    to.sll_ifindex = ifindex;
    to.sll_halen = 6;
    for (octet, value) in to.sll_addr.iter_mut().zip(mac) {
        *octet = value;
    }
    // SAFETY: the descriptor is borrowed for the call; packet and address are live and of the lengths given.
    let rc = unsafe {
        libc::sendto(
            fd.as_fd().as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            libc::MSG_DONTWAIT,
            (&raw const to).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the kernel drop what this program of classic BPF, `(code, jt, jf, k)`, does not take.
pub(crate) fn filter(fd: impl AsFd, program: &[(u16, u8, u8, u32)]) -> io::Result<()> {
    let code = |&(code, jt, jf, k): &(u16, u8, u8, u32)| libc::sock_filter { code, jt, jf, k };
    let mut code: Vec<libc::sock_filter> = program.iter().map(code).collect();
    let len = u16::try_from(code.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: code.as_mut_ptr() };
    // SAFETY: the descriptor is borrowed for the call; the program and the instructions that it points to are
    // live, of the length given, and only read.
    let rc = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            ptr::from_ref(&program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has a packet socket hear one protocol (an EtherType) on one link.
pub(crate) fn bind_to_link(fd: impl AsFd, ifindex: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: sockaddr_ll is a plain C struct for which all zeroes is a valid value.
    let mut at: libc::sockaddr_ll = unsafe { zeroed() };
    at.sll_family = libc::AF_PACKET as _;
    at.sll_protocol = protocol.to_be();
    at.sll_ifindex = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is borrowed for the call; the address is live and of the length given.
    let rc = unsafe {
        libc::bind(
            fd.as_fd().as_raw_fd(),
            (&raw const at).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A datagram with what the kernel tells about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// Its length in the buffer.
    pub(crate) len: usize,
    /// The sender.
    pub(crate) source: Ipv6Addr,
    /// The destination; unspecified where the kernel does not tell.
    pub(crate) destination: Ipv6Addr,
    /// The interface it came in by; 0 where the kernel does not tell.
    pub(crate) ifindex: u32,
    /// The hop limit on arrival; 0 where the kernel does not tell.
    pub(crate) hop_limit: u8,
}

/// Room for the two control messages asked for, aligned as the kernel wants them.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// Receives one datagram on an IPv6 socket that has `IPV6_RECVPKTINFO` and `IPV6_RECVHOPLIMIT` on.
pub(crate) fn receive6(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; 128]);
    let mut name = MaybeUninit::<libc::sockaddr_in6>::zeroed();
    let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is a plain C struct for which all zeroes is a valid value.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = name.as_mut_ptr().cast();
    header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>() as _;
    // SAFETY: all pointers in the header are to live objects of the lengths beside them.
    let rc = unsafe { libc::recvmsg(fd.as_fd().as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let len = usize::try_from(rc).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: zeroed before, and the kernel wrote at most a sockaddr_in6; every bit pattern is valid.
    let name = unsafe { name.assume_init() };
    let source = SocketAddrV6::new(name.sin6_addr.s6_addr.into(), 0, 0, 0);
    let mut received = Received {
        len: len.min(buffer.len()),
        source: *source.ip(),
        destination: Ipv6Addr::UNSPECIFIED,
        ifindex: 0,
        hop_limit: 0,
    };
    read_control(&header, &mut received);
    Ok(received)
}

fn read_control(header: &libc::msghdr, received: &mut Received) {
    // SAFETY: the header is as recvmsg left it: msg_control and msg_controllen bound the messages that the
    // kernel wrote, and CMSG_FIRSTHDR and CMSG_NXTHDR stay within them.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: not null, so it points to a control message header within the buffer, aligned.
        let (level, kind, data) = unsafe { ((*next).cmsg_level, (*next).cmsg_type, libc::CMSG_DATA(next)) };
        if level == libc::IPPROTO_IPV6 && kind == libc::IPV6_PKTINFO {
            // SAFETY: a message of this type carries an in6_pktinfo; the read does not ask for alignment.
            let info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
            received.destination = info.ipi6_addr.s6_addr.into();
            received.ifindex = info.ipi6_ifindex;
        } else if level == libc::IPPROTO_IPV6 && kind == libc::IPV6_HOPLIMIT {
            // SAFETY: a message of this type carries an int; the read does not ask for alignment.
            let hops = unsafe { data.cast::<c_int>().read_unaligned() };
            received.hop_limit = u8::try_from(hops).unwrap_or(0);
        }
        // SAFETY: as for CMSG_FIRSTHDR; `next` is a message of this header.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
}
