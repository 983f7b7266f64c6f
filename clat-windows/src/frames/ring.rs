//! The device and the wire as one ring: IPv4 goes to and comes from the device, IPv6 the wire.

use super::Wire;
use crate::ring::{Ring, RingError, Wake};
use clat_engine::ethernet::{self, HEADER};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Frames of the wire that are passed over before the device gets its turn.
const SKIPPED: usize = 64;

/// Both ends. It sleeps as the device does, whose wait must end for the wire's packets too.
#[derive(Debug)]
pub struct FrameRing<R, W> {
    device: R,
    wire: W,
    /// The frame or packet that is being made.
    frame: Vec<u8>,
    spare: Spare,
    /// Whose turn it is.
    device_next: bool,
}

/// The room of the packet that was dropped last: one packet is held at a time, so nothing is allocated for the next.
type Spare = Arc<Mutex<Vec<u8>>>;

/// A packet of either end.
#[derive(Debug)]
pub enum Packet<P> {
    /// In the device's ring.
    Device(P),
    /// From the wire.
    Wire(Room),
}

/// A copy of a packet whose room is used again.
#[derive(Debug)]
pub struct Room {
    bytes: Vec<u8>,
    spare: Spare,
}

impl Drop for Room {
    fn drop(&mut self) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(&mut self.bytes);
    }
}

impl<P: AsRef<[u8]>> AsRef<[u8]> for Packet<P> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Device(packet) => packet.as_ref(),
            Self::Wire(room) => &room.bytes,
        }
    }
}

impl<R: Ring, W: Wire> FrameRing<R, W> {
    /// IPv4 by `device`, IPv6 by `wire`.
    pub fn new(device: R, wire: W) -> Self {
        Self { device, wire, frame: Vec::new(), spare: Spare::default(), device_next: true }
    }

    fn device_packet(&mut self) -> Result<Option<Packet<R::Packet>>, RingError> {
        Ok(self.device.receive()?.map(Packet::Device))
    }

    fn wire_packet(&mut self) -> Result<Option<Packet<R::Packet>>, RingError> {
        let mac = self.wire.mac();
        for _ in 0..SKIPPED {
            let Some(bytes) = self.wire.receive()? else { return Ok(None) };
            let Some(frame) = ethernet::parse(bytes).filter(|f| f.destination == mac) else { continue };
            let mut room = std::mem::take(&mut *self.spare.lock().unwrap_or_else(PoisonError::into_inner));
            room.clear();
            room.extend_from_slice(frame.packet);
            return Ok(Some(Packet::Wire(Room { bytes: room, spare: Arc::clone(&self.spare) })));
        }
        Ok(None)
    }
}

impl<R: Ring, W: Wire> Ring for FrameRing<R, W> {
    type Packet = Packet<R::Packet>;

    fn receive(&mut self) -> Result<Option<Self::Packet>, RingError> {
        self.device_next = !self.device_next;
        let (first, second) = if self.device_next {
            (Self::device_packet as fn(&mut Self) -> _, Self::wire_packet as fn(&mut Self) -> _)
        } else {
            (Self::wire_packet as fn(&mut Self) -> _, Self::device_packet as fn(&mut Self) -> _)
        };
        match first(self)? {
            Some(packet) => Ok(Some(packet)),
            None => second(self),
        }
    }

    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
        self.frame.resize(HEADER + usize::from(len), 0);
        let Some((head, packet)) = self.frame.split_first_chunk_mut::<HEADER>() else { return Ok(()) };
        fill(packet);
        if packet.first().is_some_and(|b| b >> 4 == 4) {
            // The slot has the packet's length.
            return self
                .device
                .send(len, |slot| slot.iter_mut().zip(packet).for_each(|(to, from)| *to = *from));
        }
        // Until the router is known the packet waits, as before a ring without room.
        let next_hop = self.wire.next_hop().ok_or(RingError::Full)?;
        *head = ethernet::header(next_hop, self.wire.mac());
        self.wire.send(&self.frame);
        Ok(())
    }

    fn wait(&mut self, limit: Option<Duration>) -> Wake {
        self.device.wait(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 2];

    #[derive(Default)]
    struct Device {
        incoming: VecDeque<Vec<u8>>,
        sent: Vec<Vec<u8>>,
    }

    impl Ring for Device {
        type Packet = Vec<u8>;

        fn receive(&mut self) -> Result<Option<Vec<u8>>, RingError> {
            Ok(self.incoming.pop_front())
        }

        fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
            let mut slot = vec![0; len.into()];
            fill(&mut slot);
            self.sent.push(slot);
            Ok(())
        }

        fn wait(&mut self, _: Option<Duration>) -> Wake {
            Wake::Stop
        }
    }

    #[derive(Default)]
    struct Cable {
        incoming: VecDeque<Vec<u8>>,
        last: Vec<u8>,
        sent: Vec<Vec<u8>>,
        next_hop: Option<[u8; 6]>,
    }

    impl Wire for Cable {
        fn mac(&self) -> [u8; 6] {
            OURS
        }

        fn next_hop(&self) -> Option<[u8; 6]> {
            self.next_hop
        }

        fn receive(&mut self) -> Result<Option<&[u8]>, RingError> {
            let Some(frame) = self.incoming.pop_front() else { return Ok(None) };
            self.last = frame;
            Ok(Some(&self.last))
        }

        fn send(&mut self, frame: &[u8]) {
            self.sent.push(frame.to_vec());
        }
    }

    fn v6() -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet
    }

    fn frame(to: [u8; 6]) -> Vec<u8> {
        [&ethernet::header(to, ROUTER)[..], &v6(), &[0; 6]].concat()
    }

    #[test]
    fn both_ends_are_read_in_turn_and_others_frames_are_passed_over() {
        let device = Device { incoming: [vec![0x45], vec![0x46]].into(), ..Device::default() };
        let cable = Cable { incoming: [frame(ROUTER), frame(OURS), frame(OURS)].into(), ..Cable::default() };
        let mut ring = FrameRing::new(device, cable);
        let mut seen = Vec::new();
        while let Some(packet) = ring.receive().unwrap() {
            seen.push(packet.as_ref().to_vec());
        }
        assert_eq!(seen, [v6(), vec![0x45], v6(), vec![0x46]]);
    }

    #[test]
    fn the_room_of_a_packet_is_used_again() {
        let cable = Cable { incoming: [frame(OURS), frame(OURS)].into(), ..Cable::default() };
        let mut ring = FrameRing::new(Device::default(), cable);
        let at = |packet: &Packet<Vec<u8>>| packet.as_ref().as_ptr();
        let first = ring.receive().unwrap().map(|p| at(&p));
        let second = ring.receive().unwrap().map(|p| at(&p));
        assert!(first.is_some() && first == second);
    }

    #[test]
    fn ipv4_goes_to_the_device_and_ipv6_to_the_router_once_it_is_known() {
        let mut ring = FrameRing::new(Device::default(), Cable::default());
        ring.send(20, |slot| slot.fill(0x45)).unwrap();
        assert_eq!(ring.device.sent, [vec![0x45; 20]]);
        assert_eq!(ring.send(40, |slot| slot.copy_from_slice(&v6())), Err(RingError::Full));
        ring.wire.next_hop = Some(ROUTER);
        ring.send(40, |slot| slot.copy_from_slice(&v6())).unwrap();
        assert_eq!(ring.wire.sent, [[&ethernet::header(ROUTER, OURS)[..], &v6()].concat()]);
    }
}
