//! Times in packages: that of the sources, so that the same sources give the same bytes.

use crate::process::output;
use crate::workspace::root;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Seconds from 1601, where Windows begins to count, to 1970.
const TO_UNIX_S: u64 = 11_644_473_600;

/// The time of the sources: `SOURCE_DATE_EPOCH`, or that of the commit; where there is neither, 1980 began, which is as
/// early as zip can say.
fn time() -> Result<SystemTime> {
    const NEITHER: u64 = 315_532_800;
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let commit = || output(Command::new("git").current_dir(root()).args(["log", "-1", "--format=%ct"])).ok();
    let seconds = match given.or_else(commit) {
        Some(text) => {
            text.trim().parse().with_context(|| format!("SOURCE_DATE_EPOCH {text:?} is no number"))?
        }
        None => NEITHER,
    };
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.max(NEITHER)))
}

/// The files of a folder, in order.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Gives each file of a folder the time.
pub(super) fn files(folder: &Path) -> Result<()> {
    for name in names(folder)? {
        File::options().write(true).open(folder.join(name))?.set_modified(time()?)?;
    }
    Ok(())
}

/// Puts the time in place of the two moments at which msibuild says the MSI was created and saved.
pub(super) fn msi(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let now = SystemTime::now();
    let an_hour_ago = filetime(now - Duration::from_secs(3600))?;
    let stamped = stamp(&mut bytes, an_hour_ago..=filetime(now)?, filetime(time()?)?);
    ensure!(stamped == 2, "{} moments instead of two are in the summary of {}", stamped, path.display());
    Ok(fs::write(path, bytes)?)
}

/// Replaces the properties of the type `VT_FILETIME` whose values lie within `wanted`; how many there were.
fn stamp(bytes: &mut [u8], wanted: std::ops::RangeInclusive<u64>, with: u64) -> usize {
    const VT_FILETIME: [u8; 4] = [0x40, 0, 0, 0];
    let mut done = 0;
    // The parts of a property lie on multiples of four.
    for at in (0..bytes.len().saturating_sub(11)).step_by(4) {
        let Some((kind, rest)) = bytes.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut::<4>) else {
            continue;
        };
        let Some(value) = rest.first_chunk_mut::<8>().filter(|_| *kind == VT_FILETIME) else { continue };
        if wanted.contains(&u64::from_le_bytes(*value)) {
            *value = with.to_le_bytes();
            done += 1;
        }
    }
    done
}

/// Units of 100 ns since 1601.
fn filetime(time: SystemTime) -> Result<u64> {
    Ok((time.duration_since(SystemTime::UNIX_EPOCH)?.as_secs() + TO_UNIX_S) * 10_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_moments_of_the_build_are_replaced() {
        let moment = |value: u64| [&[0x40, 0, 0, 0][..], &value.to_le_bytes()].concat();
        let file =
            [&[1, 2, 3, 4][..], &moment(500), &moment(5000), &moment(501), &[0x40, 0, 0, 0, 1]].concat();
        let mut stamped = file.clone();
        assert_eq!(stamp(&mut stamped, 400..=600, 7), 2);
        assert_eq!(stamped[8..16], 7_u64.to_le_bytes());
        assert_eq!(stamped[16..28], file[16..28]);
        assert_eq!(stamped[32..40], 7_u64.to_le_bytes());
        assert_eq!(stamped[40..], file[40..]);
    }

    #[test]
    fn windows_counts_from_1601() {
        assert_eq!(filetime(SystemTime::UNIX_EPOCH).unwrap(), 116_444_736_000_000_000);
    }
}
