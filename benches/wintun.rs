//! The data path of the Windows program over a ring in memory: what a packet costs between two slots.

use clat_benches::{Case, translator};
use clat_windows::live::{Counters, Live, View};
use clat_windows::ring::{Pump, Ring, RingError, Wake};
use std::hint::black_box;
use std::sync::Arc;

/// Gives one packet again and again, and takes what is sent into one slot.
struct Memory {
    packet: &'static [u8],
    left: u64,
    slot: Vec<u8>,
}

impl Ring for Memory {
    type Packet = &'static [u8];

    fn receive(&mut self) -> Result<Option<Self::Packet>, RingError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        Ok(Some(black_box(self.packet)))
    }

    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
        let slot = self.slot.get_mut(..usize::from(len)).ok_or(RingError::Full)?;
        fill(slot);
        black_box(slot);
        Ok(())
    }

    fn wait(&mut self, _: Option<std::time::Duration>) -> Wake {
        Wake::Stop
    }
}

/// Sends a packet through the loop `n` times.
pub(crate) fn run(case: &Case, n: u64) {
    let live = Arc::new(Live::default());
    live.set(Some(translator()));
    let packet = Box::leak(case.packet.clone().into_boxed_slice());
    let ring = Memory { packet, left: n, slot: vec![0; 1 << 16] };
    let counters = Counters::default();
    black_box(Pump::new(ring, View::new(live), 1).run(&counters));
    let passed = counters.v4_to_v6.get().0 + counters.v6_to_v4.get().0;
    assert_eq!(passed, n, "{}: packets were dropped", case.name);
}
