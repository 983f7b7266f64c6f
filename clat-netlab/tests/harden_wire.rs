//! A bad wire: packets are lost, doubled, overtaken and damaged on the way, in both directions.
//!
//! Many kernels are built without netem, so the wire is a hop of our own: a TUN device of the IPv6 hop, through
//! which the routing tables lead everything between the host and the NAT64.

use anyhow::{Context as _, Result, ensure};
use clat_linux::device::{OffloadRequest, Queue, Tun};
use clat_netlab::by_hand;
use clat_netlab::client::{download, upload};
use clat_netlab::judge::counters;
use clat_netlab::lab::SERVER_V4;
use clat_netlab::{Lab, Ns, need};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const SERVER: IpAddr = IpAddr::V4(SERVER_V4);
const LIMIT: Duration = Duration::from_secs(60);
const DEVICE: &str = "wire";
/// One packet in so many meets each fault.
const ONE_IN: u32 = 60;
/// A packet that is overtaken waits until so many have passed, or the wire is idle.
const OVERTAKING: usize = 3;

/// What happened on the wire.
#[derive(Debug, Default)]
struct Counts {
    passed: AtomicU32,
    lost: AtomicU32,
    doubled: AtomicU32,
    overtaken: AtomicU32,
    damaged: AtomicU32,
}

/// The hop. Dropping it ends its thread and with it the device.
struct Wire {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Puts it between `edge0` and `plat` of the IPv6 hop.
    fn lay(core: &Ns) -> Result<Self> {
        let tun = core.enter(|| Tun::open(DEVICE, 1, OffloadRequest::Off))??;
        core.ip(&format!("link set {DEVICE} up mtu 1500"))?;
        core.ip(&format!("-6 route add default dev {DEVICE} table 100"))?;
        core.ip("-6 rule add iif edge0 to 64:ff9b::/96 lookup 100 priority 10")?;
        core.ip("-6 rule add iif plat to 2001:db8:a::/64 lookup 100 priority 11")?;
        let queue = tun.into_queues().pop().context("a queue")?;
        let (counts, stop) = (Arc::<Counts>::default(), Arc::<AtomicBool>::default());
        let (told, told_to_stop) = (Arc::clone(&counts), Arc::clone(&stop));
        let thread = std::thread::spawn(move || carry(&queue, &told, &told_to_stop));
        Ok(Self { counts, stop, thread: Some(thread) })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(queue: &Queue, counts: &Counts, stop: &AtomicBool) {
    // A fixed row of random numbers: the same faults each time, as far as the packets are the same.
    let mut random = 0x2545_f491_u32;
    let mut waiting: Option<(Vec<u8>, usize)> = None;
    let mut packet = vec![0; 2048];
    let put = |bytes: &[u8]| {
        // What the kernel does not take is lost, as on any wire.
        let _ = rustix::io::write(queue, bytes);
    };
    while !stop.load(Ordering::Relaxed) {
        let soon = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let ready = poll(&mut [PollFd::new(queue, PollFlags::IN)], Some(&soon)).unwrap_or(0);
        if ready == 0 {
            waiting.take().iter().for_each(|(late, _)| put(late));
            continue;
        }
        let Ok(len) = rustix::io::read(queue, &mut packet) else { continue };
        let packet = &mut packet[..len];
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let count = |of: &AtomicU32| of.fetch_add(1, Ordering::Relaxed);
        match random % ONE_IN {
            0 => drop(count(&counts.lost)),
            1 => {
                count(&counts.doubled);
                put(packet);
                put(packet);
            }
            2 if waiting.is_none() => {
                count(&counts.overtaken);
                waiting = Some((packet.to_vec(), OVERTAKING));
            }
            // Behind the IPv6 header: what only the transport's checksum can see.
            3 if len > 60 => {
                count(&counts.damaged);
                let at = 40 + (random >> 8) as usize % (len - 40);
                packet[at] ^= 1 << (random >> 5 & 7);
                put(packet);
            }
            _ => {
                count(&counts.passed);
                put(packet);
            }
        }
        if let Some((late, left)) = &mut waiting {
            *left -= 1;
            if *left == 0 {
                put(late);
                waiting = None;
            }
        }
    }
}

/// Segments whose checksum the kernel found wrong.
fn damaged(ns: &Ns) -> Result<u64> {
    counters(ns)?.remove("Tcp.InCsumErrors").context("InCsumErrors")
}

#[test]
fn loss_doubles_overtaking_and_damage_cost_time_and_no_byte() -> Result<()> {
    if !need::met("harden: a bad wire", &[]) {
        return Ok(());
    }
    let lab = Lab::builder().build()?;
    let wire = Wire::lay(&lab.core)?;
    let clat = by_hand::start(&lab, "64:ff9b::/96", &[])?;
    download(&lab.host, SERVER, 2_000_000, LIMIT)?;
    upload(&lab.host, lab.dir(), SERVER, 2_000_000, LIMIT)?;
    let counts = &wire.counts;
    need::say(&format!("harden: the wire: {counts:?}"));
    for (what, of) in [
        ("passed", &counts.passed),
        ("lost", &counts.lost),
        ("doubled", &counts.doubled),
        ("overtaken", &counts.overtaken),
        ("damaged", &counts.damaged),
    ] {
        ensure!(of.load(Ordering::Relaxed) > 2, "hardly a packet was {what}: the scene shows nothing");
    }
    // What was wrong stays exactly as wrong: the kernels behind the translator see it.
    ensure!(damaged(&lab.host)? > 0 && damaged(&lab.inet)? > 0, "damage was made good on the way");
    clat.stop(Signal::TERM)
}
