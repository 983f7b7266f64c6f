//! A second translator, for tests only, written from the text of RFC 7915 and its companions by another
//! route than `clat-core`: packets are parsed into owned structures and built again from them, every
//! checksum is summed over the whole packet, every table is a list. Slow and plain on purpose.
//!
//! It does not depend on `clat-core`. Where the standards leave a choice it takes the same one, and where
//! a packet has several faults it names them all: the order in which a translator looks is its own affair.
//!
//! # Layout
//!
//! - [`Config`]: prefix, rows and policy in plain types. [`Model`]: the translator. [`Outcome`]: its answer.
//! - [`judge`]: whether what another translator did agrees with an outcome.
//! - [`build`]: packets from named fields, for tables of examples.
//! - [`mend`]: makes random bytes plausible, for fuzzing.
//! - `strategy` (feature `proptest`): structured random packets for proptest.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod build;
mod config;
mod extension;
mod faults;
mod four_to_six;
mod icmp;
pub mod judge;
pub mod mend;
mod quoted;
mod reply;
mod six_to_four;
#[cfg(feature = "proptest")]
pub mod strategy;
mod sum;
mod upper;
mod v4;
mod v6;

pub use config::{Config, Row};
pub use faults::{Emitted, Fault, Outcome, REASONS};
pub use sum::{header_checksum, icmp6_is_valid, residue};

/// The naive translator.
#[derive(Clone, Debug)]
pub struct Model {
    config: Config,
}

impl Model {
    /// A translator with this configuration.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What becomes of a packet of either family.
    #[must_use]
    pub fn translate(&self, packet: &[u8]) -> Outcome {
        match packet.first().map(|b| b >> 4) {
            Some(4) => four_to_six::translate(&self.config, packet),
            Some(6) => six_to_four::translate(&self.config, packet),
            Some(_) => Outcome::silent("bad_version"),
            None => Outcome::silent("truncated"),
        }
    }
}
