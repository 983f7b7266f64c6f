//! The engine's plan carried out: each step looked at, journalled, done; undone in reverse, after a crash too.

use crate::journal::{Identity, Journal, JournalError};
use crate::netcfg::{Change, NetCfg, NetcfgError, Undone};
use clat_engine::{Step, StepError, StepErrorKind, StepId};
use std::path::Path;

/// Why a step could not be done or undone.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is no journal, so nothing may be changed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The kernel or what is there stands in the way.
    #[error("{step}: {error}")]
    Step {
        /// The step.
        step: Step,
        /// Why.
        error: NetcfgError,
    },
}

impl From<&PlanError> for StepError {
    fn from(error: &PlanError) -> Self {
        match error {
            PlanError::Step { error, .. } => error.into(),
            PlanError::Journal(JournalError::Io { error, .. }) => {
                let code = error.raw_os_error().unwrap_or(libc::EIO);
                let full = matches!(code, libc::ENOSPC | libc::EDQUOT | libc::EMFILE | libc::ENFILE);
                Self { kind: if full { StepErrorKind::Transient } else { StepErrorKind::Denied }, code }
            }
            PlanError::Journal(_) => Self { kind: StepErrorKind::Denied, code: libc::EACCES },
        }
    }
}

/// What was found of an instance that died, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Put back as it was before.
    pub restored: Vec<String>,
    /// Nothing to do: never made, gone already, or changed by somebody else.
    pub left: Vec<String>,
    /// Could not be put back, with the reason; tried again at the next start.
    pub failed: Vec<(String, String)>,
}

impl Recovery {
    /// Whether a dead instance had left anything behind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.restored.is_empty() && self.left.is_empty() && self.failed.is_empty()
    }
}

/// The changes of one instance to this host.
#[derive(Debug)]
pub struct Plan {
    journal: Journal,
    netcfg: NetCfg,
    in_force: Vec<InForce>,
}

/// A step that is done, or may be.
#[derive(Debug)]
struct InForce {
    id: StepId,
    number: u64,
    change: Change,
}

impl Plan {
    /// Opens the journal in that folder for the network namespace of the calling thread, takes the lock and
    /// undoes what a dead instance left.
    ///
    /// # Errors
    /// [`PlanError::Journal`]: another instance runs, or the folder cannot be used.
    pub fn open(folder: &Path) -> Result<(Self, Recovery), PlanError> {
        let journal = Journal::open(folder, &Identity::here())?;
        let netcfg = NetCfg::open().map_err(|error| PlanError::Step { step: Step::OpenDevice, error })?;
        let mut plan = Self { journal, netcfg, in_force: Vec::new() };
        let recovery = plan.recover();
        Ok((plan, recovery))
    }

    fn recover(&mut self) -> Recovery {
        let mut recovery = Recovery::default();
        for entry in self.journal.entries().to_vec().into_iter().rev() {
            let outcome = match entry.change.parse::<Change>() {
                Ok(change) => self.netcfg.undo_of_the_dead(&change).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match outcome {
                Ok(Undone::Restored) => recovery.restored.push(entry.change),
                Ok(Undone::Left) => recovery.left.push(entry.change),
                Err(error) => {
                    recovery.failed.push((entry.change, error));
                    continue;
                }
            }
            // Undone twice is undone; the record is only to not do it again.
            let _ = self.journal.undone(entry.number);
        }
        recovery
    }

    /// The kernel's configuration, for reading.
    pub fn netcfg(&mut self) -> &mut NetCfg {
        &mut self.netcfg
    }

    /// Tells the index of our device, once it is open; `None` once it is closed.
    pub fn set_device(&mut self, ifindex: Option<u32>) {
        self.netcfg.set_device(ifindex);
    }

    /// Does a step: looks, journals, changes. What a failed step did in part is taken back.
    ///
    /// # Errors
    /// The step is not done then.
    pub fn apply(&mut self, id: StepId, step: Step) -> Result<(), PlanError> {
        let change = self.netcfg.prepare(step).map_err(|error| PlanError::Step { step, error })?;
        let number = self.journal.begin(&change.to_string())?;
        if let Err(error) = self.netcfg.apply(&change) {
            // What cannot be taken back either stays in the journal for the next start.
            if self.netcfg.undo(&change).is_ok() {
                let _ = self.journal.undone(number);
            }
            return Err(PlanError::Step { step, error });
        }
        self.in_force.push(InForce { id, number, change });
        Ok(())
    }

    /// Undoes a step as far as it is still as it was set. A step that is not in force is undone already.
    ///
    /// # Errors
    /// The step stays in force and in the journal.
    pub fn undo(&mut self, id: StepId) -> Result<Undone, PlanError> {
        let Some(at) = self.in_force.iter().rposition(|found| found.id == id) else {
            return Ok(Undone::Left);
        };
        let found = self.in_force.remove(at);
        match self.netcfg.undo(&found.change) {
            Ok(undone) => {
                // A record that cannot be written costs a needless look at the next start, nothing else.
                let _ = self.journal.undone(found.number);
                Ok(undone)
            }
            Err(error) => {
                let step = found.change.step;
                self.in_force.insert(at, found);
                Err(PlanError::Step { step, error })
            }
        }
    }

    /// The steps in force that the host does not have any more. What cannot be looked at counts as there.
    pub fn lost(&mut self) -> Vec<StepId> {
        let Self { netcfg, in_force, .. } = self;
        let gone = |found: &&InForce| netcfg.holds(&found.change).is_ok_and(|there| !there);
        in_force.iter().filter(gone).map(|found| found.id).collect()
    }

    /// Undoes all that is in force, last first, and ends the journal. The steps that could not be undone stay
    /// in it for the next start.
    ///
    /// # Errors
    /// The first one, after everything was tried.
    pub fn close(mut self) -> Result<(), PlanError> {
        let mut outcome = Ok(());
        let ids: Vec<StepId> = self.in_force.iter().rev().map(|found| found.id).collect();
        for id in ids {
            outcome = outcome.and(self.undo(id).map(|_| ()));
        }
        outcome.and(self.journal.close().map_err(PlanError::from))
    }

    /// The steps in force, in the order they were done.
    pub fn in_force(&self) -> impl Iterator<Item = &Change> {
        self.in_force.iter().map(|found| &found.change)
    }
}
