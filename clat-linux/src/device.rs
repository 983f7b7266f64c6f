//! The TUN device: opened with what the kernel can offload, feature by feature.

use crate::netlink::{Netlink, link};
use crate::{sys::tun as sys, virtio};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const IFF_TUN: u16 = 0x0001;
const IFF_MULTI_QUEUE: u16 = 0x0100;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;

const F_CSUM: u32 = 0x01;
const F_TSO4: u32 = 0x02;
const F_TSO6: u32 = 0x04;
const F_TSO_ECN: u32 = 0x08;
const F_USO4: u32 = 0x20;
const F_USO6: u32 = 0x40;

/// Most queues of one device (`MAX_TAP_QUEUES`).
pub const MAX_QUEUES: usize = 256;

/// What the caller wants of the kernel's offloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffloadRequest {
    /// All that this kernel has.
    #[default]
    Best,
    /// None: every packet complete and no larger than the MTU.
    Off,
}

/// What the kernel granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Each packet travels behind a virtio-net header.
    pub vnet_header: bool,
    /// Checksums may be left for the next device to complete.
    pub csum: bool,
    /// TCP super-packets of both families.
    pub tso: bool,
    /// TCP super-packets with congestion notification.
    pub ecn: bool,
    /// UDP super-packets of both families (Linux 6.2).
    pub uso: bool,
}

/// Why the device could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name is empty, too long or holds a character that no interface name may hold.
    #[error("{0:?} is no interface name: 1 to 15 bytes without '/', ':' and white space")]
    Name(String),
    /// A number of queues that the kernel does not offer.
    #[error("{0} queues: from 1 to {MAX_QUEUES} are possible")]
    Queues(usize),
    /// The kernel has no TUN driver, or the container does not pass it in.
    #[error("/dev/net/tun: {0}. Load the module (modprobe tun), or pass the device into the container")]
    NoDriver(Errno),
    /// No right to make or to open the interface.
    #[error("TUN interface {name}: {source}. Run as root or with CAP_NET_ADMIN")]
    Permission {
        /// Name of the interface.
        name: String,
        /// What the kernel said.
        source: Errno,
    },
    /// Another program has the interface open.
    #[error("TUN interface {0} is in use by another program. Stop it or take another name (--tun)")]
    Busy(String),
    /// There is an interface of this name that is no TUN, or a TUN of another kind.
    #[error("interface {0} exists and is no TUN with {1} queue(s). Remove it or take another name (--tun)")]
    OtherKind(String, usize),
    /// Anything else.
    #[error("TUN interface {name}: {what}: {source}")]
    System {
        /// Name of the interface.
        name: String,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: Errno,
    },
}

/// A TUN interface. It goes away with its last [`Queue`] unless it was made persistent by others.
#[derive(Debug)]
pub struct Tun {
    name: String,
    ifindex: u32,
    features: Features,
    queues: Vec<Queue>,
}

/// One queue of the device: a descriptor that does not block.
#[derive(Debug)]
pub struct Queue {
    fd: OwnedFd,
    features: Features,
}

impl Tun {
    /// Opens the interface, makes it if there is none, and takes what of `request` the kernel grants.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what to do about it. Offloads that the kernel lacks are no error:
    /// [`features`](Self::features) tells.
    pub fn open(name: &str, queues: usize, request: OffloadRequest) -> Result<Self, OpenError> {
        check_name(name)?;
        if !(1..=MAX_QUEUES).contains(&queues) {
            return Err(OpenError::Queues(queues));
        }
        let (first, name, flags) = open_first(name, queues, request)?;
        let features = negotiate(first.as_fd(), &name, flags)?;
        let mut fds = vec![first];
        for _ in 1..queues {
            let (fd, _) = attach(&name, flags).map_err(|e| open_error(&name, queues, e))?;
            negotiate(fd.as_fd(), &name, flags)?;
            fds.push(fd);
        }
        let ifindex = interface_index(&name)?;
        tune(ifindex);
        let queues = fds.into_iter().map(|fd| Queue { fd, features }).collect();
        Ok(Self { name, ifindex, features, queues })
    }

    /// Name of the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Index of the interface.
    #[must_use]
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// What the kernel granted.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    /// The queues, one for each data thread.
    #[must_use]
    pub fn into_queues(self) -> Vec<Queue> {
        self.queues
    }
}

impl Queue {
    /// A queue on a descriptor that behaves like one: each read is a packet.
    #[cfg(test)]
    pub(crate) const fn fake(fd: OwnedFd, features: Features) -> Self {
        Self { fd, features }
    }

    /// What the kernel granted.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.csum {
            return f.write_str("none");
        }
        f.write_str("csum")?;
        let names = [(self.tso, " tso4 tso6"), (self.ecn, " ecn"), (self.uso, " uso4 uso6")];
        names.iter().filter(|(granted, _)| *granted).try_for_each(|(_, name)| f.write_str(name))
    }
}

fn check_name(name: &str) -> Result<(), OpenError> {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    let reserved = name == "." || name == "..";
    if name.is_empty() || name.len() >= sys::NAME_SIZE || reserved || name.contains(bad) {
        return Err(OpenError::Name(name.to_owned()));
    }
    Ok(())
}

/// Opens the first queue. An interface that somebody made with several queues wants to be told so even
/// when one is used.
fn open_first(
    name: &str,
    queues: usize,
    request: OffloadRequest,
) -> Result<(OwnedFd, String, u16), OpenError> {
    let vnet = if request == OffloadRequest::Best { IFF_VNET_HDR } else { 0 };
    let plain = IFF_TUN | IFF_NO_PI | vnet;
    let multi = plain | IFF_MULTI_QUEUE;
    let tries: &[u16] = if queues > 1 { &[multi] } else { &[plain, multi] };
    let mut last = Errno::INVAL;
    for &flags in tries {
        match attach(name, flags) {
            Ok((fd, name)) => return Ok((fd, name, flags)),
            Err(Attach::Interface(Errno::INVAL)) => last = Errno::INVAL,
            Err(e) => return Err(open_error(name, queues, e)),
        }
    }
    Err(open_error(name, queues, Attach::Interface(last)))
}

/// At which step a queue could not be had.
enum Attach {
    Driver(Errno),
    Interface(Errno),
}

fn attach(name: &str, flags: u16) -> Result<(OwnedFd, String), Attach> {
    let mode = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::open("/dev/net/tun", mode, Mode::empty()).map_err(Attach::Driver)?;
    let name = sys::set_interface(fd.as_fd(), name, flags).map_err(Attach::Interface)?;
    Ok((fd, name))
}

fn open_error(name: &str, queues: usize, error: Attach) -> OpenError {
    let name = name.to_owned();
    match error {
        Attach::Driver(e @ (Errno::NOENT | Errno::NODEV | Errno::NXIO)) => OpenError::NoDriver(e),
        Attach::Driver(source @ (Errno::ACCESS | Errno::PERM))
        | Attach::Interface(source @ (Errno::ACCESS | Errno::PERM)) => OpenError::Permission { name, source },
        Attach::Driver(source) => OpenError::System { name, what: "open /dev/net/tun", source },
        Attach::Interface(Errno::BUSY) => OpenError::Busy(name),
        Attach::Interface(Errno::INVAL) => OpenError::OtherKind(name, queues),
        Attach::Interface(source) => OpenError::System { name, what: "TUNSETIFF", source },
    }
}

/// Asks for the offloads, most first, until the kernel agrees.
fn negotiate(fd: BorrowedFd<'_>, name: &str, flags: u16) -> Result<Features, OpenError> {
    if flags & IFF_VNET_HDR == 0 {
        return Ok(Features::default());
    }
    let system = |what| move |source| OpenError::System { name: name.to_owned(), what, source };
    sys::set_vnet_header(fd, virtio::HEADER_LEN).map_err(system("TUNSETVNETHDRSZ"))?;
    let tso = F_CSUM | F_TSO4 | F_TSO6;
    let uso = F_USO4 | F_USO6;
    for wanted in [tso | F_TSO_ECN | uso, tso | F_TSO_ECN, tso | uso, tso, F_CSUM] {
        if sys::set_offload(fd, wanted).is_ok() {
            return Ok(Features {
                vnet_header: true,
                csum: true,
                tso: wanted & F_TSO4 != 0,
                ecn: wanted & F_TSO_ECN != 0,
                uso: wanted & F_USO4 != 0,
            });
        }
    }
    Ok(Features { vnet_header: true, ..Features::default() })
}

fn interface_index(name: &str) -> Result<u32, OpenError> {
    let system = |what| move |source| OpenError::System { name: name.to_owned(), what, source };
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
        .map_err(system("socket"))?;
    rustix::net::netdevice::name_to_index(&socket, name).map_err(system("SIOCGIFINDEX"))
}

/// Packets that may wait in the device. The kernel's 500 are less than one TCP window of an uplink
/// without receive offload: the burst is lost and TCP slows down.
const QUEUE_LEN: u32 = 2000;

/// IPv4 super-packets are kept so short that the IPv6 super-packet, which is 20 bytes longer, is below
/// the 65536 bytes from which on the next device cuts it.
const GSO_IPV4_MAX: u32 = 65_536 - 20;

/// Sets what an interface made by TUNSETIFF does not have from the start. Both are a matter of speed
/// only, so nothing is said where a kernel lacks them (the limit came with Linux 6.3).
fn tune(ifindex: u32) {
    let Ok(mut netlink) = Netlink::open() else { return };
    for request in
        [link::set_queue_len(ifindex, QUEUE_LEN), link::set_gso_ipv4_max_size(ifindex, GSO_IPV4_MAX)]
    {
        let _ = netlink.request(request, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_would_refuse_are_refused_with_a_word() {
        for name in ["", ".", "..", "a/b", "a:b", "a b", "sixteen-bytes-xx"] {
            let error = Tun::open(name, 1, OffloadRequest::Best).unwrap_err();
            assert!(matches!(error, OpenError::Name(_)), "{name:?}: {error}");
        }
        for queues in [0, MAX_QUEUES + 1] {
            let error = Tun::open("clat0", queues, OffloadRequest::Best).unwrap_err();
            assert!(matches!(error, OpenError::Queues(_)), "{error}");
        }
    }
}
