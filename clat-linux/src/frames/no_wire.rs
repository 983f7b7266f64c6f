//! The link, where the program was built without libpcap.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// An interface of which frames are heard: there is none in this build.
#[derive(Debug)]
pub struct Wire(Infallible);

impl Wire {
    /// Says what is missing.
    ///
    /// # Errors
    /// Always.
    pub fn allowed() -> io::Result<()> {
        Err(io::Error::other(
            "this program was built without live capture: cargo build --features live, which needs libpcap-dev",
        ))
    }

    /// Says what is missing.
    ///
    /// # Errors
    /// Always.
    pub fn for_packets(_: &str) -> io::Result<Self> {
        Err(Self::allowed().err().unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
    }

    /// Says what is missing.
    ///
    /// # Errors
    /// Always.
    pub fn for_messages(name: &str) -> io::Result<Self> {
        Self::for_packets(name)
    }

    /// Hears only what passes this filter.
    ///
    /// # Errors
    /// None: there is no such link.
    pub fn filter(&mut self, _: &str) -> io::Result<()> {
        match self.0 {}
    }

    /// Has the card let through what is sent to a group.
    ///
    /// # Errors
    /// None: there is no such link.
    pub fn hear_group(&mut self, _: u32, _: [u8; 6], _: bool) -> io::Result<()> {
        match self.0 {}
    }

    /// Frames that found no room.
    pub fn lost(&mut self) -> u64 {
        match self.0 {}
    }

    /// The next frame.
    ///
    /// # Errors
    /// None: there is no such link.
    pub fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        match self.0 {}
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// None: there is no such link.
    pub fn send(&mut self, _: &[u8]) -> io::Result<()> {
        match self.0 {}
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}
