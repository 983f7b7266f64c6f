//! The link by libpcap.

use crate::sys::socket;
use pcap::{Active, Capture, Direction, Linktype};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// What the kernel keeps for us in bytes; what does not fit is lost.
const BUFFER: i32 = 4 << 20;
/// The largest packet that a card puts together, with its frame.
const SNAPLEN: i32 = 65_535 + 40 + 18;

/// An interface of which frames are heard and on which they are sent. Readable ([`AsFd`]) when one waits.
pub struct Wire(Capture<Active>);

impl Wire {
    /// Opens an Ethernet interface: what comes in, at once, as far as the card lets it through. It is not made
    /// promiscuous: others' frames are none of ours.
    ///
    /// # Errors
    /// Without CAP_NET_RAW, or on a link that is no Ethernet.
    pub fn open(name: &str) -> io::Result<Self> {
        let capture = Capture::from_device(name)
            .map_err(told)?
            .promisc(false)
            .immediate_mode(true)
            .snaplen(SNAPLEN)
            .buffer_size(BUFFER)
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
