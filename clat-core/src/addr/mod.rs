//! Addresses: how an IPv4 address becomes an IPv6 address and back.

mod eam;
mod map;
mod martian;
mod nest;
mod pref64;

pub use eam::{EamError, EamRow, EamTable};
pub use map::{AddressMap, ClatMap, HostPair, Role};
pub(crate) use martian::{destination_v4, is_private_v4, source_v4, source_v6};
pub use pref64::{ParsePref64Error, Pref64, Pref64Error};
