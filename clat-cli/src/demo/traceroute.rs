//! Probes with a growing TTL: routers on both sides of the NAT64 report back.

use super::{PATIENCE, Stage};
use crate::dissect::dissect;
use crate::dissect::slot::Slot;
use anyhow::{Context, bail, ensure};
use clat_sim::Side;
use clat_sim::network::{NAT64_V6, ROUTER_V4, ROUTERS_V6, SERVER_V4};
use clat_sim::smoltcp::iface::SocketHandle;
use clat_sim::smoltcp::socket::{icmp, udp};
use clat_sim::smoltcp::wire::{IpAddress, IpListenEndpoint};
use std::fmt::Write;

const LOCAL_PORT: u16 = 46_464;
const FIRST_PORT: u16 = 33_434;
const MAX_HOPS: u8 = 16;

/// Traces the way to the server, and expects every box of the network on it.
pub(super) fn play(stage: &mut Stage) -> anyhow::Result<String> {
    let (probes, errors) = sockets(stage)?;
    let mut told = String::new();
    for ttl in 1..=MAX_HOPS {
        let start = stage.path.now();
        let from = probe(stage, probes, errors, ttl).with_context(|| format!("TTL {ttl}"))?;
        let took = stage.path.now() - start;
        let line = format!(
            "   {ttl:2}  {:14} {:3} ms  {}",
            from.to_string(),
            took.total_millis(),
            who(stage, from, ttl)
        );
        let _ = writeln!(told, "{}", line.trim_end());
        if from == SERVER_V4.into() {
            expect(&told)?;
            return Ok(told);
        }
    }
    bail!("the server is not reached:\n{told}")
}

fn sockets(stage: &mut Stage) -> anyhow::Result<(SocketHandle, SocketHandle)> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 1024]);
    let client = &mut stage.path.client;
    let probes = client.sockets.add(udp::Socket::new(buffer(), buffer()));
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 4096]);
    let errors = client.sockets.add(icmp::Socket::new(buffer(), buffer()));
    client.socket::<udp::Socket<'_>>(probes).0.bind(LOCAL_PORT)?;
    let own = IpListenEndpoint::from(LOCAL_PORT);
    client.socket::<icmp::Socket<'_>>(errors).0.bind(icmp::Endpoint::Udp(own))?;
    Ok((probes, errors))
}

/// Sends one probe; who complains about it?
fn probe(
    stage: &mut Stage,
    probes: SocketHandle,
    errors: SocketHandle,
    ttl: u8,
) -> anyhow::Result<IpAddress> {
    let (socket, _) = stage.path.client.socket::<udp::Socket<'_>>(probes);
    socket.set_hop_limit(Some(ttl));
    socket.send_slice(&[ttl; 32], (SERVER_V4, FIRST_PORT + u16::from(ttl)))?;
    let mut from = None;
    let done = stage.path.run_until(PATIENCE, |client, _| {
        let (socket, _) = client.socket::<icmp::Socket<'_>>(errors);
        from = socket.recv().ok().map(|(_, from)| from);
        from.is_some()
    });
    ensure!(done, "nobody answers the probe");
    from.context("nobody answers the probe")
}

/// Who that is: for a router without IPv4 the error comes from a dummy address and names the router.
fn who(stage: &mut Stage, from: IpAddress, ttl: u8) -> String {
    let error = stage.packets(0, Side::Left).pop().unwrap_or_default();
    let extension = dissect(&error).into_iter().find(|f| f.slot == Slot::Extension);
    let node = extension.and_then(|f| f.value.split_once("node ").map(|(_, node)| node.to_owned()));
    match node {
        Some(node) => format!("stands for {node}, which has no IPv4 address"),
        None if ttl == 1 => "the CLAT itself".to_owned(),
        None if from == SERVER_V4.into() => "the server".to_owned(),
        None => "a router beyond the NAT64".to_owned(),
    }
}

fn expect(told: &str) -> anyhow::Result<()> {
    let v6 = ROUTERS_V6.iter().chain([&NAT64_V6]).map(ToString::to_string);
    let missing: Vec<String> = v6.chain([ROUTER_V4.to_string()]).filter(|a| !told.contains(a)).collect();
    ensure!(missing.is_empty(), "{} not seen:\n{told}", missing.join(", "));
    Ok(())
}
