//! The chain of nodes, its clock, and the packets under way.

use crate::link::Rng;
use crate::{Host, Link, Node, Side};
use smoltcp::time::{Duration, Instant};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Two hosts and what stands between them.
#[derive(Debug)]
pub struct Path {
    /// The left end.
    pub client: Host,
    /// The right end.
    pub server: Host,
    /// What stands between them, from left to right.
    pub nodes: Vec<Node>,
    /// One link more than nodes, from left to right.
    links: Vec<Link>,
    under_way: BinaryHeap<Reverse<Flight>>,
    now: Instant,
    rng: Rng,
    sent: u64,
    seen: Option<Vec<Seen>>,
}

/// A packet that went over a link.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it was sent.
    pub at: Instant,
    /// Number of the link, from the left.
    pub link: usize,
    /// Where it went.
    pub to: Side,
    /// The packet.
    pub packet: Vec<u8>,
}

/// A packet on a link. The order is that of arrival; `number` makes it total.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    arrives: Instant,
    number: u64,
    link: usize,
    leftwards: bool,
    packet: Vec<u8>,
}

impl Path {
    /// A chain in which all links are alike.
    #[must_use]
    pub fn new(client: Host, nodes: Vec<Node>, server: Host, link: Link, seed: u64) -> Self {
        Self {
            client,
            server,
            links: vec![link; nodes.len() + 1],
            nodes,
            under_way: BinaryHeap::new(),
            now: Instant::ZERO,
            rng: Rng::new(seed),
            sent: 0,
            seen: None,
        }
    }

    /// Remembers from here on every packet that goes over a link.
    pub fn record(&mut self) {
        self.seen.get_or_insert_default();
    }

    /// Takes what was remembered.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        self.seen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass until `done` says so; false when it did not before the time was up or nothing
    /// moved any more.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Host, &mut Host) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.poll_hosts();
            if done(&mut self.client, &mut self.server) {
                // What the sockets were just given leaves at once.
                self.poll_hosts();
                return true;
            }
            self.poll_hosts();
            match self.next_event() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => return false,
            }
            self.deliver();
        }
    }

    fn poll_hosts(&mut self) {
        let last = self.nodes.len();
        for packet in self.client.poll(self.now) {
            self.send(0, Side::Right, packet);
        }
        for packet in self.server.poll(self.now) {
            self.send(last, Side::Left, packet);
        }
    }

    fn next_event(&mut self) -> Option<Instant> {
        let arrival = self.under_way.peek().map(|f| f.0.arrives);
        let client = self.client.poll_at(self.now);
        let server = self.server.poll_at(self.now);
        [arrival, client, server].into_iter().flatten().min()
    }

    /// Hands on all packets that have arrived.
    fn deliver(&mut self) {
        while let Some(flight) = self.arrived() {
            let to = if flight.leftwards { Side::Left } else { Side::Right };
            match (flight.link, to) {
                (0, Side::Left) => self.client.receive(flight.packet),
                (link, Side::Right) if link == self.nodes.len() => self.server.receive(flight.packet),
                (link, Side::Right) => self.pass(link, Side::Left, &flight.packet),
                (link, Side::Left) => self.pass(link - 1, Side::Right, &flight.packet),
            }
        }
    }

    fn arrived(&mut self) -> Option<Flight> {
        let is_due = self.under_way.peek().is_some_and(|f| f.0.arrives <= self.now);
        is_due.then(|| self.under_way.pop()).flatten().map(|f| f.0)
    }

    /// A node gets a packet from one side.
    fn pass(&mut self, node: usize, from: Side, packet: &[u8]) {
        for (to, packet) in self.nodes[node].packet(from, packet) {
            let link = if to == Side::Left { node } else { node + 1 };
            self.send(link, to, packet);
        }
    }

    fn send(&mut self, link: usize, to: Side, packet: Vec<u8>) {
        if let Some(seen) = &mut self.seen {
            seen.push(Seen { at: self.now, link, to, packet: packet.clone() });
        }
        let Some(delay) = self.links[link].deliver(&mut self.rng) else { return };
        self.sent += 1;
        let arrives = self.now + delay;
        let leftwards = to == Side::Left;
        self.under_way.push(Reverse(Flight { arrives, number: self.sent, link, leftwards, packet }));
    }
}
