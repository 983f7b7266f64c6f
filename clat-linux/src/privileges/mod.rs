//! What the program gives up once it has started: capabilities, files, system calls.
//!
//! Four walls, each with its own use: capabilities other than CAP_NET_ADMIN and CAP_NET_RAW are gone for good, no
//! program that is started could get them back (`no_new_privs`), landlock closes the file system but for what a
//! running CLAT reads and writes, and two system call filters refuse what it never calls and kill it for what only
//! an intruder calls.
//!
//! Capabilities and landlock hold for the calling thread and those that it starts later: call [`give_up`] before
//! the data threads are started. The filters hold for all threads.

mod files;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod syscalls;

/// The machines that the filter's builder does not know.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod syscalls {
    pub(super) fn filter(_: bool) -> Option<super::Missing> {
        let machine = std::env::consts::ARCH;
        Some(format!(
            "there is no system call filter for {machine}: the kernel takes any system call from this program"
        ))
    }
}

use caps::{CapSet, Capability, CapsHashSet};
use std::path::PathBuf;

/// What the program goes on using.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Folders it creates, writes and removes files in: its state.
    pub write: Vec<PathBuf>,
    /// Files and folders it reads: its configuration.
    pub read: Vec<PathBuf>,
    /// Packet sockets: it speaks frames, on an uplink that may go and come back. Who has one open could turn it to
    /// any interface anyway.
    pub frames: bool,
    /// Folders below which it removes empty ones.
    pub empty: Vec<PathBuf>,
}

/// A wall that could not be built: what is missing and what it costs, for people.
pub type Missing = String;

/// Gives up everything that a running CLAT does not need. What the kernel lacks is told and does not stop the
/// others.
#[must_use]
pub fn give_up(needs: &Needs) -> Vec<Missing> {
    let mut missing = Vec::new();
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        missing.push(format!("no_new_privs is not available ({error}): landlock and seccomp are off"));
    }
    if let Err(error) = capabilities() {
        missing.push(format!(
            "capabilities cannot be dropped ({error}): the program keeps all that it was started with"
        ));
    }
    missing.extend(files::close(needs));
    missing.extend(syscalls::filter(needs.frames));
    missing
}

/// Keeps CAP_NET_ADMIN and CAP_NET_RAW as far as they are there.
fn capabilities() -> Result<(), caps::errors::CapsError> {
    let kept: CapsHashSet = [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW].into_iter().collect();
    // The bounding set counts for programs to be started only, and none is; without CAP_SETPCAP it stays.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::all().difference(&kept) {
            // A capability of a kernel newer or older than the list.
            let _ = caps::drop(None, CapSet::Bounding, *capability);
        }
    }
    // Kernels before 4.3 have no ambient set.
    let _ = caps::clear(None, CapSet::Ambient);
    let had = caps::read(None, CapSet::Permitted)?;
    let left: CapsHashSet = had.intersection(&kept).copied().collect();
    caps::set(None, CapSet::Effective, &left)?;
    caps::set(None, CapSet::Permitted, &left)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())
}
