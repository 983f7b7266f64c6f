//! What is measured, and the goal of each.

use super::{Sample, bed::Bed, flood, turns};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;

/// A measurement with its goals as ratios to plain IPv6 and to tayga.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    kind: Kind,
    pub(super) goal_plain: Option<f64>,
    pub(super) goal_tayga: Option<f64>,
    /// CPU seconds of the translator a Gbit.
    pub(super) goal_cpu: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tcp { streams: u8, down: bool, offload: bool },
    Datagrams { len: usize, down: bool },
    Segmented { size: usize, down: bool },
    TcpTurns,
    UdpTurns,
}

const fn tcp(name: &'static str, streams: u8, down: bool, offload: bool, goal: f64) -> Case {
    let goal_cpu = if streams == 1 && offload { Some(0.028) } else { None };
    let kind = Kind::Tcp { streams, down, offload };
    Case { name, unit: "Gbit/s", kind, goal_plain: Some(goal), goal_tayga: None, goal_cpu }
}

const fn udp(name: &'static str, unit: &'static str, kind: Kind, plain: Option<f64>, tayga: f64) -> Case {
    Case { name, unit, kind, goal_plain: plain, goal_tayga: Some(tayga), goal_cpu: None }
}

impl Case {
    pub(super) const ALL: [Self; 13] = [
        tcp("TCP 1 stream up", 1, false, true, 1.0),
        tcp("TCP 1 stream down", 1, true, true, 1.0),
        tcp("TCP 4 streams up", 4, false, true, 0.5),
        tcp("TCP 4 streams down", 4, true, true, 0.5),
        tcp("TCP 1 stream up, veth without offload", 1, false, false, 0.8),
        tcp("TCP 1 stream down, veth without offload", 1, true, false, 0.8),
        udp("UDP 64 B up", "kpps", Kind::Datagrams { len: 64, down: false }, None, 4.0),
        udp("UDP 64 B down", "kpps", Kind::Datagrams { len: 64, down: true }, None, 1.5),
        udp("UDP 1400 B up", "kpps", Kind::Datagrams { len: 1400, down: false }, None, 4.0),
        udp("UDP with GSO up", "Gbit/s", Kind::Segmented { size: 1400, down: false }, Some(0.5), 35.0),
        udp("UDP with GSO down", "Gbit/s", Kind::Segmented { size: 1400, down: true }, Some(0.5), 35.0),
        udp("TCP request/response", "1/s", Kind::TcpTurns, None, 1.0),
        udp("UDP request/response", "1/s", Kind::UdpTurns, None, 1.0),
    ];

    pub(super) fn run(&self, bed: &Bed, time: Duration) -> Result<Sample> {
        let before = bed.cpu()?;
        let (value, gbit) = match self.kind {
            Kind::Tcp { streams, down, offload } => {
                bed.set_offload(offload)?;
                let rate = iperf(bed, streams, down, time);
                bed.set_offload(true)?;
                let rate = rate?;
                (rate, rate * time.as_secs_f64())
            }
            Kind::Datagrams { len, down } => {
                let got = flood::datagrams(bed, len, down, time)?;
                (got.datagrams as f64 / time.as_secs_f64() / 1e3, got.gbit())
            }
            Kind::Segmented { size, down } => {
                let got = flood::segmented(bed, size, down, time)?;
                (got.gbit() / time.as_secs_f64(), got.gbit())
            }
            Kind::TcpTurns => (turns::tcp(bed, time)?, 0.0),
            Kind::UdpTurns => (turns::udp(bed, time)?, 0.0),
        };
        Ok(Sample { value, cpu: bed.cpu()? - before, gbit })
    }
}

/// Gbit/s that the receiver saw.
fn iperf(bed: &Bed, streams: u8, down: bool, time: Duration) -> Result<f64> {
    let (target, seconds) = (bed.target().to_string(), time.as_secs().max(1).to_string());
    let streams = streams.to_string();
    let mut args = vec!["-c", "0", "iperf3", "-J", "-c", &target, "-t", &seconds, "-P", &streams];
    if down {
        args.push("-R");
    }
    let out = bed.app.output("taskset", &args)?;
    let report: Value = serde_json::from_slice(&out.stdout)
        .with_context(|| String::from_utf8_lossy(&out.stdout).into_owned())?;
    ensure!(report["error"].is_null(), "iperf3: {}", report["error"]);
    let rate = report["end"]["sum_received"]["bits_per_second"].as_f64();
    Ok(rate.context("iperf3 reports no rate")? / 1e9)
}
