//! The uplink by Npcap: the data thread's end, the control thread's end, and what one tells the other.

use super::Wire;
use crate::folder::{self, FolderError};
use crate::ring::RingError;
use crate::sys::adapters;
use crate::sys::event::{Borrowed, Event};
use crate::sys::npcap::{Handle, Npcap, system_folder};
use clat_engine::{Icmpv6In, Icmpv6Out, ethernet};
use std::io;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The largest frame that is heard: more than any Ethernet's.
const LONGEST: u16 = u16::MAX;

/// How long the listener waits before it looks whether it should end, in milliseconds.
const LOOK_MS: u16 = 250;

/// A filter that no IPv6 packet passes.
const NOTHING: &str = "ether proto 0xffff";

/// Why frames cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Npcap is not installed, or it does not load.
    #[error(
        "cannot load {path}: {reason}. Raw frames need Npcap (https://npcap.com); `--source routed` does not"
    )]
    Npcap {
        /// Where it was looked for.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// Users could put another DLL in its place.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no such interface, or it is no Ethernet.
    #[error("{0}: there is no such interface with an Ethernet address")]
    Interface(String),
    /// Npcap does not open it.
    #[error("{name}: Npcap does not open it: {source}")]
    Open {
        /// The interface.
        name: String,
        /// What it said.
        source: io::Error,
    },
}

/// What the data thread goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Facts {
    next_hop: Option<[u8; 6]>,
    address: Option<Ipv6Addr>,
}

/// The uplink, and what the control thread says of it.
#[derive(Debug)]
pub struct Link {
    npcap: Npcap,
    device: String,
    name: String,
    ifindex: u32,
    mac: [u8; 6],
    facts: Mutex<Facts>,
    /// Wakes the data thread up when the facts changed.
    changed: Event,
}

impl Link {
    /// Loads Npcap from the system's folder and finds the interface called `name`.
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn find(name: &str) -> Result<Arc<Self>, LinkError> {
        let path = Path::new(&system_folder()).join("Npcap").join("wpcap.dll");
        let missing = |reason| LinkError::Npcap { path: path.clone(), reason };
        if !path.exists() {
            return Err(missing("there is no such file".to_owned()));
        }
        folder::check_library(&path)?;
        let npcap = Npcap::load(&path).map_err(missing)?;
        let all = adapters::adapters().unwrap_or_default();
        let found = all.into_iter().find(|a| a.name == name).and_then(|a| Some((a.mac?, a.guid, a.index)));
        let (mac, guid, ifindex) = found.ok_or_else(|| LinkError::Interface(name.to_owned()))?;
        let changed = Event::new().map_err(|source| LinkError::Open { name: name.to_owned(), source })?;
        Ok(Arc::new(Self {
            npcap,
            device: format!(r"\Device\NPF_{guid}"),
            name: name.to_owned(),
            ifindex,
            mac,
            facts: Mutex::default(),
            changed,
        }))
    }

    /// The interface's index.
    #[must_use]
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The router's link-layer address; while there is none, packets wait.
    pub fn set_next_hop(&self, mac: Option<[u8; 6]>) {
        self.change(|facts| facts.next_hop = mac);
    }

    /// The address whose packets are taken; `None` takes none.
    pub fn translate_for(&self, address: Option<Ipv6Addr>) {
        self.change(|facts| facts.address = address);
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.set();
    }

    fn facts(&self) -> Facts {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, filter: &str, patience_ms: u16) -> Result<Handle, LinkError> {
        let failed = |source| LinkError::Open { name: self.name.clone(), source };
        let mut handle = self.npcap.open(&self.device, LONGEST, patience_ms).map_err(failed)?;
        handle.filter(filter).map_err(failed)?;
        Ok(handle)
    }
}

/// The data thread's end.
#[derive(Debug)]
pub struct DataWire {
    handle: Handle,
    link: Arc<Link>,
    known: Facts,
}

impl DataWire {
    /// Hears nothing until there is an address.
    ///
    /// # Errors
    /// [`LinkError::Open`]
    pub fn open(link: &Arc<Link>) -> Result<Self, LinkError> {
        let handle = link.open(NOTHING, 0)?;
        // What is known already is learnt at the first look.
        link.changed.set();
        Ok(Self { handle, link: Arc::clone(link), known: Facts::default() })
    }

    /// What ends a sleep: frames, and news of the control thread.
    pub(crate) fn events(&self) -> [Borrowed; 2] {
        [self.handle.event(), self.link.changed.borrow()]
    }

    fn learn(&mut self) -> io::Result<()> {
        self.link.changed.reset();
        let facts = self.link.facts();
        if facts.address != self.known.address {
            self.handle.filter(&filter_for(facts.address, self.link.mac))?;
        }
        self.known = facts;
        Ok(())
    }
}

/// All IPv6 for this address but Neighbour Discovery and MLD, which the control thread hears.
fn filter_for(address: Option<Ipv6Addr>, mac: [u8; 6]) -> String {
    let Some(address) = address else { return NOTHING.to_owned() };
    let [a, b, c, d, e, f] = mac;
    format!(
        "ether dst {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} and ip6 dst host {address} \
         and not (ip6[6] = 58 and ip6[40] >= 130 and ip6[40] <= 137)"
    )
}

impl Wire for DataWire {
    fn mac(&self) -> [u8; 6] {
        self.link.mac
    }

    fn next_hop(&self) -> Option<[u8; 6]> {
        self.known.next_hop
    }

    fn receive(&mut self) -> Result<Option<&[u8]>, RingError> {
        if self.link.changed.is_set() {
            self.learn().map_err(lost)?;
        }
        self.handle.receive().map_err(lost)
    }

    fn send(&mut self, frame: &[u8]) {
        if let Err(e) = self.handle.send(frame) {
            tracing::debug!("frame of {} bytes: {e}", frame.len());
        }
    }
}

/// The device is opened again then, and the wire with it.
fn lost(error: io::Error) -> RingError {
    tracing::warn!("Npcap: {error}");
    RingError::Ended
}

/// The control thread's end: Neighbour Discovery as frames, heard by a thread.
#[derive(Debug)]
pub struct Discovery {
    link: Arc<Link>,
    handle: Handle,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Discovery {
    /// Calls `hear` from its thread with each message.
    ///
    /// # Errors
    /// [`LinkError::Open`]
    pub fn start(link: &Arc<Link>, hear: impl Fn(&Icmpv6In<'_>) + Send + 'static) -> Result<Self, LinkError> {
        let handle = link.open(NOTHING, 0)?;
        let mut ear = link.open(ethernet::DISCOVERY, LOOK_MS)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let (own, ifindex) = (link.mac, link.ifindex);
        let body = move || {
            while !asked.load(Ordering::Relaxed) {
                match ear.receive() {
                    Ok(Some(frame)) => {
                        let frame = ethernet::parse(frame).filter(|f| f.source != own);
                        if let Some(message) = frame.and_then(|f| f.icmpv6(ifindex)) {
                            hear(&message);
                        }
                    }
                    Ok(None) => {}
                    Err(e) => {
                        tracing::warn!("Neighbour Discovery is not heard any more: {e}");
                        return;
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("clat frames".to_owned()).stack_size(128 << 10);
        let failed = |source| LinkError::Open { name: link.name.clone(), source };
        let thread = Some(thread.spawn(body).map_err(failed)?);
        Ok(Self { link: Arc::clone(link), handle, stop, thread })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// What Npcap said; or nobody knows the neighbour's link-layer address.
    pub fn send(&mut self, out: &Icmpv6Out) -> io::Result<()> {
        let to = out
            .link_layer()
            .ok_or_else(|| io::Error::other("nobody knows the neighbour's link-layer address"))?;
        self.handle.send(&[&ethernet::header(to, self.link.mac)[..], &out.packet()].concat())
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
}
