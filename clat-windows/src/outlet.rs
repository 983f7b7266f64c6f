//! Where a recording is played to.

use crate::device::{Packet, Session, Stop};
use crate::ring::{Ring, RingError, Wake};
use std::time::Duration;

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
