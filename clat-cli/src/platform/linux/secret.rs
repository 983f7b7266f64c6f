//! The key that makes CLAT addresses stable on one machine and unlike those of another (RFC 7217).

use siphasher::sip128::{Hasher128, SipHasher24};
use std::fs::{File, OpenOptions};
use std::hash::Hasher;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Random once and for all; keeps the machine's identity itself out of the key.
const PURPOSE: [u8; 16] = *b"464xlat clat key";

/// From the machine's identity; else from a file in the folder, which is made where it is missing.
pub(super) fn of_machine(folder: &Path) -> [u8; 16] {
    let identity = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    match identity.trim() {
        "" | "uninitialized" => of_folder(&folder.join("key")),
        identity => hash(identity.as_bytes()),
    }
}

fn of_folder(path: &Path) -> [u8; 16] {
    let mut key = [0; 16];
    let old = File::open(path).and_then(|mut file| file.read_exact(&mut key));
    if old.is_ok() {
        return key;
    }
    key = random();
    let mut options = OpenOptions::new();
    let new = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    // Without the file the address is another one after the next start.
    let _ = new.and_then(|mut file| file.write_all(&key));
    key
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It fails only on kernels without the call, where a fixed key still gives a working address.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes
}

fn hash(identity: &[u8]) -> [u8; 16] {
    let mut hasher = SipHasher24::new_with_key(&PURPOSE);
    hasher.write(identity);
    hasher.finish128().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_stable_and_differs_between_machines() {
        assert_eq!(hash(b"one"), hash(b"one"));
        assert_ne!(hash(b"one"), hash(b"two"));
    }

    #[test]
    fn a_machine_without_identity_keeps_its_key_in_a_file() {
        let path = std::env::temp_dir().join(format!("clat-key-{}", std::process::id()));
        let first = of_folder(&path);
        assert_eq!(first, of_folder(&path));
        assert_ne!(first, [0; 16]);
        std::fs::remove_file(&path).unwrap();
        assert_ne!(first, of_folder(&path));
        std::fs::remove_file(&path).unwrap();
    }
}
