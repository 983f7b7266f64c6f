//! Where the sockets and the journal of an instance are.
//!
//! One instance a network namespace: that of the machine has `/run/clat`, another one a folder below
//! it, named after the namespace. `--state-dir` overrides.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

const ROOT: &str = "/run/clat";
/// What the folder of a network namespace is called before its number.
const NAMESPACE: &str = "netns-";

/// The folder of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    /// The folder of the instance in this network namespace.
    pub(crate) fn here(explicit: Option<&Path>) -> Self {
        match (explicit, own_namespace()) {
            (Some(path), _) => Self(path.to_owned()),
            (None, Some(inode)) => Self(Path::new(ROOT).join(format!("{NAMESPACE}{inode}"))),
            (None, None) => Self(ROOT.into()),
        }
    }

    /// The folder to look for an instance in: this namespace's, or else the only one there is.
    ///
    /// A container's tools and `ip netns exec` see the same `/run`: whoever asks from another namespace
    /// means the one instance that runs.
    pub(crate) fn find(explicit: Option<&Path>) -> Self {
        let here = Self::here(explicit);
        if explicit.is_some() || here.is_alive() {
            return here;
        }
        let mut others = Self::all().into_iter().filter(Self::is_alive);
        match (others.next(), others.next()) {
            (Some(only), None) => only,
            _ => here,
        }
    }

    fn all() -> Vec<Self> {
        let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
        let below = entries.map(|e| e.path()).filter(|p| p.is_dir()).map(Self);
        std::iter::once(Self(ROOT.into())).chain(below).collect()
    }

    fn is_alive(&self) -> bool {
        std::os::unix::net::UnixStream::connect(self.status_socket()).is_ok()
    }

    /// Makes the folder: everybody may pass to the status socket, only the owner may write.
    pub(crate) fn create(&self) -> io::Result<()> {
        match fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.0) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        let meta = fs::symlink_metadata(&self.0)?;
        if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it belongs to another user: run as root, or name another folder with --state-dir",
            ));
        }
        if meta.mode() & 0o022 != 0 {
            let text = "other users may write to it: remove it";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o755))
    }

    /// Takes away what a dead instance has left here beside its journal. Only whoever holds the lock may.
    pub(crate) fn clear(&self) {
        for socket in [self.control_socket(), self.status_socket()] {
            // What is not there need not be removed.
            let _ = fs::remove_file(socket);
        }
    }

    /// Whether it goes with its last instance: names of network namespaces do not come back. The machine's own
    /// folder stays, and so does one that somebody named.
    pub(crate) fn is_left_empty(&self) -> bool {
        let name = self.0.strip_prefix(ROOT).ok().and_then(Path::to_str);
        name.is_some_and(|name| name.starts_with(NAMESPACE))
    }

    /// Removes the folder where nothing is in it any more.
    pub(crate) fn leave(&self) {
        if self.is_left_empty() {
            // A journal or another instance keeps it.
            let _ = fs::remove_dir(&self.0);
        }
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The socket for root.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// The socket for everybody.
    pub(crate) fn status_socket(&self) -> PathBuf {
        self.0.join("status.sock")
    }
}

/// The folder of an instance that runs: left when this is dropped.
#[derive(Debug)]
pub(crate) struct Residence(pub(crate) StateDir);

impl Drop for Residence {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Inode of the machine's own network namespace since Linux 6.17 (`NET_NS_INIT_INO`).
const INIT_INODE: u64 = 0xEFFF_FFF9;

/// Inode of this network namespace, unless it is the machine's own.
fn own_namespace() -> Option<u64> {
    let own = fs::metadata("/proc/self/ns/net").ok()?.ino();
    // Not everybody may look at process 1. A folder of its own for the machine's namespace does no harm.
    let init = fs::metadata("/proc/1/ns/net").map_or(INIT_INODE, |meta| meta.ino());
    (own != init).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let path = std::env::temp_dir().join(format!("clat-paths-{}", std::process::id()));
        let dir = StateDir(path.clone());
        dir.create().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o755);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let error = dir.create().unwrap_err();
        assert!(error.to_string().contains("other users may write"), "{error}");
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn an_explicit_folder_is_taken_as_it_is() {
        assert_eq!(StateDir::here(Some(Path::new("/x"))).control_socket(), Path::new("/x/control.sock"));
        assert_eq!(StateDir::find(Some(Path::new("/x"))).path(), Path::new("/x"));
    }
}
