//! The floor of the whole path: one thread reads a TUN with offload, turns the packet around without one
//! check (`clat_benches::floor`) and writes it. What it carries is what this kernel's TUN allows a
//! program that reads and writes packet by packet; `cargo xtask bench-e2e --bare` shows it beside ours.
//! It is no translator: it takes TCP and UDP of one host for granted and trusts whatever comes.
//!
//! `bare TUN PREF64 CLAT-V4 CLAT-V6`

use std::process::ExitCode;

fn main() -> ExitCode {
    match bare::run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("bare: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod bare {
    pub(crate) fn run(_: &[String]) -> Result<std::convert::Infallible, String> {
        Err("there is a TUN on Linux only".into())
    }
}

#[cfg(target_os = "linux")]
mod bare {
    use clat_benches::floor::Floor;
    use clat_core::{Csum, GsoKind, Offload};
    use clat_linux::device::{OffloadRequest, Queue, Tun};
    use clat_linux::virtio::{self, HEADER_LEN};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::{Errno, read, write};
    use std::convert::Infallible;
    use std::error::Error;

    /// Bytes by which the head grows.
    const GROWS: usize = 20;
    const TCP: u8 = 6;
    const UDP: u8 = 17;

    pub(crate) fn run(args: &[String]) -> Result<Infallible, Box<dyn Error>> {
        let [name, pref64, v4, v6] = args else { return Err("bare TUN PREF64 CLAT-V4 CLAT-V6".into()) };
        let mut floor = Floor::new(pref64.parse()?, v4.parse()?, v6.parse()?);
        let queue = Tun::open(name, 1, OffloadRequest::Best)?.into_queues().remove(0);
        // Headroom for the longer head.
        let mut buf = vec![0; GROWS + HEADER_LEN + 65_535];
        loop {
            match read(&queue, &mut buf[GROWS..]) {
                Ok(len) => turn_around(&mut floor, &queue, &mut buf, len),
                Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&queue, PollFlags::IN)], None)?),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn turn_around(floor: &mut Floor, queue: &Queue, buf: &mut [u8], len: usize) {
        let packet = GROWS + HEADER_LEN;
        // Shorter than the shortest UDP packet.
        if len < HEADER_LEN + 28 {
            return;
        }
        let Some(header) = buf[GROWS..].first_chunk() else { return };
        let Some(mut offload) = virtio::parse(header) else { return };
        let partial = matches!(offload.csum, Csum::Partial { .. });
        let (start, len) = match (buf[packet] >> 4, buf[packet + 9], buf[packet + 6]) {
            (4, TCP | UDP, _) => {
                floor.v4_to_v6(buf, packet, partial);
                offload = moved(offload, true);
                (0, len + GROWS)
            }
            (6, _, TCP | UDP) => {
                let segment = offload.gso.map_or(len - HEADER_LEN, |gso| usize::from(gso.size) + 60);
                floor.v6_to_v4(buf, packet, partial, segment);
                offload = moved(offload, false);
                (2 * GROWS, len - GROWS)
            }
            _ => return,
        };
        buf[start..start + HEADER_LEN].copy_from_slice(&virtio::emit(offload));
        // A packet that the device has no room for is lost, as in every network.
        let _ = write(queue, &buf[start..start + len]);
    }

    /// The same offload behind the other head.
    fn moved(mut offload: Offload, longer: bool) -> Offload {
        let shift = |at: u16| if longer { at + 20 } else { at - 20 };
        if let Csum::Partial { start, .. } = &mut offload.csum {
            *start = shift(*start);
        }
        if let Some(gso) = &mut offload.gso {
            gso.header_len = shift(gso.header_len);
            gso.kind = match (gso.kind, longer) {
                (GsoKind::TcpV4, true) => GsoKind::TcpV6,
                (GsoKind::TcpV6, false) => GsoKind::TcpV4,
                (kind, _) => kind,
            };
        }
        offload
    }
}
