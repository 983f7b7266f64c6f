//! Word of changes to interfaces, addresses and routes.

use crate::sys::notify::Notifications;
use std::io;

/// A running watch. It ends when this is dropped.
#[derive(Debug)]
pub struct Watch(#[allow(dead_code)] Notifications);

impl Watch {
    /// Calls `changed` at each change, from a thread of the system's.
    ///
    /// The system tells one change in many calls (an address, its route, the multicast routes); the caller waits a
    /// moment and reads the facts once.
    ///
    /// # Errors
    /// What the system said.
    pub fn start(changed: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        Ok(Self(Notifications::register(changed)?))
    }
}
