//! Requests to the kernel's routing tables over netlink, one at a time and each one answered.
//!
//! rtnetlink does its work inside `send`, so a request needs neither a timeout nor an event loop: the answer
//! is in the socket's queue when `send` comes back. Events have a socket of their own ([`crate::watch`]).

pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod tables;

pub use link::Link;
pub use message::{Address, Route};
pub use tables::Proxy;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket itself failed.
    #[error("the netlink socket failed: {0}")]
    Socket(#[from] io::Error),
    /// The kernel understood and refused.
    #[error("{0}")]
    Refused(io::Error),
    /// The answer was not one that netlink allows.
    #[error("the kernel's netlink answer could not be read: {0}")]
    Answer(String),
    /// A listing changed under our eyes again and again.
    #[error("the kernel's tables change too fast to be listed; try again")]
    Busy,
}

impl NetlinkError {
    /// The kernel's error number, where the kernel refused.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(error) => error.raw_os_error(),
            Self::Socket(_) | Self::Answer(_) | Self::Busy => None,
        }
    }
}

/// A netlink socket for requests.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Box<[u8]>,
}

impl Netlink {
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel gives none (out of descriptors, no netlink).
    pub fn open() -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Older kernels lack it; they filter less and we filter again.
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self { socket, sequence: 0, buffer: buffer() })
    }

    /// Sends one request and waits for the kernel's yes or no. `flags` come on top of REQUEST and ACK.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`] with the kernel's error number.
    pub fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), NetlinkError> {
        let sequence = self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        let mut outcome = Ok(());
        self.answers(sequence, |answer| match answer {
            Answer::End(result) => {
                outcome = result;
                true
            }
            Answer::Entry(..) => false,
        })?;
        outcome
    }

    /// Asks for one object.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`] with the kernel's error number (`ENODEV` where there is no such interface).
    pub fn get(&mut self, message: RouteNetlinkMessage) -> Result<RouteNetlinkMessage, NetlinkError> {
        let sequence = self.send(message, NLM_F_REQUEST | NLM_F_ACK)?;
        let (mut found, mut outcome) = (None, Ok(()));
        self.answers(sequence, |answer| match answer {
            Answer::Entry(entry, _) => {
                found = Some(entry);
                false
            }
            Answer::End(result) => {
                outcome = result;
                true
            }
        })?;
        outcome?;
        found.ok_or_else(|| NetlinkError::Answer("empty".to_owned()))
    }

    /// Lists a table. A listing that the kernel marks as inconsistent is asked for again.
    ///
    /// # Errors
    /// [`NetlinkError::Busy`] when it is never consistent.
    pub fn dump(&mut self, message: &RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            let sequence = self.send(message.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            let (mut entries, mut torn, mut outcome) = (Vec::new(), false, Ok(()));
            self.answers(sequence, |answer| match answer {
                Answer::Entry(entry, flags) => {
                    torn |= flags & NLM_F_DUMP_INTR != 0;
                    entries.push(entry);
                    false
                }
                Answer::End(result) => {
                    outcome = result;
                    true
                }
            })?;
            outcome?;
            if !torn {
                return Ok(entries);
            }
        }
        Err(NetlinkError::Busy)
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<u32, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(self.sequence)
    }

    /// Hands each answer to request `sequence` to `take` until it says that it has enough.
    fn answers(&mut self, sequence: u32, mut take: impl FnMut(Answer) -> bool) -> Result<(), NetlinkError> {
        loop {
            let Some(datagram) = receive(&self.socket, &mut self.buffer)? else { continue };
            for bytes in Messages(datagram) {
                let Some(answer) = Answer::parse(bytes, sequence)? else { continue };
                if take(answer) {
                    return Ok(());
                }
            }
        }
    }
}

/// Room for a datagram. The kernel fills at most 32 KiB with a listing; one message of its own may be longer.
pub(crate) fn buffer() -> Box<[u8]> {
    vec![0; 64 * 1024].into_boxed_slice()
}

/// The next datagram; `None` for one that is not from the kernel: only it is believed.
///
/// # Errors
/// `ENOBUFS` for a datagram that is too long, as for one that the kernel had no room for.
pub(crate) fn receive<'b>(socket: &Socket, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
    let (length, from) = socket.recv_from(&mut &mut *buffer, libc::MSG_TRUNC)?;
    let datagram = buffer.get(..length).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOBUFS))?;
    Ok((from.port_number() == 0).then_some(datagram))
}

/// One part of an answer.
#[derive(Debug)]
enum Answer {
    /// An object, with the flags of its header.
    Entry(RouteNetlinkMessage, u16),
    /// The acknowledgement, the refusal, or the end of a listing.
    End(Result<(), NetlinkError>),
}

impl Answer {
    /// `None` for a message that belongs to another request or that this program has no words for.
    fn parse(bytes: &[u8], sequence: u32) -> Result<Option<Self>, NetlinkError> {
        let Ok(header) = NetlinkBuffer::new_checked(bytes) else {
            return Err(NetlinkError::Answer("truncated".to_owned()));
        };
        if header.sequence_number() != sequence {
            return Ok(None);
        }
        let flags = header.flags();
        // An attribute of a kernel newer than the library must not cost the whole listing.
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else { return Ok(None) };
        Ok(match message.payload {
            NetlinkPayload::InnerMessage(entry) => Some(Self::Entry(entry, flags)),
            NetlinkPayload::Error(error) => Some(Self::End(refusal(error.raw_code()))),
            NetlinkPayload::Done(done) => Some(Self::End(refusal(done.code))),
            NetlinkPayload::Noop | NetlinkPayload::Overrun(_) | _ => None,
        })
    }
}

fn refusal(code: i32) -> Result<(), NetlinkError> {
    match code {
        0 => Ok(()),
        code => Err(NetlinkError::Refused(io::Error::from_raw_os_error(code.saturating_neg()))),
    }
}

/// The messages in a datagram, header included.
#[derive(Debug)]
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        const HEADER: usize = 16;
        let length = u32::from_ne_bytes(*self.0.first_chunk()?);
        let length = usize::try_from(length).ok().filter(|length| *length >= HEADER)?;
        let (message, rest) = self.0.split_at_checked(length)?;
        let padding = length.next_multiple_of(4) - length;
        self.0 = rest.get(padding..).unwrap_or_default();
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_cut_into_its_messages_and_junk_ends_it() {
        let mut datagram = Vec::new();
        for len in [17_u32, 16] {
            datagram.extend_from_slice(&len.to_ne_bytes());
            datagram.resize(datagram.len() + len as usize - 4, 0);
            datagram.resize(datagram.len().next_multiple_of(4), 0);
        }
        datagram.extend_from_slice(&99_u32.to_ne_bytes());
        assert_eq!(Messages(&datagram).map(<[u8]>::len).collect::<Vec<_>>(), [17, 16]);
        assert_eq!(Messages(&[1, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn the_loopback_interface_is_found_and_another_is_not() {
        let mut netlink = Netlink::open().unwrap();
        let found = netlink.link_by_name("lo").unwrap().unwrap();
        assert!(found.loopback && found.index != 0);
        assert_eq!(netlink.link_by_index(found.index).unwrap(), Some(found.clone()));
        assert_eq!(netlink.link_by_name("no-such-link").unwrap(), None);
        assert!(netlink.links().unwrap().contains(&found));
        assert!(netlink.addresses().unwrap().iter().any(|a| a.ifindex == found.index));
    }
}
