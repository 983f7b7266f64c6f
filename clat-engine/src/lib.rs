//! The control plane of a CLAT, the customer-side translator of 464XLAT (RFC 6877): what the host should
//! do and when. Prefix discovery, address claim, neighbour discovery, MTU, roaming, and the plan of
//! changes to the host with its undo.
//!
//! Sans-IO and deterministic: the shell tells what it sees ([`Input`]) and what time it is
//! ([`Instant`]), does what it is told ([`Action`]), and waits no longer than [`Engine::poll_timeout`].
//! No allocation, clock, randomness, log, lock or unsafe code.
//!
//! # Layout
//!
//! - [`Engine`]: the state machine; [`engine`] has the state table.
//! - [`Input`], [`Action`], [`Config`], [`Status`]: the interface to the shell.
//! - [`Step`]: a change to the host with its inverse, and its line in the journal.
//! - [`ethernet`]: packets in and out of frames, for shells that speak them.
//! - [`State`], [`Reason`], [`Warning`]: what is said to people, and why.
//!
//! # The shell's loop
//!
//! ```text
//! loop {
//!     while let Some(action) = engine.poll_action() { do it; answer Apply and Undo with StepDone or StepFailed }
//!     wait for an event, at most until engine.poll_timeout()
//!     engine.handle_input(now, event or Input::Timer)
//! }
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod action;
mod address;
mod chatter;
mod choose;
mod config;
mod discovery;
pub mod engine;
pub mod evidence;
mod facts;
mod input;
mod mtu;
mod nd;
mod outbox;
mod plan;
mod prefixes;
mod reason;
mod selftest;
mod state;
mod status;
mod step;
mod time;
mod uplink;
mod wire;

pub use action::{Action, DnsQuery, Icmpv6Out, Probe, TranslatorParams};
pub use chatter::is_chatter;
pub use config::{ClatV6, Config, ReturnPath};
pub use engine::Engine;
pub use evidence::Returned;
pub use input::{
    Address6, AddressState, DadOutcome, DefaultRoute4, DefaultRoute6, DnsOutcome, Icmpv6In, Input, Link,
    LinkKind, OtherClat, ProbeAnswer, StepError, StepErrorKind,
};
pub use prefixes::is_plausible;
pub use reason::{Reason, Warning};
pub use state::State;
pub use status::{Pref64Status, Provenance, SelfTest, SelfTestLeg, Status, Uplink};
pub use step::{AddressRole, Iface, ParseStepError, Step, StepId};
pub use time::Instant;
pub use wire::ethernet;

/// The number by which the operating system knows an interface; zero is none.
pub type IfIndex = u32;

/// A link-layer address of six octets (IEEE 802).
pub type Mac = [u8; 6];
