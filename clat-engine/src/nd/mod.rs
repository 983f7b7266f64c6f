//! Neighbour Discovery for the CLAT address (RFC 4861, RFC 4862, RFC 3810), byte for byte.
//!
//! Who does what depends on the [`ReturnPath`](crate::ReturnPath): with `Proxy` the operating system
//! answers; with `Announce` we answer what we hear and keep the routers' entries alive; with `Frames` we
//! do all of it, the resolution of the router included.
//!
//! - [`messages`]: what is sent.
//! - [`responder`]: which question gets which answer.
//! - [`announcer`]: what is sent without being asked.
//! - [`router`]: the link-layer address of the next hop and whether it still answers.

pub(crate) mod announcer;
pub(crate) mod messages;
pub(crate) mod responder;
pub(crate) mod router;

/// RFC 4861 section 10 and RFC 4862 section 5.1, in milliseconds.
pub(crate) mod constants {
    use core::time::Duration;

    /// RETRANS_TIMER.
    pub(crate) const RETRANS_TIMER: Duration = Duration::from_millis(1000);
    /// REACHABLE_TIME.
    pub(crate) const REACHABLE_TIME: Duration = Duration::from_millis(30_000);
    /// DELAY_FIRST_PROBE_TIME.
    pub(crate) const DELAY_FIRST_PROBE_TIME: Duration = Duration::from_millis(5000);
    /// MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT.
    pub(crate) const MAX_SOLICIT: u8 = 3;
    /// MAX_NEIGHBOR_ADVERTISEMENT.
    pub(crate) const MAX_NEIGHBOR_ADVERTISEMENT: u8 = 3;
}
