//! The processor that a package is for, in the words of everybody who is asked.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use std::fs;
use std::path::Path;

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// x86-64
    X64,
    /// ARM64
    Arm64,
}

impl Arch {
    /// In file names and for winget.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
        }
    }

    /// In the summary of an MSI; wixl knows the first only.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::X64 => "x64;1033",
            Self::Arm64 => "Arm64;1033",
        }
    }

    /// The folder of its wintun.dll in the package `wintun`.
    pub(super) const fn wintun_folder(self) -> &'static str {
        match self {
            Self::X64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As Rust calls it.
    pub(super) const fn rust(self) -> &'static str {
        match self {
            Self::X64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The target whose crates are in its program.
    pub(super) const fn sbom_target(self) -> &'static str {
        match self {
            Self::X64 => crate::windows::TARGET,
            Self::Arm64 => "aarch64-pc-windows-msvc",
        }
    }

    /// `IMAGE_FILE_MACHINE_*` of a program for it.
    const fn machine(self) -> u16 {
        match self {
            Self::X64 => 0x8664,
            Self::Arm64 => 0xaa64,
        }
    }

    /// Fails unless the program is for this processor.
    pub(super) fn check(self, exe: &Path) -> Result<()> {
        let bytes = fs::read(exe).with_context(|| exe.display().to_string())?;
        let Some(found) = machine(&bytes) else { bail!("{} is no Windows program", exe.display()) };
        let wanted = self.machine();
        ensure!(
            found == wanted,
            "{} is for machine {found:#06x}; {} is {wanted:#06x}",
            exe.display(),
            self.word()
        );
        Ok(())
    }
}

/// The field `Machine` of a PE file.
fn machine(bytes: &[u8]) -> Option<u16> {
    let at = u32::from_le_bytes(*bytes.get(0x3c..)?.first_chunk()?);
    let header: [u8; 6] = *bytes.get(usize::try_from(at).ok()?..)?.first_chunk()?;
    let [b'P', b'E', 0, 0, low, high] = header else { return None };
    Some(u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_of_a_program_is_read_and_anything_else_is_none() {
        let mut file = vec![0; 0x80];
        file[0x3c] = 0x78;
        file[0x78..0x7e].copy_from_slice(&[b'P', b'E', 0, 0, 0x64, 0xaa]);
        assert_eq!(machine(&file), Some(Arch::Arm64.machine()));
        for len in 0..0x7e {
            assert_eq!(machine(&file[..len]), None, "{len} bytes");
        }
        file[0x3c..0x40].fill(0xff);
        assert_eq!(machine(&file), None);
    }
}
