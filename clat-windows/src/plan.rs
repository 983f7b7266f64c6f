//! The steps in force on this machine, each in the journal before it was made.

use crate::before::Before;
use crate::iphlp::Luid;
use crate::journal::{Entry, Journal, JournalError};
use crate::{folder, netcfg, win32};
use clat_engine::{Iface, Step, StepError, StepErrorKind, StepId};
use std::path::Path;

/// The steps in force.
#[derive(Debug)]
pub struct Plan {
    journal: Journal,
    device: Option<Luid>,
}

/// What became of the steps of an instance that crashed.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Undone, or nothing was left to undo.
    pub undone: Vec<Step>,
    /// Not undone, and why.
    pub failed: Vec<(Step, StepError)>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The folder is not ours.
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
    /// No journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Plan {
    /// Opens the journal in the folder and undoes what an instance that crashed has left, latest first.
    ///
    /// # Errors
    /// [`PlanError`]: then nothing may be changed on this machine.
    pub fn open(folder: &Path) -> Result<(Self, Recovery), PlanError> {
        folder::create_state(folder)?;
        let mut plan = Self { journal: Journal::open(folder)?, device: None };
        let recovery = plan.undo_all();
        // What cannot be undone is reported once, and not kept for ever.
        plan.journal.clear()?;
        Ok((plan, recovery))
    }

    /// Tells which interface [`Iface::Device`] is, once it is open.
    pub const fn set_device(&mut self, device: Option<Luid>) {
        self.device = device;
    }

    /// Writes a step down and makes it.
    ///
    /// # Errors
    /// What the system said; then the step is not in force.
    pub fn apply(&mut self, id: StepId, step: Step) -> Result<(), StepError> {
        if step == Step::OpenDevice {
            return self.write(Entry { id, luid: 0, step, before: Before::Nothing });
        }
        let luid = netcfg::interface(step.iface(), self.device)?;
        let stored = if step.iface() == Iface::Device { 0 } else { luid.0 };
        self.write(Entry { id, luid: stored, step, before: netcfg::before(luid, &step)? })?;
        let made = netcfg::apply(luid, &step);
        if made.is_err() {
            self.forget(id);
        }
        made
    }

    /// Undoes a step, as far as the machine is still as the step left it.
    ///
    /// # Errors
    /// What the system said; the step stays in the journal.
    pub fn undo(&mut self, id: StepId) -> Result<(), StepError> {
        let Some(entry) = self.journal.entries().iter().find(|e| e.id == id).copied() else { return Ok(()) };
        self.undo_entry(&entry)?;
        self.forget(id);
        Ok(())
    }

    /// Makes the steps on our device once more, after it was removed and made again.
    pub fn remake_device_steps(&self) {
        let Some(luid) = self.device else { return };
        let ours = self.journal.entries().iter().filter(|e| e.step.iface() == Iface::Device);
        for entry in ours.filter(|e| e.step != Step::OpenDevice) {
            if let Err(e) = netcfg::apply(luid, &entry.step) {
                tracing::warn!("on the new adapter: {}: {e}", entry.step);
            }
        }
    }

    /// The steps in force, oldest first.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        self.journal.entries().iter().map(|e| e.step)
    }

    /// Undoes everything, latest first.
    pub fn undo_all(&mut self) -> Recovery {
        let mut recovery = Recovery::default();
        let entries: Vec<Entry> = self.journal.entries().iter().rev().copied().collect();
        for entry in entries {
            match self.undo_entry(&entry) {
                Ok(()) => {
                    self.forget(entry.id);
                    recovery.undone.push(entry.step);
                }
                Err(e) => recovery.failed.push((entry.step, e)),
            }
        }
        recovery
    }

    fn undo_entry(&self, entry: &Entry) -> Result<(), StepError> {
        let luid = match entry.step.iface() {
            // An adapter that is not open took its addresses and routes with it.
            Iface::Device => self.device,
            Iface::Index(_) => Some(Luid(entry.luid)),
        };
        luid.map_or(Ok(()), |luid| netcfg::undo(luid, &entry.step, entry.before))
    }

    fn write(&mut self, entry: Entry) -> Result<(), StepError> {
        self.journal.begin(entry).map_err(|e| {
            tracing::error!("{e}");
            StepError { kind: StepErrorKind::Denied, code: win32::ACCESS_DENIED.cast_signed() }
        })
    }

    fn forget(&mut self, id: StepId) {
        if let Err(e) = self.journal.end(id) {
            tracing::warn!("{e}");
        }
    }
}
