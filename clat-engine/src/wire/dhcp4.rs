//! What a DHCPv4 server says of option 108, "IPv6-only preferred" (RFC 8925). Nothing is asked: it is heard when
//! the host's own client has asked for it.
//!
//! ```text
//! | op (2) | htype | hlen | hops |  xid, secs, flags, four addresses ...  | chaddr at 28, 16 octets |
//! | sname, 64 | file, 128 | 99 130 83 99 at 236 | options: code, length, value ... | 255 |
//! ```
//! (RFC 2131 section 2, RFC 2132 section 2.)

use crate::Mac;

const BOOT_REPLY: u8 = 2;
const ETHERNET: [u8; 2] = [1, 6];
const CHADDR: usize = 28;
const COOKIE: usize = 236;
const MAGIC: &[u8] = &[99, 130, 83, 99];

mod option {
    pub(super) const PAD: u8 = 0;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const IPV6_ONLY_PREFERRED: u8 = 108;
    pub(super) const END: u8 = 255;
}

const OFFER: u8 = 2;
const ACK: u8 = 5;

/// What a server has told a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The network prefers IPv6 only; for that many seconds, as the server says, no IPv4 is asked for.
    V6Only(u32),
    /// A lease is granted without a word of it.
    Lease,
}

/// Reads a message to the client with this link-layer address; `None` where it is another's, or says nothing.
pub(crate) fn read(message: &[u8], mac: Mac) -> Option<Told> {
    let is_reply = message.first() == Some(&BOOT_REPLY) && message.get(1..3)? == ETHERNET;
    let ours = message.get(CHADDR..)?.starts_with(&mac);
    let mut rest = message.get(COOKIE..)?.strip_prefix(MAGIC).filter(|_| is_reply && ours)?;
    let (mut kind, mut wait) = (None, None);
    while let [code, after @ ..] = rest {
        match *code {
            option::END => break,
            option::PAD => rest = after,
            code => {
                let (len, after) = after.split_first()?;
                let (value, after) = after.split_at_checked(usize::from(*len))?;
                match (code, value) {
                    (option::MESSAGE_TYPE, [value]) => kind = kind.or(Some(*value)),
                    // RFC 8925 section 3.1: four octets, or it is no such option.
                    (option::IPV6_ONLY_PREFERRED, &[a, b, c, d]) => {
                        wait = wait.or(Some(u32::from_be_bytes([a, b, c, d])));
                    }
                    _ => {}
                }
                rest = after;
            }
        }
    }
    match (kind?, wait) {
        (OFFER | ACK, Some(wait_s)) => Some(Told::V6Only(wait_s)),
        // Another server may still offer it.
        (ACK, None) => Some(Told::Lease),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    const MAC: Mac = [2, 0, 0, 0, 0, 9];

    fn reply(options: &[&[u8]]) -> Vec<u8> {
        let mut message = vec![0; COOKIE];
        message[..3].copy_from_slice(&[BOOT_REPLY, 1, 6]);
        message[CHADDR..CHADDR + 6].copy_from_slice(&MAC);
        message.extend(MAGIC);
        options.iter().for_each(|option| message.extend(*option));
        message
    }

    const IS_OFFER: &[u8] = &[53, 1, OFFER];
    const IS_ACK: &[u8] = &[53, 1, ACK];
    const WAIT_1800: &[u8] = &[108, 4, 0, 0, 7, 8];
    const THE_END: &[u8] = &[255];

    #[test]
    fn rfc8925_section_3_1_the_option_in_an_offer_and_in_an_acknowledgement() {
        for kind in [IS_OFFER, IS_ACK] {
            let message = reply(&[kind, &[0, 0], WAIT_1800, THE_END]);
            assert_eq!(read(&message, MAC), Some(Told::V6Only(1800)));
        }
        assert_eq!(read(&reply(&[IS_ACK, &[51, 4, 0, 0, 14, 16], THE_END]), MAC), Some(Told::Lease));
        assert_eq!(read(&reply(&[IS_OFFER, THE_END]), MAC), None, "another server may offer it");
    }

    #[test]
    fn what_is_not_for_this_host_or_not_sound_says_nothing() {
        let whole = reply(&[IS_OFFER, WAIT_1800, THE_END]);
        assert_eq!(read(&whole, [2, 0, 0, 0, 0, 8]), None, "another client's");
        for (at, value) in [(0, 1), (1, 6), (2, 5), (COOKIE, 0)] {
            let mut bad = whole.clone();
            bad[at] = value;
            assert_eq!(read(&bad, MAC), None, "octet {at}");
        }
        for option in [&[108, 3, 0, 7, 8][..], &[108, 5, 0, 0, 7, 8, 0], &[108, 0]] {
            assert_eq!(read(&reply(&[IS_OFFER, option, THE_END]), MAC), None, "{option:?}");
        }
        for nak in [6, 1, 3] {
            assert_eq!(read(&reply(&[&[53, 1, nak], WAIT_1800, THE_END]), MAC), None);
        }
        let end = whole.len() - 1;
        for cut in 0..end {
            assert_eq!(read(&whole[..cut], MAC), None, "{cut}");
        }
        assert_eq!(read(&reply(&[IS_OFFER, THE_END, WAIT_1800]), MAC), None, "behind the end");
    }
}
