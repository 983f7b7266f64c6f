//! A page by TCP, and the first packet of it under the glass.

use super::{PATIENCE, Stage};
use crate::explain;
use anyhow::{Context, ensure};
use clat_core::{ClatMap, Policy, Pref64, Translator};
use clat_sim::network::{CLIENT_V4, CLIENT_V6, SERVER_V4};
use clat_sim::smoltcp::iface::SocketHandle;
use clat_sim::smoltcp::socket::tcp;
use clat_sim::{Host, Side};

const PORT: u16 = 80;
const LOCAL_PORT: u16 = 40_464;
const BODY_LEN: usize = 12_000;

/// Fetches the page and compares it with what the server has.
pub(super) fn play(stage: &mut Stage) -> anyhow::Result<String> {
    let server = socket(&mut stage.path.server);
    let client = socket(&mut stage.path.client);
    stage.path.server.socket::<tcp::Socket<'_>>(server).0.listen(PORT)?;
    let (socket, context) = stage.path.client.socket::<tcp::Socket<'_>>(client);
    socket.connect(context, (SERVER_V4, PORT), LOCAL_PORT)?;
    let start = stage.path.now();
    let mut exchange = Exchange::default();
    let done = stage.path.run_until(PATIENCE, |client_host, server_host| {
        exchange.serve(server_host.socket::<tcp::Socket<'_>>(server).0);
        exchange.browse(client_host.socket::<tcp::Socket<'_>>(client).0)
    });
    ensure!(done, "the page does not arrive: {} bytes so far", exchange.received.len());
    ensure!(exchange.received == page(), "what arrived is not the page");
    let took = stage.path.now() - start;
    let status = exchange.received.split(|b| *b == b'\r').next().unwrap_or_default();
    let status = String::from_utf8_lossy(status);
    let told =
        format!("   {status}: {BODY_LEN} bytes of page in {} ms of simulated time\n", took.total_millis());
    Ok(told + &first_packet(stage)?)
}

fn socket(host: &mut Host) -> SocketHandle {
    let buffer = || tcp::SocketBuffer::new(vec![0; 16 << 10]);
    host.sockets.add(tcp::Socket::new(buffer(), buffer()))
}

/// What both ends have said so far.
#[derive(Default)]
struct Exchange {
    asked: bool,
    heard: Vec<u8>,
    answered: usize,
    received: Vec<u8>,
}

impl Exchange {
    /// The server: waits for a request, then sends the page and closes.
    fn serve(&mut self, socket: &mut tcp::Socket<'_>) {
        if socket.can_recv() {
            // A failure shows as a page that does not come.
            let _ = socket.recv(|bytes| {
                self.heard.extend_from_slice(bytes);
                (bytes.len(), ())
            });
        }
        if self.heard.ends_with(b"\r\n\r\n") && socket.can_send() {
            let page = page();
            let rest = page.get(self.answered..).unwrap_or_default();
            self.answered += socket.send_slice(rest).unwrap_or_default();
            if self.answered == page.len() {
                socket.close();
            }
        }
    }

    /// The browser: asks once, reads to the end; true when that has come.
    fn browse(&mut self, socket: &mut tcp::Socket<'_>) -> bool {
        if !self.asked && socket.can_send() {
            let request = format!("GET / HTTP/1.0\r\nHost: {SERVER_V4}\r\n\r\n");
            self.asked = socket.send_slice(request.as_bytes()).is_ok();
        }
        if socket.can_recv() {
            let _ = socket.recv(|bytes| {
                self.received.extend_from_slice(bytes);
                (bytes.len(), ())
            });
        }
        let ended = self.asked && !socket.may_recv();
        if ended {
            socket.close();
        }
        ended
    }
}

/// The whole answer of the server.
fn page() -> Vec<u8> {
    let body: String = (0..).map(|n| format!("<p>line {n}</p>\n")).take(BODY_LEN).collect();
    let body = body.get(..BODY_LEN).unwrap_or_default();
    format!("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: {BODY_LEN}\r\n\r\n{body}")
        .into_bytes()
}

/// The first packet as the program sent it and as it left the machine.
fn first_packet(stage: &mut Stage) -> anyhow::Result<String> {
    let before = stage.packets(0, Side::Right).into_iter().next().context("the program sent nothing")?;
    let after = stage.packets(1, Side::Right).into_iter().next().context("nothing left the machine")?;
    let map = ClatMap::host(Pref64::WELL_KNOWN, CLIENT_V4, CLIENT_V6);
    let table = explain::compare(&Translator::new(map, Policy::new()), &before, &after, stage.paint);
    let indented: String =
        table.lines().map(|line| format!("   {line}").trim_end().to_owned() + "\n").collect();
    Ok(format!(
        "\n   Its first packet, as the program sent it and as it left the machine (* changed):\n\n{indented}"
    ))
}
