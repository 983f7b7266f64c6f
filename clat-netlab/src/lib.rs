//! Scenes for the CLAT on real kernels.
//!
//! A [`Lab`] is a small Internet of network namespaces on this machine: a host with an IPv6-only
//! uplink, its router, an IPv6 backbone hop, Debian's tayga as the NAT64, an IPv4 hop and an
//! IPv4-only server. The program under test runs in the host and is known by its command line only.
//!
//! ```text
//!   host ──up0── edge0 ───── core ────── plat ────── hop4 ────── inet
//!     │   2001:db8:a::/64   IPv6 hop    tayga       IPv4 hop    192.175.48.7
//!     └──up1── edge1 ───────────┘         2001:db8:b::/64 behind edge1 (two uplinks)
//! ```
//!
//! # Layout
//!
//! - [`need`]: what a scene needs of the machine, and how it says that it is missing.
//! - [`Ns`]: a namespace, commands and threads in it. [`proc`](mod@proc): processes that end with the scene.
//! - [`Lab`]: the topology. [`ra`]: router advertisements. [`dns`]: DNS64 and others.
//!   [`servers`]: HTTP and echo. [`tayga`]: the NAT64.
//! - [`clat`]: the program under test; [`by_hand`]: what is typed around it with `--no-configure`.
//! - [`client`]: curl, ping, traceroute, dig.
//! - [`scenes`]: what several scenes demand alike.
//! - [`switch`]: VLANs on a wire. [`snapshot`]: the state of a host, compared. [`judge`]: what its kernel counted.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod by_hand;
pub mod clat;
pub mod client;
pub mod dns;
pub mod judge;
pub mod lab;
pub mod need;
pub mod ns;
pub mod proc;
pub mod ra;
pub mod scenes;
pub mod servers;
pub mod snapshot;
pub mod switch;
mod sys;
pub mod tayga;

pub use clat::Clat;
pub use lab::{Lab, LabBuilder};
pub use ns::Ns;

use std::time::{Duration, Instant};

/// Asks `probe` every 50 ms until it answers or the time is over.
pub fn wait_for<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
