//! A datagram larger than any packet of the network, and its echo.

use super::{PATIENCE, Stage};
use anyhow::ensure;
use clat_sim::network::{FIRST_PUBLIC_LINK, FIRST_V6_LINK, SERVER_V4};
use clat_sim::smoltcp::iface::SocketHandle;
use clat_sim::smoltcp::socket::udp;
use clat_sim::{Host, Side};

const LEN: usize = 4000;
const PORT: u16 = 7;
const LOCAL_PORT: u16 = 40_007;

/// Sends the datagram and compares what the server sends back.
pub(super) fn play(stage: &mut Stage) -> anyhow::Result<String> {
    let sent: Vec<u8> = (0_u32..).map(|i| i.wrapping_mul(0x9e37_79b1).to_be_bytes()[0]).take(LEN).collect();
    let server = socket(&mut stage.path.server, PORT)?;
    let client = socket(&mut stage.path.client, LOCAL_PORT)?;
    stage.path.client.socket::<udp::Socket<'_>>(client).0.send_slice(&sent, (SERVER_V4, PORT))?;
    let mut received = Vec::new();
    let done = stage.path.run_until(PATIENCE, |client_host, server_host| {
        echo(server_host.socket::<udp::Socket<'_>>(server).0);
        let (socket, _) = client_host.socket::<udp::Socket<'_>>(client);
        if let Ok((bytes, _)) = socket.recv() {
            received = bytes.to_vec();
        }
        !received.is_empty()
    });
    ensure!(done, "the echo does not arrive");
    ensure!(received == sent, "what came back is not what was sent");
    let sizes = |stage: &mut Stage, link, to| {
        let packets = stage.packets(link, to);
        packets.iter().map(|p| p.len().to_string()).collect::<Vec<_>>().join(" + ")
    };
    Ok(format!(
        "   out:   IPv4 in fragments of {} bytes\n          IPv6 in fragments of {}\n   \
         back:  IPv4 in fragments of {} bytes\n          IPv6 in fragments of {}\n   \
         both ends put them together: the same {LEN} bytes came back\n",
        sizes(stage, 0, Side::Right),
        sizes(stage, FIRST_V6_LINK, Side::Right),
        sizes(stage, FIRST_PUBLIC_LINK, Side::Left),
        sizes(stage, FIRST_PUBLIC_LINK - 1, Side::Left),
    ))
}

fn socket(host: &mut Host, port: u16) -> anyhow::Result<SocketHandle> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 16 << 10]);
    let handle = host.sockets.add(udp::Socket::new(buffer(), buffer()));
    host.socket::<udp::Socket<'_>>(handle).0.bind(port)?;
    Ok(handle)
}

fn echo(socket: &mut udp::Socket<'_>) {
    let Ok((bytes, from)) = socket.recv() else { return };
    let bytes = bytes.to_vec();
    // A failure shows as an echo that does not come.
    let _ = socket.send_slice(&bytes, from.endpoint);
}
