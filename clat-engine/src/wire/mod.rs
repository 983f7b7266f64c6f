//! Reading and writing the messages of the control plane.
//!
//! Readers take what the network sent: they check before they look and never panic. All are own views of
//! a few lines, so that the linker finds no panic in them; smoltcp's readers are the judge in the tests.

pub(crate) mod dhcp4;
pub(crate) mod dns;
pub mod ethernet;
pub(crate) mod icmp6;
pub(crate) mod lease4;
pub(crate) mod ra;
