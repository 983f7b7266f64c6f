//! Three echo requests.

use super::{PATIENCE, Stage};
use anyhow::ensure;
use clat_sim::network::SERVER_V4;
use clat_sim::smoltcp::phy::ChecksumCapabilities;
use clat_sim::smoltcp::socket::icmp;
use clat_sim::smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress};
use std::fmt::Write;

const IDENT: u16 = 0x464;
const COUNT: u16 = 3;
const DATA: [u8; 56] = *b"from 192.0.0.1 to 198.51.100.10, and in between only v6.";

/// Pings the server.
pub(super) fn play(stage: &mut Stage) -> anyhow::Result<String> {
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 1024]);
    let socket = icmp::Socket::new(buffer(), buffer());
    let handle = stage.path.client.sockets.add(socket);
    stage.path.client.socket::<icmp::Socket<'_>>(handle).0.bind(icmp::Endpoint::Ident(IDENT))?;
    let mut told = String::new();
    for seq_no in 1..=COUNT {
        let start = stage.path.now();
        let (socket, _) = stage.path.client.socket::<icmp::Socket<'_>>(handle);
        send(socket, seq_no)?;
        let mut answer = None;
        let done = stage.path.run_until(PATIENCE, |client, _| {
            answer =
                client.socket::<icmp::Socket<'_>>(handle).0.recv().ok().map(|(b, from)| (b.to_vec(), from));
            answer.is_some()
        });
        let (bytes, from) = answer.unwrap_or((Vec::new(), IpAddress::v4(0, 0, 0, 0)));
        ensure!(done && from == SERVER_V4.into(), "echo request {seq_no} is not answered");
        check(&bytes, seq_no)?;
        let took = stage.path.now() - start;
        let _ = writeln!(
            told,
            "   {} bytes from {from}: seq {seq_no}, time {} ms",
            DATA.len() + 8,
            took.total_millis()
        );
    }
    Ok(told + &format!("   {COUNT} of {COUNT} answered: ICMPv4 on the machine, ICMPv6 on the network\n"))
}

fn send(socket: &mut icmp::Socket<'_>, seq_no: u16) -> anyhow::Result<()> {
    let echo = Icmpv4Repr::EchoRequest { ident: IDENT, seq_no, data: &DATA };
    let buffer = socket.send(echo.buffer_len(), SERVER_V4.into())?;
    echo.emit(&mut Icmpv4Packet::new_unchecked(buffer), &ChecksumCapabilities::default());
    Ok(())
}

fn check(bytes: &[u8], expected: u16) -> anyhow::Result<()> {
    let packet = Icmpv4Packet::new_checked(bytes)?;
    let echo = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default())?;
    let matches = matches!(
        echo,
        Icmpv4Repr::EchoReply { ident: IDENT, seq_no, data } if seq_no == expected && data == DATA
    );
    ensure!(matches, "the answer is not the reply to request {expected}");
    Ok(())
}
