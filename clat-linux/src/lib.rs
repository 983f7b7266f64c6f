//! The Linux shell of the CLAT: everything that talks to the kernel.
//!
//! # Layout
//!
//! Data plane: [`device`] (the TUN and what it can offload), [`virtio`] (the header that travels with
//! each packet), [`pump`] (the data threads), [`shared`] (the translator they use), [`merge`] (packets
//! put together into super-packets), [`counters`], [`tap`] (a look at each packet), [`frames`] (IPv6 as
//! frames instead of through the kernel).
//!
//! Control plane: [`netlink`] (requests to the routing tables), [`netcfg`] (one step of the plan and its
//! undo), [`journal`] (what is in force, on disk), [`plan`] (the three
//! together), [`watch`] (links, addresses and routes as the engine's inputs),
//! [`icmp6`] (Neighbour Discovery), [`dns`] (queries over the uplink), [`probe`] (the self-test's echoes),
//! [`resolvers`] (the uplink's), [`others_clat`] (other programs that translate),
//! [`privileges`] (what is given up after the start), [`Code`] (memory given back after it).

#![cfg(target_os = "linux")]
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod counters;
pub mod device;
pub mod frames;
pub mod merge;
pub mod pump;
pub mod shared;
pub mod tap;
pub mod virtio;

pub mod dhcp4;
pub mod dns;
pub mod icmp6;
pub mod journal;
pub mod netcfg;
pub mod netlink;
pub mod others_clat;
pub mod plan;
pub mod privileges;
pub mod probe;
pub mod resolvers;
pub mod watch;

#[allow(unsafe_code)]
mod sys;

pub use sys::memory::Code;
