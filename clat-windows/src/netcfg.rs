//! One step of the engine's plan is one call of IP Helper, and its inverse another.
//!
//! The inverse compares first: what somebody else has changed since is left as it is.

use crate::before::Before;
use crate::facts;
use crate::iphlp::{Family, Luid, code, is_gone};
use crate::win32::{self, Advice};
use clat_engine::{AddressRole, Iface, Step, StepError, StepErrorKind};
use std::io;

/// What a step is made of, or why it cannot be made.
type Result<T> = std::result::Result<T, StepError>;

/// The error of a step that this platform has no call for.
const UNSUPPORTED: StepError =
    StepError { kind: StepErrorKind::Unsupported, code: win32::NOT_SUPPORTED.cast_signed() };

/// The interface that a step changes. `device` is ours, once it is open.
///
/// # Errors
/// Transient where there is no such interface.
pub fn interface(iface: Iface, device: Option<Luid>) -> Result<Luid> {
    match iface {
        Iface::Device => {
            device.ok_or_else(|| error(&io::Error::from_raw_os_error(win32::NOT_FOUND.cast_signed())))
        }
        Iface::Index(index) => Luid::from_index(index).map_err(|e| error(&e)),
    }
}

/// Reads what the inverse of a step needs to know.
///
/// # Errors
/// What the system said.
#[allow(clippy::wildcard_enum_match_arm)] // steps may be added that have nothing to remember
pub fn before(luid: Luid, step: &Step) -> Result<Before> {
    Ok(match step {
        Step::SetMtu { .. } => {
            let mtu = |family| luid.settings(family).ok().map(|s| s.mtu).filter(|mtu| *mtu != 0);
            Before::Mtu { v4: mtu(Family::V4), v6: mtu(Family::V6) }
        }
        Step::SetForwarding { .. } => {
            let s = luid.settings(Family::V6).map_err(|e| error(&e))?;
            Before::Forwarding {
                forwarding: s.forwarding,
                router_discovery: s.router_discovery,
                advertising: s.advertising,
            }
        }
        _ => Before::Nothing,
    })
}

/// Makes a step on an interface.
///
/// # Errors
/// What the system said, as the engine understands it.
#[allow(clippy::wildcard_enum_match_arm)] // steps may be added that this platform does not have
pub fn apply(luid: Luid, step: &Step) -> Result<()> {
    let done = match *step {
        Step::SetMtu { v4, v6, .. } => {
            // A family that is not bound to the interface has no MTU to set.
            bound(luid.set_mtu(Family::V4, v4)).and_then(|()| bound(luid.set_mtu(Family::V6, v6)))
        }
        // An adapter is up as long as its session runs.
        Step::SetLinkUp { .. } => Ok(()),
        Step::AddAddress { addr, prefix_len, role, .. } => match role {
            AddressRole::Host => match luid.add_address(addr, prefix_len) {
                Err(e) if code(&e) == win32::OBJECT_ALREADY_EXISTS && facts::free_stale(addr, luid) => {
                    luid.add_address(addr, prefix_len)
                }
                other => other,
            },
            AddressRole::Claim => luid.claim_address(addr, prefix_len),
        },
        Step::AddRoute { dest, prefix_len, metric, .. } => luid.add_route(dest, prefix_len, metric),
        Step::SetForwarding { iface } => {
            // The uplink must go on to heed Router Advertisements; our own device never does.
            luid.set_forwarding(true, iface != Iface::Device, false)
        }
        _ => return Err(UNSUPPORTED),
    };
    done.map_err(|e| error(&e))
}

/// Undoes a step, as far as the machine is still as the step left it.
///
/// # Errors
/// What the system said. An interface that is gone took the change with it: that is no error.
pub fn undo(luid: Luid, step: &Step, before: Before) -> Result<()> {
    let done = match (*step, before) {
        (_, Before::There) => Ok(()),
        (Step::SetMtu { v4, v6, .. }, Before::Mtu { v4: old4, v6: old6 }) => {
            restore_mtu(luid, Family::V4, v4, old4).and_then(|()| restore_mtu(luid, Family::V6, v6, old6))
        }
        (Step::AddAddress { addr, .. }, _) => luid.delete_address(addr),
        (Step::AddRoute { dest, prefix_len, .. }, _) => luid.delete_route(dest, prefix_len),
        (Step::SetForwarding { .. }, Before::Forwarding { forwarding, router_discovery, advertising }) => {
            match luid.settings(Family::V6) {
                Ok(s) if s.forwarding => luid.set_forwarding(forwarding, router_discovery, advertising),
                other => other.map(drop),
            }
        }
        _ => Ok(()),
    };
    match done {
        Err(e) if !is_gone(&e) => Err(error(&e)),
        _ => Ok(()),
    }
}

fn restore_mtu(luid: Luid, family: Family, ours: u32, old: Option<u32>) -> io::Result<()> {
    let Some(old) = old else { return Ok(()) };
    match luid.settings(family) {
        Ok(s) if s.mtu == ours => luid.set_mtu(family, old),
        other => other.map(drop),
    }
}

/// A family that is not bound to the interface is no failure.
fn bound(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if is_gone(&e) => Ok(()),
        other => other,
    }
}

/// An error as the engine understands it.
#[must_use]
pub fn error(e: &io::Error) -> StepError {
    let code = code(e);
    let kind = match win32::advice(code, false) {
        Advice::AlreadySo => StepErrorKind::Conflict,
        Advice::NotPermitted => StepErrorKind::Denied,
        Advice::Missing => StepErrorKind::Unsupported,
        Advice::Gone | Advice::Later | Advice::Fail => StepErrorKind::Transient,
    };
    StepError { kind, code: code.cast_signed() }
}
