use super::*;
use clat_offload::testing::{Packet as Made, checksums_are_right};

/// A device that keeps what it is sent, has nothing to say, and is asked to end after so many looks.
#[derive(Debug, Default)]
struct Device {
    sent: Vec<Vec<u8>>,
    waits: Vec<Option<Duration>>,
    stop_after: Option<usize>,
}

impl Ring for Device {
    type Packet = Vec<u8>;

    fn receive(&mut self) -> Result<Option<Vec<u8>>, RingError> {
        Ok(None)
    }

    fn send(&mut self, len: u16, fill: impl FnOnce(&mut [u8])) -> Result<(), RingError> {
        let mut slot = vec![0; usize::from(len)];
        fill(&mut slot);
        self.sent.push(slot);
        Ok(())
    }

    fn speaks(&self) -> bool {
        false
    }

    fn wait(&mut self, limit: Option<Duration>) -> Wake {
        self.waits.push(limit);
        if self.stop_after.is_some_and(|n| self.waits.len() > n) { Wake::Stop } else { Wake::Readable }
    }
}

struct List(VecDeque<(u64, Vec<u8>)>);

impl Recording for List {
    fn next(&mut self, packet: &mut Vec<u8>) -> Option<Duration> {
        let (ms, bytes) = self.0.pop_front()?;
        packet.clear();
        packet.extend_from_slice(&bytes);
        Some(Duration::from_millis(ms))
    }
}

fn replay(packets: Vec<(u64, Vec<u8>)>, pace: Pace) -> Replay<Device, List> {
    Replay::new(Device::default(), (List(packets.into()), pace), Begin::default())
}

fn played(replay: &mut Replay<Device, List>) -> Vec<(Vec<u8>, u32)> {
    std::iter::from_fn(|| {
        let packet = replay.receive().unwrap()?.as_ref().to_vec();
        Some((packet, replay.moment().unwrap().clock_ms))
    })
    .collect()
}

#[test]
fn nothing_is_played_before_the_begin_and_all_of_it_after() {
    let mut replay = replay(vec![(70, vec![1]), (60, vec![2]), (80, vec![3])], Pace::Max);
    assert!(played(&mut replay).is_empty());
    assert_eq!((replay.wait(None), &*replay.device.waits), (Wake::Readable, &[Some(LOOK)][..]));
    replay.begin.with_mtu(1500);
    assert_eq!(played(&mut replay), [(vec![1], 70), (vec![2], 70), (vec![3], 80)]);
    assert_eq!(replay.wait(None), Wake::Over);
}

#[test]
fn a_pause_is_waited_for_and_a_stop_ends_it() {
    let mut replay = replay(vec![(5000, vec![1]), (3_600_000, vec![2])], Pace::Real);
    replay.begin.with_mtu(1500);
    assert_eq!(played(&mut replay), [(vec![1], 5000)]);
    assert_eq!(replay.wait(None), Wake::Readable);
    assert!(replay.device.waits.last().unwrap().unwrap() > Duration::from_secs(3000));
    replay.device.stop_after = Some(0);
    assert_eq!(replay.wait(None), Wake::Stop);
}

#[test]
fn a_stop_is_heeded_between_packets_without_pauses() {
    let mut replay = replay((0..100).map(|n| (n, vec![1])).collect(), Pace::Max);
    replay.begin.with_mtu(1500);
    replay.device.stop_after = Some(10);
    assert_eq!(played(&mut replay).len(), 10);
    assert_eq!(replay.wait(None), Wake::Stop);
}

#[test]
fn what_a_card_would_have_finished_is_finished() {
    let whole = Made::v4().tcp(1, 0x10).payload(&[7; 4000]).bytes();
    let (mut left, layout) = (whole.clone(), clat_offload::headers::Layout::of(&whole).unwrap());
    clat_offload::headers::put_u16(&mut left, 36, layout.pseudo(&whole, whole.len() - 20).folded());
    let mut replay = replay(vec![(1, left), (2, whole[..40].to_vec())], Pace::Max);
    replay.begin.with_mtu(1500);
    let all = played(&mut replay);
    let (cut, rest) = all.split_at(all.len() - 1);
    assert_eq!(cut.iter().map(|(p, _)| p.len() - 40).sum::<usize>(), 4000);
    assert!(cut.iter().all(|(p, ms)| p.len() <= 1500 - 28 && checksums_are_right(p) && *ms == 1));
    assert_eq!(rest, [(whole[..40].to_vec(), 2)], "what is complete, or cut short, is left alone");
}
