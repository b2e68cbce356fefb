//! Plans in files, as the commands read, write and hold against the machine.

use std::path::Path;

use super::prepare::Prepared;
use crate::cli::args::{Global, Select};
use crate::cli::error::{CliError, Exit};
use crate::plan::saved::{Circumstances, Saved};
use crate::system::lock::Holder;
use crate::system::{fs, proc};

/// Largest saved plan that is read, in bytes: that of some thousand agents.
const CAP: u64 = 64 << 20;

/// Takes down what was planned.
pub fn take_down(prepared: &Prepared, select: &Select) -> Saved {
    let about = Circumstances {
        id: proc::random_id(),
        made: jiff::Timestamp::now().to_string(),
        host: proc::hostname(),
        user: Holder::this_process("").user,
        only: &select.only,
        exclude: &select.exclude,
        inputs: &prepared.read.texts,
        home: &prepared.home,
    };
    Saved::new(&prepared.plan, &prepared.live, prepared.ledger.as_ref(), &about)
}

/// Writes a plan into `path`, for its user only. Of what stands there, only another plan is replaced: a slip of the
/// keyboard must not cost anybody a roster.
pub fn write(saved: &Saved, path: &Path) -> Result<(), CliError> {
    let in_the_way = fs::read_optional(path, CAP)?.filter(|bytes| !bytes.is_empty() && !Saved::is_one(bytes));
    if in_the_way.is_some() {
        let message = format!("{} is there already and is no saved plan; it was not replaced", path.display());
        return Err(CliError::refused(message, "choose another name for --out, or remove the file"));
    }
    Ok(fs::write_atomic(path, saved.file().as_bytes(), 0o600)?)
}

/// Reads the plan in `path`.
pub fn read(path: &Path) -> Result<Saved, CliError> {
    let help = "`fleet plan --out FILE` saves one";
    let Some(bytes) = fs::read_optional(path, CAP)? else {
        return Err(CliError::failed(format!("there is no file {}", path.display()), help));
    };
    Saved::parse(&bytes)
        .map_err(|why| CliError::refused(format!("{}: {why}; nothing was changed", path.display()), help))
}

/// A saved plan knows its roster and its fleet.
pub fn check_global(saved: &Saved, global: &Global) -> Result<(), CliError> {
    let other_file =
        global.file.as_ref().is_some_and(|file| file.canonicalize().ok().as_ref() != Some(&saved.roster));
    let other_fleet = global.fleet.as_deref().is_some_and(|id| id != saved.fleet.as_str());
    if other_file || other_fleet {
        let message = format!("the plan is of fleet {}, from {}", saved.fleet, saved.roster.display());
        return Err(CliError::usage(message, "leave --file and --fleet out: the plan names its roster"));
    }
    Ok(())
}

/// Refuses a plan that is not what would be done now.
pub fn refuse_stale(saved: &Saved, prepared: &Prepared, select: &Select) -> Result<(), CliError> {
    let mut found = saved.differences(&take_down(prepared, select));
    let used = prepared.state.generations().into_iter().rev().find(|number| {
        prepared.state.generation(*number).is_some_and(|record| record.plan.as_deref() == Some(&saved.id))
    });
    if let Some(number) = used {
        found.insert(0, format!("it was applied already, as generation {number}"));
    }
    if found.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = found.iter().take(SHOWN).map(|line| format!("\n  {line}")).collect();
    let more = found.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let message = format!("the plan of {} is stale; nothing was changed{}{more}", saved.made, shown.concat());
    Err(CliError::new(Exit::Stale, message, "make it again with `fleet plan --out FILE`, and read it"))
}

/// Differences that are listed one by one.
const SHOWN: usize = 20;
