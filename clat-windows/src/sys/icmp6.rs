//! What the standard library and `socket2` lack of an ICMPv6 socket: control data on receive, and hearing all.

use socket2::Socket;
use std::io;
use std::net::Ipv6Addr;
use std::os::windows::io::AsRawSocket;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET6, CMSGHDR, IN6_PKTINFO, IPPROTO_IPV6, IPV6_HOPLIMIT, IPV6_PKTINFO, LPFN_WSARECVMSG,
    RCVALL_IPLEVEL, SIO_GET_EXTENSION_FUNCTION_POINTER, SIO_RCVALL, SOCKADDR, SOCKADDR_IN6, SOCKET, WSABUF,
    WSAGetLastError, WSAID_WSARECVMSG, WSAIoctl, WSAMSG, setsockopt,
};

/// `WSARecvMsg`, which is not exported but asked of the socket's provider.
#[derive(Clone, Copy)]
pub(crate) struct RecvMsg(LPFN_WSARECVMSG);

impl std::fmt::Debug for RecvMsg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WSARecvMsg")
    }
}

/// A message with what the network layer said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) len: usize,
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) ifindex: u32,
    pub(crate) hop_limit: u8,
}

/// Room for two control messages, aligned as they must be.
#[repr(C, align(8))]
struct Control([u8; 128]);

#[allow(clippy::cast_possible_truncation)]
fn raw(socket: &Socket) -> SOCKET {
    socket.as_raw_socket() as SOCKET
}

fn last() -> io::Error {
    // SAFETY: reads a number of this thread.
    io::Error::from_raw_os_error(unsafe { WSAGetLastError() })
}

/// Asks for destination, interface and hop limit with each message.
pub(crate) fn want_control_data(socket: &Socket) -> io::Result<()> {
    for option in [IPV6_PKTINFO, IPV6_HOPLIMIT] {
        let on = 1_u32.to_ne_bytes();
        // SAFETY: four bytes of an option that takes four.
        if unsafe { setsockopt(raw(socket), IPPROTO_IPV6, option, on.as_ptr(), 4) } != 0 {
            return Err(last());
        }
    }
    Ok(())
}

/// Hears every packet that reaches the IP layer of the interface whose address the socket is bound to, without
/// promiscuous mode.
pub(crate) fn hear_all(socket: &Socket) -> io::Result<()> {
    let (level, mut returned) = (RCVALL_IPLEVEL.to_ne_bytes(), 0);
    // SAFETY: the input is four bytes; there is no output but the count.
    let failed = unsafe {
        WSAIoctl(
            raw(socket),
            SIO_RCVALL,
            level.as_ptr().cast(),
            4,
            std::ptr::null_mut(),
            0,
            &raw mut returned,
            std::ptr::null_mut(),
            None,
        )
    };
    if failed == 0 { Ok(()) } else { Err(last()) }
}

impl RecvMsg {
    pub(crate) fn of(socket: &Socket) -> io::Result<Self> {
        let (id, mut function, mut returned) = (WSAID_WSARECVMSG, None, 0);
        // SAFETY: the input is a GUID, the output a function pointer of the type that belongs to it.
        let failed = unsafe {
            WSAIoctl(
                raw(socket),
                SIO_GET_EXTENSION_FUNCTION_POINTER,
                (&raw const id).cast(),
                size_of_val(&id) as u32,
                (&raw mut function).cast(),
                size_of::<LPFN_WSARECVMSG>() as u32,
                &raw mut returned,
                std::ptr::null_mut(),
                None,
            )
        };
        if failed == 0 { Ok(Self(function)) } else { Err(last()) }
    }

    /// The next message; a message without its control data is an error.
    pub(crate) fn receive(self, socket: &Socket, buf: &mut [u8]) -> io::Result<Received> {
        let Some(function) = self.0 else { return Err(io::ErrorKind::Unsupported.into()) };
        let (mut control, mut name) = (Control([0; 128]), SOCKADDR_IN6::default());
        let mut data = WSABUF { len: u32::try_from(buf.len()).unwrap_or(u32::MAX), buf: buf.as_mut_ptr() };
        let mut message = WSAMSG {
            name: (&raw mut name).cast::<SOCKADDR>(),
            namelen: size_of::<SOCKADDR_IN6>() as i32,
            lpBuffers: &raw mut data,
            dwBufferCount: 1,
            Control: WSABUF { len: 128, buf: control.0.as_mut_ptr() },
            dwFlags: 0,
        };
        let mut len = 0;
        // SAFETY: every pointer of the message is to a live variable of the length given.
        if unsafe { function(raw(socket), &raw mut message, &raw mut len, std::ptr::null_mut(), None) } != 0 {
            return Err(last());
        }
        let filled = control.0.get(..message.Control.len as usize).unwrap_or_default();
        let (info, hop_limit) = control_data(filled).ok_or(io::ErrorKind::InvalidData)?;
        if name.sin6_family != AF_INET6 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: every member of the unions is sixteen plain bytes.
        let (source, destination) = unsafe { (name.sin6_addr.u.Byte, info.ipi6_addr.u.Byte) };
        Ok(Received {
            len: len as usize,
            source: source.into(),
            destination: destination.into(),
            ifindex: info.ipi6_ifindex,
            hop_limit,
        })
    }
}

/// Finds destination, interface and hop limit in the control data.
fn control_data(mut bytes: &[u8]) -> Option<(IN6_PKTINFO, u8)> {
    const HEADER: usize = size_of::<CMSGHDR>();
    let (mut info, mut hop_limit) = (None, None);
    while bytes.len() >= HEADER {
        // SAFETY: there are enough bytes, and any bytes make a header.
        let header = unsafe { bytes.as_ptr().cast::<CMSGHDR>().read_unaligned() };
        let data = bytes.get(HEADER..header.cmsg_len)?;
        match (header.cmsg_level, header.cmsg_type) {
            (IPPROTO_IPV6, IPV6_PKTINFO) if data.len() >= size_of::<IN6_PKTINFO>() => {
                // SAFETY: there are enough bytes, and any bytes make this structure.
                info = Some(unsafe { data.as_ptr().cast::<IN6_PKTINFO>().read_unaligned() });
            }
            (IPPROTO_IPV6, IPV6_HOPLIMIT) => {
                hop_limit = data.first_chunk().and_then(|b| u8::try_from(i32::from_ne_bytes(*b)).ok());
            }
            _ => {}
        }
        bytes = bytes.get(header.cmsg_len.next_multiple_of(align_of::<CMSGHDR>())..).unwrap_or_default();
    }
    info.zip(hop_limit)
}
