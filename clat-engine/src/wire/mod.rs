//! Reading and writing the messages of the control plane.
//!
//! Readers take what the network sent: they check before they look and never panic. Neighbour Discovery
//! is read with own views, DNS through `smoltcp::wire`.

pub(crate) mod dns;
pub(crate) mod icmp6;
pub(crate) mod ra;
