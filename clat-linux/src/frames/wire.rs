//! The link by libpcap.

use crate::sys::socket;
use pcap::{Active, Capture, Direction, Linktype};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// What the kernel keeps of one sort of frames until they are read; what does not fit is lost. A frame takes a slot
/// of the largest size (TPACKET_V2, which immediate mode needs), and two slots a block must fit.
struct Room {
    /// The largest frame in bytes.
    frame: i32,
    /// All slots in bytes.
    all: i32,
}

/// Packets: 512 slots, each for the largest super-packet that a card or a virtual link puts together (GRO and TSO
/// stay below 65536 bytes). With 64 slots, a download at 16 MB/s on two busy cores lost 9 % of its packets.
const PACKETS: Room = Room { frame: 65_400, all: 32 << 20 };
/// Messages of Neighbour Discovery and MLD.
const MESSAGES: Room = Room { frame: 9_000, all: 1 << 20 };

/// An interface of which frames are heard and on which they are sent. Readable ([`AsFd`]) when one waits.
pub struct Wire(Capture<Active>);

impl Wire {
    /// Whether this program may open interfaces.
    ///
    /// # Errors
    /// Without CAP_NET_RAW.
    pub fn allowed() -> io::Result<()> {
        Ok(socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None).map(drop)?)
    }

    /// Opens an Ethernet interface for packets of any size: what comes in, at once, as far as the card lets it
    /// through. It is not made promiscuous: others' frames are none of ours.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or on a link that is no Ethernet.
    pub fn for_packets(name: &str) -> io::Result<Self> {
        Self::open(name, &PACKETS)
    }

    /// As [`for_packets`](Self::for_packets), for messages of Neighbour Discovery.
    ///
    /// # Errors
    /// As there.
    pub fn for_messages(name: &str) -> io::Result<Self> {
        Self::open(name, &MESSAGES)
    }

    fn open(name: &str, room: &Room) -> io::Result<Self> {
        let capture = Capture::from_device(name)
            .map_err(told)?
            .promisc(false)
            .immediate_mode(true)
            .snaplen(room.frame)
            .buffer_size(room.all)
            .open()
            .and_then(Capture::setnonblock)
            .map_err(told)?;
        capture.direction(Direction::In).map_err(told)?;
        if capture.get_datalink() != Linktype::ETHERNET {
            return Err(io::Error::other("it is no Ethernet, and raw frames are spoken on Ethernet only"));
        }
        Ok(Self(capture))
    }

    /// Hears only what passes this filter, which the kernel runs.
    ///
    /// # Errors
    /// When libpcap does not understand it.
    pub fn filter(&mut self, program: &str) -> io::Result<()> {
        self.0.filter(program, true).map_err(told)
    }

    /// Has the card let through what is sent to a link-layer group, until this is closed; or no longer.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn hear_group(&mut self, ifindex: u32, group: [u8; 6], hear: bool) -> io::Result<()> {
        let ifindex = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
        socket::hear_group(self.0.as_fd(), ifindex, group, hear)
    }

    /// Frames that passed the filter and found no room, since it was opened.
    pub fn lost(&mut self) -> u64 {
        self.0.stats().map_or(0, |stats| u64::from(stats.dropped))
    }

    /// The next frame, or `None` when none waits.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        match self.0.next_packet() {
            Ok(packet) => Ok(Some(packet.data)),
            Err(pcap::Error::TimeoutExpired) => Ok(None),
            Err(error) => Err(told(error)),
        }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// What the kernel says (link down, no buffers, too long).
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.sendpacket(frame).map_err(told)
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

fn told(error: pcap::Error) -> io::Error {
    io::Error::other(error)
}
