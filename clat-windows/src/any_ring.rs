//! Every ring of this machine as one: the data path with its translator, most of the program, is in it once.

use crate::device::{Packet, Session, Stop};
use crate::frames::link::DataWire;
use crate::frames::ring::{self as frames, FrameRing};
use crate::ring::{Moment, Recording, Replay, ReplayPacket, Ring, RingError, Wake};
use std::time::Duration;

/// Where packets come from and go to.
pub(crate) enum AnyRing {
    /// The adapter has both families.
    Device(Session),
    /// The adapter has IPv4, IPv6 goes as frames.
    Frames(Box<FrameRing<Session, DataWire>>),
    /// They were seen once.
    Replay(Box<Replay<Outlet, Box<dyn Recording>>>),
}

/// A packet of any of them.
pub(crate) enum AnyPacket {
    Device(Packet),
    Frames(frames::Packet<Packet>),
    Replay(ReplayPacket<Packet>),
}

impl AsRef<[u8]> for AnyPacket {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Device(packet) => packet.as_ref(),
            Self::Frames(packet) => packet.as_ref(),
            Self::Replay(packet) => packet.as_ref(),
        }
    }
}

impl Ring for AnyRing {
    type Packet = AnyPacket;

    fn receive(&mut self) -> Result<Option<AnyPacket>, RingError> {
        Ok(match self {
            Self::Device(ring) => ring.receive()?.map(AnyPacket::Device),
            Self::Frames(ring) => ring.receive()?.map(AnyPacket::Frames),
            Self::Replay(ring) => ring.receive()?.map(AnyPacket::Replay),
        })
    }

    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
        match self {
            Self::Device(ring) => ring.send(len, fill),
            Self::Frames(ring) => ring.send(len, fill),
            Self::Replay(ring) => ring.send(len, fill),
        }
    }

    fn wait(&mut self, limit: Option<Duration>) -> Wake {
        match self {
            Self::Device(ring) => ring.wait(limit),
            Self::Frames(ring) => ring.wait(limit),
            Self::Replay(ring) => ring.wait(limit),
        }
    }

    fn is_live(&self) -> bool {
        !matches!(self, Self::Replay(_))
    }

    fn moment(&self) -> Option<Moment> {
        match self {
            Self::Replay(ring) => ring.moment(),
            Self::Device(_) | Self::Frames(_) => None,
        }
    }
}

/// Where a replay goes.
pub(crate) enum Outlet {
    Device(Session),
    /// Nothing comes, and what goes there is gone.
    Nowhere(Stop),
}

impl Ring for Outlet {
    type Packet = Packet;

    fn receive(&mut self) -> Result<Option<Packet>, RingError> {
        match self {
            Self::Device(session) => session.receive(),
            Self::Nowhere(_) => Ok(None),
        }
    }

    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
        match self {
            Self::Device(session) => session.send(len, fill),
            Self::Nowhere(_) => Ok(()),
        }
    }

    fn wait(&mut self, limit: Option<Duration>) -> Wake {
        match self {
            Self::Device(session) => session.wait(limit),
            Self::Nowhere(stop) if stop.wait(limit.unwrap_or(Duration::MAX)) => Wake::Stop,
            Self::Nowhere(_) => Wake::Readable,
        }
    }

    fn speaks(&self) -> bool {
        matches!(self, Self::Device(_))
    }
}
