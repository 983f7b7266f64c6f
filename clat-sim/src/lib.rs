//! A simulated network, deterministic and faster than life: IPv4 hosts (smoltcp) at both ends, and
//! between them a CLAT, IPv6-only routers, a NAT64 and IPv4 routers.
//!
//! ```text
//! client ── CLAT ══ router ══ router ══ NAT64 ── router ── server       ── IPv4   ══ IPv6
//! ```
//!
//! # Layout
//!
//! - [`Path`]: the chain of nodes, its virtual clock, and all packets under way.
//! - [`Host`]: an end of the chain, a whole TCP/IP stack.
//! - [`Node`]: what stands between: [`Router`], [`Clat`], [`Nat64`].
//! - [`Link`]: delay, loss and reordering between two neighbours.
//! - [`network`]: the one network that the demo and the tests share.
//!
//! The same seed gives the same run, packet by packet.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod host;
mod link;
mod nat64;
pub mod network;
mod node;
mod path;
mod router;
mod translator;

pub use host::Host;
pub use link::Link;
pub use nat64::{Nat64, Nat64Map};
pub use node::{Node, Outbox, Side};
pub use path::{Path, Seen};
pub use router::Router;
pub use smoltcp;
pub use translator::{Clat, Counters, TranslatorNode};
