//! An adapter keeps its identity over restarts: its GUID is a digest of its name.
//!
//! Windows ties a network's profile, its firewall category and the adapter's settings to the GUID. A random GUID a
//! start would leave a trail of dead network profiles, and settings that nobody finds again.

use sha2::{Digest, Sha256};

/// Raise it when adapters made by an earlier release must not be found again.
const DOMAIN: &[u8] = b"clat adapter 1\0";

/// The GUID of the adapter called `name`, as the 128-bit number that its text form reads as.
///
/// An RFC 9562 version 8 UUID (section 5.8): 122 bits of SHA-256 over a fixed label and the name.
#[must_use]
pub fn adapter_guid(name: &str) -> u128 {
    let digest = Sha256::new().chain_update(DOMAIN).chain_update(name).finalize();
    let bits = digest.iter().take(16).fold(0_u128, |n, b| n << 8 | u128::from(*b));
    let version = 0x8_u128 << 76;
    let variant = 0b10_u128 << 62;
    bits & !(0xf << 76) & !(0b11 << 62) | version | variant
}

/// A GUID in the form of the registry: `{8-4-4-4-12}` in upper case.
#[must_use]
pub fn registry_form(guid: u128) -> String {
    let (a, b, c) = (guid >> 96, guid >> 80 & 0xffff, guid >> 64 & 0xffff);
    let (d, e) = (guid >> 48 & 0xffff, guid & 0xffff_ffff_ffff);
    format!("{{{a:08X}-{b:04X}-{c:04X}-{d:04X}-{e:012X}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9562_section_5_8_version_and_variant() {
        for name in ["CLAT", "", "a name with ümlauts"] {
            let guid = adapter_guid(name);
            assert_eq!(guid >> 76 & 0xf, 8, "{name}");
            assert_eq!(guid >> 62 & 0b11, 0b10, "{name}");
        }
    }

    #[test]
    fn the_same_name_is_the_same_adapter_in_every_release() {
        assert_eq!(registry_form(adapter_guid("CLAT")), "{2AB52D6E-49E9-8236-8DB1-3B263EE30214}");
        assert_ne!(adapter_guid("CLAT"), adapter_guid("CLAT2"));
    }

    #[test]
    fn registry_form_keeps_leading_zeros() {
        assert_eq!(
            registry_form(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f),
            "{00010203-0405-0607-0809-0A0B0C0D0E0F}"
        );
    }
}
