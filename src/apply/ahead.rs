//! What a plan asks the machine before it knows what the roster says: what fleet owns, and who runs. It takes about as long
//! as resolving and rendering do, and a plan is waited for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use super::ApplyError;
use super::managers::{self, Chosen};
use super::state::State;
use crate::plan::Ledger;
use crate::system::service::{ManagerError, ManagerKind, ServiceManager, UnitState};

/// What is known first.
#[derive(Debug)]
pub struct First {
    pub ledger: Option<Ledger>,
    pub chosen: Result<Chosen, ApplyError>,
}

/// The units of a fleet, when the manager under which it runs is the chosen one.
type Units = Option<Result<Vec<UnitState>, ManagerError>>;

/// A look that was begun.
#[derive(Debug)]
pub struct Ahead {
    first: Receiver<Result<First, ApplyError>>,
    units: JoinHandle<Units>,
}

impl Ahead {
    /// Begins to look at the fleet of `state`, under the manager that was `asked` for.
    #[must_use]
    pub fn begin(state: State, asked: Option<ManagerKind>) -> Self {
        let (told, first) = channel();
        let units = std::thread::spawn(move || {
            let known = look(&state, asked);
            let runs = known.as_ref().ok().and_then(running);
            // Nobody listens any more when the roster has mistakes.
            let _ = told.send(known);
            runs.map(|manager| manager.observe(&state.fleet))
        });
        Self { first, units }
    }

    /// What is known first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    ///
    /// # Panics
    /// When called twice.
    pub fn first(&self) -> Result<First, ApplyError> {
        self.first.recv().expect("the look tells what is first known once")
    }

    /// The units, if the manager has been asked.
    pub fn units(self) -> Units {
        self.units.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// The same at once, without units.
///
/// # Errors
/// When the ledger cannot be read.
pub fn look(state: &State, asked: Option<ManagerKind>) -> Result<First, ApplyError> {
    let ledger = state.ledger()?;
    let chosen = managers::choose(asked, ledger.as_ref(), state);
    Ok(First { ledger, chosen })
}

/// The manager under which the fleet runs, if that is the chosen one.
fn running(first: &First) -> Option<Arc<dyn ServiceManager>> {
    let chosen = first.chosen.as_ref().ok()?;
    let moves = first.ledger.as_ref().is_some_and(|ledger| ledger.manager != chosen.manager.kind());
    (!moves).then(|| Arc::clone(&chosen.manager))
}
