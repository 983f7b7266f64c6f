//! Small questions to the system, and its wish that we end.

use crate::native_clat::{LOCAL_KEY, PERMIT, POLICY_KEY, Permission, permission};
use crate::sys::{late, registry, system};
use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::time::Duration;

/// `IP_SUCCESS` of ipexport.h.
const SUCCESS: u32 = 0;

/// Milliseconds since the machine was started, the time asleep included.
#[must_use]
pub fn uptime_ms() -> u64 {
    system::uptime_ms()
}

/// Private bytes of this process.
#[must_use]
pub fn private_bytes() -> Option<u64> {
    system::private_bytes()
}

/// Whether Windows' own CLAT may translate elsewhere than on mobile broadband.
#[must_use]
pub fn native_clat_permission() -> Permission {
    let value = |key| registry::number(key, PERMIT).ok();
    permission(value(POLICY_KEY), value(LOCAL_KEY))
}

/// Functions of IP Helper without which nothing can be configured, that this system lacks.
#[must_use]
pub fn missing_ip_helper() -> Vec<&'static str> {
    late::missing()
}

/// An answer to an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Who answered.
    pub from: Ipv4Addr,
    /// Whether it is the reply; otherwise it is an ICMP error.
    pub reply: bool,
}

/// Sends an ICMPv4 echo request with Don't Fragment and waits for an answer, which is `None` when none comes.
///
/// `size` is that of the whole IPv4 packet in bytes.
#[must_use]
pub fn echo(from: Ipv4Addr, to: Ipv4Addr, ttl: u8, size: u16, wait: Duration) -> Option<Echo> {
    let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
    match system::echo(from.octets(), to.octets(), ttl, size.saturating_sub(28), wait_ms) {
        Ok(e) => Some(Echo { from: e.from.into(), reply: e.status == SUCCESS }),
        Err(e) => {
            tracing::debug!("echo to {to}: {e}");
            None
        }
    }
}

static ON_END: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Calls `ask` once somebody at the console, or the system, wants the program to end.
///
/// # Errors
/// What the system said.
pub fn on_end_wanted(ask: impl Fn() + Send + Sync + 'static) -> std::io::Result<()> {
    if ON_END.set(Box::new(ask)).is_ok() {
        system::on_console_event(console_event)?;
    }
    Ok(())
}

extern "system" fn console_event(kind: u32) -> i32 {
    if let Some(ask) = ON_END.get() {
        ask();
    }
    // After a window's close (2), log-off (5) or shutdown (6) the process ends when this returns.
    if kind >= 2 {
        std::thread::sleep(Duration::from_secs(4));
    }
    1
}
