//! Neighbour Discovery and MLD as frames on one link.

use super::Wire;
use clat_engine::{Icmpv6In, Icmpv6Out, Input, ethernet};
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, BorrowedFd};

/// Messages handled before others get their turn: a flood must not hold up the control thread.
const AT_ONCE: usize = 64;

/// The control thread's view of the link. Readable ([`AsFd`]) when something was heard.
#[derive(Debug)]
pub struct Nd {
    wire: Wire,
    ifindex: u32,
    mac: [u8; 6],
    vlan: Option<u16>,
}

impl Nd {
    /// For the card with this address.
    ///
    /// # Errors
    /// When libpcap refuses the filter.
    pub fn new(mut wire: Wire, ifindex: u32, mac: [u8; 6]) -> io::Result<Self> {
        wire.filter(ethernet::DISCOVERY)?;
        Ok(Self { wire, ifindex, mac, vlan: None })
    }

    /// Tells what was heard; returns at once when nothing was.
    ///
    /// # Errors
    /// When the interface is gone.
    pub fn read(&mut self, sink: &mut dyn FnMut(Input<'_>)) -> io::Result<()> {
        for _ in 0..AT_ONCE {
            let Some(frame) = self.wire.receive()? else { return Ok(()) };
            if let Some(heard) = heard(frame, self.ifindex, self.mac) {
                sink(Input::Icmpv6(heard));
            } else {
                self.vlan = self.vlan.or_else(|| ethernet::vlan(frame));
            }
        }
        Ok(())
    }

    /// Sends a message on the link.
    ///
    /// # Errors
    /// What the kernel says; or there is no link-layer address to send to.
    pub fn send(&mut self, out: &Icmpv6Out) -> io::Result<()> {
        let to = out
            .link_layer()
            .ok_or_else(|| io::Error::other("nobody knows the neighbour's link-layer address"))?;
        let frame = [&ethernet::header(to, self.mac)[..], &out.packet()].concat();
        let heard = membership(&out.message)
            .map_or(Ok(()), |(group, hear)| self.wire.hear_group(self.ifindex, ethernet::group(group), hear));
        self.wire.send(&frame).and(heard)
    }

    /// The first VLAN of which a message was heard. Tagged frames are not taken: they are of another link, which has
    /// an interface of its own.
    #[must_use]
    pub const fn foreign_vlan(&self) -> Option<u16> {
        self.vlan
    }

    /// Messages that found no room, since it was opened.
    pub fn lost(&mut self) -> u64 {
        self.wire.lost()
    }
}

impl AsFd for Nd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

/// What an MLDv2 report of ours says of its one group (RFC 3810 section 5.2.12): what we report to listen to, the
/// card must let through.
fn membership(message: &[u8]) -> Option<(Ipv6Addr, bool)> {
    const REPORT: u8 = 143;
    const TO_INCLUDE_NOBODY: u8 = 3;
    const TO_EXCLUDE_NOBODY: u8 = 4;
    let ([REPORT, ..], Some([kind, _, 0, 0, group @ ..])) = (message, message.get(8..)) else { return None };
    let group = Ipv6Addr::from(*group.first_chunk::<16>()?);
    match *kind {
        TO_INCLUDE_NOBODY => Some((group, false)),
        TO_EXCLUDE_NOBODY => Some((group, true)),
        _ => None,
    }
}

/// The message of a frame to us or to a group.
fn heard(frame: &[u8], ifindex: u32, mac: [u8; 6]) -> Option<Icmpv6In<'_>> {
    let frame = ethernet::parse(frame).filter(|f| f.destination == mac || f.destination[0] & 1 == 1)?;
    frame.icmpv6(ifindex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn frames_to_other_cards_are_not_heard() {
        let out = Icmpv6Out {
            ifindex: 1,
            source: "fe80::1".parse().unwrap(),
            destination: "2001:db8::464".parse().unwrap(),
            mac: None,
            hop_limit: 255,
            router_alert: false,
            message: [135, 0, 1, 2, 0, 0, 0, 0].into_iter().collect(),
        };
        let to = |mac| [&ethernet::header(mac, [2; 6])[..], &out.packet()].concat();
        assert!(heard(&to(MAC), 7, MAC).is_some());
        assert_eq!(heard(&to([2, 0, 0, 0, 0, 8]), 7, MAC), None);
    }

    #[test]
    fn rfc3810_section_5_2_12_what_is_reported_is_heard() {
        let report = |kind: u8, group: &str| {
            let group: Ipv6Addr = group.parse().unwrap();
            [&[143, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, 0][..], &group.octets()].concat()
        };
        let group = "ff02::1:ff00:464";
        assert_eq!(membership(&report(4, group)), Some((group.parse().unwrap(), true)));
        assert_eq!(membership(&report(3, group)), Some((group.parse().unwrap(), false)));
        assert_eq!(membership(&report(2, group)), None, "an answer changes nothing");
        assert_eq!(membership(&[135; 28]), None);
        assert_eq!(membership(&report(4, group)[..20]), None);
    }

    #[test]
    fn a_listener_query_is_read_behind_its_router_alert() {
        let mut out = Icmpv6Out {
            ifindex: 1,
            source: "fe80::1".parse().unwrap(),
            destination: "ff02::1".parse().unwrap(),
            mac: None,
            hop_limit: 1,
            router_alert: true,
            message: [130, 0, 1, 2, 0, 0, 0, 0].into_iter().collect(),
        };
        for alert in [true, false] {
            out.router_alert = alert;
            let header = ethernet::header(ethernet::group(out.destination), [2; 6]);
            let frame = [&header[..], &out.packet()].concat();
            let heard = heard(&frame, 7, MAC).unwrap();
            assert_eq!(heard.message, &out.message[..]);
            assert_eq!((heard.source, heard.destination), (out.source, out.destination));
            assert_eq!((heard.ifindex, heard.hop_limit, heard.source_mac), (7, 1, Some([2; 6])));
        }
    }
}
