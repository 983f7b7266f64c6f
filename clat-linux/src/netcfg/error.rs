//! Why a step failed, for people and for the engine.

use super::sysctl::Failed;
use crate::netlink::{Link, NetlinkError};
use clat_engine::{StepError, StepErrorKind};
use std::io;

/// Why a step could not be done or undone.
#[derive(Debug, thiserror::Error)]
pub enum NetcfgError {
    /// The step is about our device, which is not open.
    #[error("the device is not open")]
    NoDevice,
    /// The interface is gone.
    #[error("there is no interface with index {0}")]
    NoInterface(u32),
    /// What the step would make is there and somebody else's.
    #[error("it is there already and belongs to something else; left alone")]
    Conflict,
    /// Nothing on Linux does this step.
    #[error("Linux has nothing for the step `{0}`")]
    Unsupported(&'static str),
    /// The kernel refused over netlink.
    #[error("the kernel refused: {0}")]
    Netlink(#[from] NetlinkError),
    /// A socket failed.
    #[error("the kernel refused: {0}")]
    Socket(#[from] io::Error),
    /// A switch under `/proc/sys` could not be read or written.
    #[error(
        "cannot change {switch}: {error}. Where a container may not, whoever makes it can set it beforehand"
    )]
    Sysctl {
        /// The name of the switch, as `sysctl` has it.
        switch: String,
        /// What the kernel said.
        error: io::Error,
    },
}

impl NetcfgError {
    pub(super) fn sysctl(failed: Failed, links: &[Link], ifindex: u32) -> Self {
        if links.iter().any(|link| link.index == ifindex) {
            Self::Sysctl { switch: failed.switch, error: failed.error }
        } else {
            Self::NoInterface(ifindex)
        }
    }

    /// The kernel's error number, 0 where it has none.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::NoDevice | Self::NoInterface(_) => libc::ENODEV,
            Self::Conflict => libc::EEXIST,
            Self::Unsupported(_) => libc::EOPNOTSUPP,
            Self::Netlink(error) => error.errno().unwrap_or(libc::EIO),
            Self::Socket(error) | Self::Sysctl { error, .. } => error.raw_os_error().unwrap_or(libc::EIO),
        }
    }
}

impl From<&NetcfgError> for StepError {
    fn from(error: &NetcfgError) -> Self {
        let code = error.errno();
        let kind = match code {
            libc::EEXIST => StepErrorKind::Conflict,
            libc::EPERM | libc::EACCES | libc::EROFS => StepErrorKind::Denied,
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::ENOENT | libc::EINVAL | libc::ENOPROTOOPT => {
                StepErrorKind::Unsupported
            }
            _ => StepErrorKind::Transient,
        };
        Self { kind, code }
    }
}
