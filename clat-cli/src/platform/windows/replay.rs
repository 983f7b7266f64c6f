//! `--source pcap:FILE`: a capture in place of a network, into the adapter or into a capture alone.

use super::{Windows, after, data};
use crate::platform::Event;
use crate::replay::{self, Counted, Recorded, Summary};
use crate::status::model;
use anyhow::anyhow;
use clat_core::Policy;
use clat_engine::{Instant, TranslatorParams};
use clat_windows::facts;
use clat_windows::live::{Counters, Traffic};
use clat_windows::player::Player;
use clat_windows::ring::Ended;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use tracing::info;

/// How often it is looked whether the adapter is ready.
const LOOK_MS: u64 = 250;

/// A capture that is played.
#[derive(Debug)]
pub(super) struct Replay {
    player: Player,
    summary: Summary,
    /// The MTU of the IPv6 side, once there is a translator.
    v6_mtu: Option<u32>,
    /// When to look whether the adapter is ready; never once it was.
    look_at: Option<Instant>,
}

impl Replay {
    /// Begins to play, at once where there is no adapter.
    pub(super) fn activate(&mut self, now: Instant, params: &TranslatorParams, policy: &Policy) {
        self.player.set_translator(Some(data::translator(params, policy)));
        let again = self.v6_mtu.replace(params.v6_mtu).is_some() && self.look_at.is_none();
        if again || self.player.luid().is_none() {
            self.player.begin(params.v6_mtu);
        } else {
            self.look_at = Some(now);
        }
    }

    pub(super) fn deactivate(&self) {
        self.player.set_translator(None);
    }

    pub(super) const fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Begins to play when the adapter is ready.
    pub(super) fn due(&mut self, now: Instant) {
        let Some(v6_mtu) = self.v6_mtu.filter(|_| self.look_at.is_some_and(|at| at <= now)) else { return };
        self.look_at = if self.is_ready() {
            self.player.begin(v6_mtu);
            None
        } else {
            Some(after(now, LOOK_MS))
        };
    }

    /// Whether the adapter is up and somebody gave it an address. Windows makes it up by itself, and gives it
    /// link-local ones.
    fn is_ready(&self) -> bool {
        let index = self.player.luid().and_then(|luid| luid.index().ok());
        let all = facts::interfaces().unwrap_or_default();
        all.iter().any(|i| Some(i.index) == index && i.up && i.addresses.iter().any(is_given))
    }

    pub(super) fn device(&self) -> Option<model::Device> {
        Some(data::device(self.player.name()?, self.player.luid()?))
    }

    /// Ends it, and says what became of the packets.
    fn close(mut self) {
        self.player.stop();
        let counted = self.player.counters();
        let packets = |traffic: &Traffic| traffic.get().0;
        self.summary.tell(Counted {
            v4_to_v6: packets(&counted.v4_to_v6),
            v6_to_v4: packets(&counted.v6_to_v4),
            replies: counted.replies.load(Ordering::Relaxed),
            drops: counted.drops(),
            noise: counted.noise.load(Ordering::Relaxed),
            not_written: counted.ring_full.load(Ordering::Relaxed),
        });
    }
}

fn is_given(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    }
}

impl Windows {
    pub(super) fn open_replay(&mut self, (recorded, summary): (Recorded, Summary)) -> anyhow::Result<Replay> {
        let name = self.settings.device.then(|| self.settings.tun.clone());
        let pace = replay::pace(&self.settings);
        let (tap, on_end) = (self.tap(), self.on_data_end());
        let player = Player::open(name.as_deref(), (recorded, pace), tap, on_end)
            .map_err(|e| anyhow!("{e}. --capture FILE.pcapng without --tun needs no device"))?;
        if let Some(name) = name {
            info!(
                "the capture is played when {name} has an address: netsh interface ipv4 add address \"{name}\" 192.0.0.1/32"
            );
        }
        Ok(Replay { player, summary, v6_mtu: None, look_at: None })
    }

    /// The end of a replay, once it has come.
    pub(super) fn replay_end(&mut self) -> Option<Event<'static>> {
        let ended = self.replay.as_mut()?.player.ended()?;
        self.close_replay();
        Some(match ended {
            Ended::Over | Ended::Stopped => Event::Stop,
            Ended::Adapter(why) => Event::Fatal(format!("the adapter is gone ({why:?})")),
        })
    }

    pub(super) fn close_replay(&mut self) {
        if let Some(replay) = self.replay.take() {
            self.past.add(&data::counters(replay.player.counters()));
            replay.close();
        }
    }

    /// What the data thread of this moment counted.
    pub(super) fn counted(&self) -> Option<&Counters> {
        let ours = self.data.as_ref().map(clat_windows::data::DataPath::counters);
        ours.or_else(|| self.replay.as_ref().map(|replay| replay.player.counters()))
    }
}
