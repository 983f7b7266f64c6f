//! The data path over a ring of packets, and how large that ring is.
//!
//! [`Ring`] is what Wintun offers, without Windows: the pump is tested with a ring made of two queues.

mod pump;
mod replay;
mod size;

pub use pump::{Ended, Pump};
pub use replay::{Begin, Replay};
pub use size::CAPACITY;

use std::time::Duration;

/// Why a ring gives or takes no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// The ring towards the driver has no room (ERROR_BUFFER_OVERFLOW).
    Full,
    /// The adapter was removed or the session ended (ERROR_HANDLE_EOF).
    Ended,
    /// The ring's contents make no sense (ERROR_INVALID_DATA).
    Corrupt,
    /// Another Win32 error code.
    System(u32),
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There may be packets.
    Readable,
    /// Somebody asked the data thread to end.
    Stop,
    /// Nothing more will come: the packets were those of a recording.
    Over,
    /// The wait itself failed with this Win32 error code.
    Failed(u32),
}

/// When a packet of a recording was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Since the Unix epoch.
    pub seen: Duration,
    /// The recording's clock in milliseconds, which never goes back; it wraps.
    pub clock_ms: u32,
}

/// A pair of packet rings shared with a driver.
pub trait Ring {
    /// A received packet. Its place in the ring is given back when it is dropped.
    type Packet: AsRef<[u8]>;

    /// The next packet, or `None` when there is none.
    ///
    /// # Errors
    /// Any [`RingError`] but `Full`; the ring is of no use any more.
    fn receive(&mut self) -> Result<Option<Self::Packet>, RingError>;

    /// Takes a slot of exactly `len` bytes, lets `fill` write all of it and hands it to the driver.
    ///
    /// Whatever `fill` does the slot is sent: Wintun sends in the order of allocation, and a slot that is never sent
    /// holds up all that follow.
    ///
    /// # Errors
    /// `Full` when there is no room, anything else when the ring is of no use any more.
    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError>;

    /// Sleeps until there are packets or somebody asks for the end, at most for `limit`: then there may be packets too.
    fn wait(&mut self, limit: Option<Duration>) -> Wake;

    /// Packets come in at this moment, and the clock is the machine's.
    fn is_live(&self) -> bool {
        true
    }

    /// Somebody may still answer what was sent.
    fn speaks(&self) -> bool {
        true
    }

    /// The moment of a recording that the packet received last belongs to.
    fn moment(&self) -> Option<Moment> {
        None
    }
}

impl RingError {
    /// The error behind a Win32 code from a Wintun call.
    #[must_use]
    pub const fn from_code(code: u32) -> Self {
        match code {
            crate::win32::BUFFER_OVERFLOW => Self::Full,
            crate::win32::HANDLE_EOF => Self::Ended,
            crate::win32::INVALID_DATA => Self::Corrupt,
            other => Self::System(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wintun_codes() {
        assert_eq!(RingError::from_code(111), RingError::Full);
        assert_eq!(RingError::from_code(38), RingError::Ended);
        assert_eq!(RingError::from_code(13), RingError::Corrupt);
        assert_eq!(RingError::from_code(5), RingError::System(5));
    }
}
