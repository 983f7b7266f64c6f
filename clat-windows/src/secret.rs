//! The key of stable addresses (RFC 7217): the same at each start, known to nobody else.

use std::io;
use std::path::Path;

/// File name in the state folder.
const FILE_NAME: &str = "secret";

/// Reads the key, or makes it. The folder is closed to users.
///
/// # Errors
/// What the system said; a key of this start only is as good while it lasts.
pub fn load(folder: &Path) -> io::Result<[u8; 16]> {
    let path = folder.join(FILE_NAME);
    if let Ok(bytes) = std::fs::read(&path)
        && let Ok(key) = bytes.try_into()
    {
        return Ok(key);
    }
    let key = random();
    std::fs::write(&path, key)?;
    Ok(key)
}

/// A key of the moment.
#[must_use]
pub fn random() -> [u8; 16] {
    let mut key = [0; 16];
    // Without random numbers the address is the same on every machine; duplicate detection still guards it.
    let _ = getrandom::fill(&mut key);
    key
}

/// A number that nobody can guess.
#[must_use]
pub fn seed() -> u64 {
    getrandom::u64().unwrap_or(1)
}
