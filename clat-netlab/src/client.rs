//! What a user of the host does: curl, ping, traceroute, dig, a UDP program.

use crate::Ns;
use crate::servers::pattern;
use anyhow::{Context as _, Result, bail, ensure};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Fetches a URL; the body.
///
/// # Errors
/// When curl fails within `limit`.
pub fn curl(ns: &Ns, url: &str, limit: Duration) -> Result<Vec<u8>> {
    let seconds = limit.as_secs_f32().to_string();
    let out = ns.output("curl", &["--silent", "--show-error", "--globoff", "--max-time", &seconds, url])?;
    ensure!(out.status.success(), "curl {url}: {}", String::from_utf8_lossy(&out.stderr).trim());
    Ok(out.stdout)
}

/// Downloads `len` bytes of the pattern and compares each.
///
/// # Errors
/// When curl fails or a byte differs.
pub fn download(ns: &Ns, server: IpAddr, len: usize, limit: Duration) -> Result<()> {
    let url = format!("http://{}/bytes/{len}", host_of(server));
    let body = curl(ns, &url, limit)?;
    ensure!(body == pattern(0, len), "{url}: {} bytes came and are not the ones sent", body.len());
    Ok(())
}

/// Uploads `len` bytes of the pattern; the server compares each.
///
/// # Errors
/// When curl fails or a byte differs.
pub fn upload(ns: &Ns, dir: &Path, server: IpAddr, len: usize, limit: Duration) -> Result<()> {
    let file = dir.join(format!("upload-{len}"));
    std::fs::write(&file, pattern(0, len))?;
    let url = format!("http://{}/sink", host_of(server));
    let seconds = limit.as_secs_f32().to_string();
    let file = file.to_str().context("a path that is text")?;
    let args = ["--silent", "--show-error", "--globoff", "--max-time", &seconds, "--upload-file", file, &url];
    let out = ns.output("curl", &args)?;
    ensure!(out.status.success(), "curl {url}: {}", String::from_utf8_lossy(&out.stderr).trim());
    let word = String::from_utf8_lossy(&out.stdout).into_owned();
    ensure!(word == format!("{len} bytes, intact"), "the server says: {word}");
    Ok(())
}

fn host_of(addr: IpAddr) -> String {
    if addr.is_ipv6() { format!("[{addr}]") } else { addr.to_string() }
}

/// A paced download in the background.
#[derive(Debug)]
pub struct Transfer {
    child: Option<Child>,
    len: usize,
}

impl Transfer {
    /// Starts to fetch `len` bytes at `rate` bytes a second.
    ///
    /// # Errors
    /// When curl cannot be started.
    pub fn start(ns: &Ns, server: IpAddr, len: usize, rate: usize) -> Result<Self> {
        let url = format!("http://{}/slow/{len}/{rate}", host_of(server));
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--globoff", "--max-time", "60", &url]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self { child: Some(ns.enter(|| command.spawn())??), len })
    }

    /// Waits for its end and compares each byte.
    ///
    /// # Errors
    /// When the connection broke, or a byte differs.
    pub fn finish(mut self) -> Result<()> {
        let child = self.child.take().context("a transfer ends once")?;
        let out = child.wait_with_output()?;
        ensure!(out.status.success(), "the transfer broke: {}", String::from_utf8_lossy(&out.stderr).trim());
        ensure!(out.stdout == pattern(0, self.len), "{} bytes came, not the ones sent", out.stdout.len());
        Ok(())
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// One ping with an IP packet of exactly `size` bytes, header included; whether an answer came.
/// `df` sets Don't Fragment, else the packet may be fragmented.
///
/// # Errors
/// When ping cannot be started.
pub fn ping(ns: &Ns, to: IpAddr, size: usize, df: bool) -> Result<Pong> {
    let head = if to.is_ipv6() { 48 } else { 28 };
    let data = size.saturating_sub(head).to_string();
    let pmtu = if df { "do" } else { "dont" };
    let to = to.to_string();
    let out = ns.output("ping", &["-n", "-c1", "-W2", "-M", pmtu, "-s", &data, &to])?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    Ok(Pong { answered: out.status.success(), text })
}

/// What ping said.
#[derive(Debug)]
pub struct Pong {
    /// Whether an echo reply came.
    pub answered: bool,
    /// Its words.
    pub text: String,
}

impl Pong {
    /// The MTU that a "too big" error or the local stack named.
    #[must_use]
    pub fn mtu(&self) -> Option<u32> {
        let at = ["mtu = ", "mtu=", "mtu: "].iter().find_map(|word| self.text.split_once(word))?.1;
        at.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
    }
}

/// Whether a small ping is answered within `limit`, asked again and again.
#[must_use]
pub fn answers(ns: &Ns, to: IpAddr, limit: Duration) -> bool {
    let to = to.to_string();
    crate::wait_for(limit, || {
        let out = ns.output("ping", &["-n", "-c1", "-W1", &to]).ok()?;
        out.status.success().then_some(())
    })
    .is_some()
}

/// The addresses of a traceroute by UDP, hop by hop; `*` where nobody answered.
///
/// # Errors
/// When traceroute fails.
pub fn traceroute(ns: &Ns, to: IpAddr) -> Result<Vec<String>> {
    let out = ns.output("traceroute", &["-n", "-q1", "-w2", "-m12", "-N4", &to.to_string()])?;
    ensure!(out.status.success(), "traceroute: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    Ok(text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect())
}

/// Asks a name server with dig; the short answer.
///
/// # Errors
/// When dig gets no answer.
pub fn dig(ns: &Ns, server: IpAddr, args: &[&str]) -> Result<String> {
    let at = format!("@{server}");
    let out = ns.output("dig", &[&[at.as_str(), "+short", "+tries=2", "+time=3"], args].concat())?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    ensure!(out.status.success() && !text.starts_with(";;"), "dig {args:?} {at}: {text}");
    Ok(text)
}

/// Sends a datagram of `len` bytes to the echo server and compares what comes back: both ways are
/// fragmented when it is longer than the path's MTU.
///
/// # Errors
/// When nothing or something else comes back.
pub fn udp_echo(ns: &Ns, server: IpAddr, len: usize) -> Result<()> {
    let data = pattern(0, len);
    ns.enter(|| {
        let any: SocketAddr = if server.is_ipv6() { "[::]:0".parse()? } else { "0.0.0.0:0".parse()? };
        let socket = UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.connect(SocketAddr::new(server, 7))?;
        let mut back = vec![0; 65536];
        for _ in 0..4 {
            // The first datagram may meet a path MTU that the host has yet to learn.
            if socket.send(&data).is_err() {
                continue;
            }
            if let Ok(got) = socket.recv(&mut back) {
                ensure!(back[..got] == data, "{got} bytes came back, not the {len} that were sent");
                return Ok(());
            }
        }
        bail!("no echo of {len} bytes from {server}")
    })?
}
