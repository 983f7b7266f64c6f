//! An end of the chain: a smoltcp stack on a tunnel device.

use smoltcp::iface::{Config, Context, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::AnySocket;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use std::collections::VecDeque;
use std::fmt;
use std::net::Ipv4Addr;

/// An IPv4 host with its sockets.
pub struct Host {
    /// The sockets; add to them, and get them by their handles.
    pub sockets: SocketSet<'static>,
    interface: Interface,
    device: Tunnel,
}

impl Host {
    /// A host with one address, a default route into the chain, and an MTU in bytes.
    ///
    /// # Panics
    /// Never: an interface without addresses and routes has room for one of each.
    #[must_use]
    pub fn new(addr: Ipv4Addr, mtu: usize, seed: u64) -> Self {
        let mut device = Tunnel { mtu, ..Tunnel::default() };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addrs| {
            addrs.push(IpCidr::new(addr.into(), 32)).expect("room for one address");
        });
        interface.routes_mut().add_default_ipv4_route(addr).expect("room for one route");
        Self { sockets: SocketSet::new(Vec::new()), interface, device }
    }

    /// A socket, and the context that some of its calls want.
    pub fn socket<T: AnySocket<'static>>(&mut self, handle: SocketHandle) -> (&mut T, &mut Context) {
        (self.sockets.get_mut(handle), self.interface.context())
    }

    pub(crate) fn receive(&mut self, packet: Vec<u8>) {
        self.device.received.push_back(packet);
    }

    pub(crate) fn poll(&mut self, now: Instant) -> VecDeque<Vec<u8>> {
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        std::mem::take(&mut self.device.sent)
    }

    pub(crate) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.interface.poll_at(now, &self.sockets)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("addrs", &self.interface.ip_addrs()).finish_non_exhaustive()
    }
}

/// A tunnel device: two queues of IP packets.
#[derive(Debug, Default)]
struct Tunnel {
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
    mtu: usize,
}

struct Received(Vec<u8>);
struct Send<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Send<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl Device for Tunnel {
    type RxToken<'a> = Received;
    type TxToken<'a> = Send<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Send<'_>)> {
        let packet = self.received.pop_front()?;
        Some((Received(packet), Send(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Send<'_>> {
        Some(Send(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}
