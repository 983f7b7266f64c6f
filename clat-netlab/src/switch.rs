//! A switch with 802.1Q in user space, for kernels that have neither VLAN devices nor `act_vlan`.
//!
//! Two ports, each a device of a namespace, and for each direction a rule that makes of a frame the frames that leave
//! on the other side. The kernel takes the outer tag off what comes in; here it is put back first.

use crate::{Ns, sys};
use anyhow::{Context as _, Result};
use socket2::Socket;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// The type of a tag of IEEE 802.1Q.
pub const DOT1Q: u16 = 0x8100;
/// The type of a provider's tag (IEEE 802.1ad).
pub const DOT1AD: u16 = 0x88a8;

/// What becomes of a frame on its way.
pub type Rule = Box<dyn Fn(Vec<u8>) -> Vec<Vec<u8>> + Send>;

/// The frame with a tag: type, and priority and VLAN (TCI).
#[must_use]
pub fn tagged(frame: &[u8], tpid: u16, tci: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(frame.len().min(12));
    [addresses, &tpid.to_be_bytes(), &tci.to_be_bytes(), rest].concat()
}

/// Priority, VLAN and frame without its tag of IEEE 802.1Q; `None` where it has none.
#[must_use]
pub fn untagged(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (addresses, rest) = frame.split_at_checked(12)?;
    let rest = rest.strip_prefix(&DOT1Q.to_be_bytes())?;
    let (tci, rest) = rest.split_first_chunk()?;
    Some((u16::from_be_bytes(*tci), [addresses, rest].concat()))
}

/// A device whose frames pass the switch.
#[derive(Debug)]
pub struct Port {
    socket: Arc<Socket>,
}

impl Port {
    /// Opens it. The device must be up, and its other end must send complete packets no larger than the MTU
    /// ([`without_offload`]).
    ///
    /// # Errors
    /// When there is no such device or no packet socket.
    pub fn open(ns: &Ns, dev: &str) -> Result<Self> {
        let line = ns.ip(&format!("-o link show dev {dev}"))?;
        let index = line.split(':').next().unwrap_or_default().trim().parse().context("interface index")?;
        let socket = ns.enter(|| sys::packet_socket(index))?.context("a packet socket")?;
        Ok(Self { socket: Arc::new(socket) })
    }
}

/// The kernel finishes and cuts what it sends on the device, and puts nothing together that it receives.
///
/// # Errors
/// When ethtool fails.
pub fn without_offload(ns: &Ns, dev: &str) -> Result<()> {
    ns.sh(&format!("ethtool -K {dev} tx off rx off sg off tso off gso off gro off")).map(drop)
}

/// The running switch. Dropping it ends it.
#[derive(Debug)]
pub struct Switch {
    stop: Arc<AtomicBool>,
    passed: [Arc<AtomicU64>; 2],
    threads: Vec<JoinHandle<()>>,
}

impl Switch {
    /// Connects two ports with a rule for each direction.
    #[must_use]
    pub fn start(one: &Port, other: &Port, there: Rule, back: Rule) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let passed = [Arc::default(), Arc::default()];
        let ways = [(one, other, there, &passed[0]), (other, one, back, &passed[1])];
        let threads = ways.map(|(from, to, rule, passed)| {
            let (from, to) = (Arc::clone(&from.socket), Arc::clone(&to.socket));
            let (stop, passed) = (Arc::clone(&stop), Arc::clone(passed));
            std::thread::spawn(move || carry(&from, &to, &rule, &stop, &passed))
        });
        Self { stop, passed, threads: threads.into() }
    }

    /// The frames that left on the second port, and on the first.
    #[must_use]
    pub fn passed(&self) -> (u64, u64) {
        let [there, back] = &self.passed;
        (there.load(Ordering::Relaxed), back.load(Ordering::Relaxed))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn carry(from: &Socket, to: &Socket, rule: &Rule, stop: &AtomicBool, passed: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        // A device that is down for the moment gives an error, as nothing does.
        let Ok(frame) = receive(from) else { continue };
        for frame in rule(frame) {
            if to.send(&frame).is_ok() {
                passed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn receive(from: &Socket) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 65_536];
    let (len, tag) = sys::receive(from, &mut frame)?;
    frame.truncate(len);
    Ok(match tag {
        Some((tpid, tci)) => tagged(&frame, tpid, tci),
        None => frame,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_put_on_and_taken_off() {
        let frame: Vec<u8> = (0..60).collect();
        let with = tagged(&frame, DOT1Q, 0xa007);
        assert_eq!(with[..18], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0xa0, 7, 12, 13]);
        assert_eq!(untagged(&with), Some((0xa007, frame.clone())));
        assert_eq!((untagged(&frame), untagged(&with[..14])), (None, None));
    }
}
