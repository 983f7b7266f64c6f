//! The undo of what a dead instance has changed.

use super::sysctl::Scope;
use super::{Change, NetCfg, NetcfgError, Undone};

impl NetCfg {
    /// As [`undo`](Self::undo), for a change of an instance that is dead. What it did to an interface whose index is
    /// another's now is gone with that interface.
    ///
    /// # Errors
    /// As there.
    pub fn undo_of_the_dead(&mut self, change: &Change) -> Result<Undone, NetcfgError> {
        let links = self.netlink.links()?;
        let others = change.indices_of_others(&links);
        let mut change = change.clone();
        change.writes.retain(|write| !others.iter().any(|index| write.scope == Scope::Link(*index)));
        if !others.contains(&change.ifindex) {
            return self.undo(&change);
        }
        Ok(if self.restore(&change)? { Undone::Restored } else { Undone::Left })
    }
}
