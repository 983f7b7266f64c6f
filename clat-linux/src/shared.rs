//! The translator that all data threads use, replaceable while packets flow.

use clat_core::{ClatMap, Translator};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of explicit address mappings (RFC 7757) that a host's translator has room for.
pub const EAM_ROWS: usize = 64;

/// The translator of a host.
pub type HostTranslator = Translator<ClatMap<EAM_ROWS>>;

/// The slot for the translator. The control thread replaces it; each data thread looks at one number a
/// batch and takes the lock only when that has changed.
#[derive(Debug, Default)]
pub struct SharedTranslator {
    generation: AtomicU64,
    slot: Mutex<Option<Arc<HostTranslator>>>,
}

impl SharedTranslator {
    /// A slot with this translator. Without one, packets are dropped and counted as inactive.
    #[must_use]
    pub fn new(translator: Option<HostTranslator>) -> Arc<Self> {
        Arc::new(Self { generation: AtomicU64::new(1), slot: Mutex::new(translator.map(Arc::new)) })
    }

    /// Puts another translator in place. Packets read after the call see it, flows go on.
    pub fn replace(&self, translator: Option<HostTranslator>) {
        let new = translator.map(Arc::new);
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = new;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The translator of this moment.
    #[must_use]
    pub fn current(&self) -> Option<Arc<HostTranslator>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A data thread's view of the slot.
#[derive(Debug)]
pub(crate) struct Reader {
    shared: Arc<SharedTranslator>,
    seen: u64,
    current: Option<Arc<HostTranslator>>,
}

impl Reader {
    pub(crate) const fn new(shared: Arc<SharedTranslator>) -> Self {
        Self { shared, seen: 0, current: None }
    }

    /// Looks whether there is another translator.
    #[inline]
    pub(crate) fn refresh(&mut self) {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.seen {
            self.seen = generation;
            self.current = self.shared.current();
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&HostTranslator> {
        self.current.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clat_core::{EamTable, Policy, Pref64};

    fn translator(prefix: &str) -> HostTranslator {
        let prefix: Pref64 = prefix.parse().unwrap();
        Translator::new(ClatMap::from_parts(prefix, EamTable::new()), Policy::new())
    }

    #[test]
    fn a_reader_sees_each_replacement_at_its_next_refresh() {
        let shared = SharedTranslator::new(None);
        let mut reader = Reader::new(Arc::clone(&shared));
        reader.refresh();
        assert!(reader.get().is_none());
        shared.replace(Some(translator("64:ff9b::/96")));
        assert!(reader.get().is_none(), "not before the refresh");
        reader.refresh();
        assert!(reader.get().is_some());
        shared.replace(None);
        reader.refresh();
        assert!(reader.get().is_none());
    }

    #[test]
    fn the_first_refresh_finds_the_translator_that_was_there_at_the_start() {
        let mut reader = Reader::new(SharedTranslator::new(Some(translator("64:ff9b::/96"))));
        reader.refresh();
        assert!(reader.get().is_some());
    }
}
