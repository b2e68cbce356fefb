//! What `plan` and `apply` have in common: roster, manager, observation, plan.

use crate::apply::ApplyError;
use crate::apply::ahead::{self, Ahead};
use crate::apply::binaries;
use crate::apply::generation::Kept;
use crate::apply::managers::{self, Chosen};
use crate::apply::observe;
use crate::apply::preflight;
use crate::apply::state::State;
use crate::apply::worktrees;
use crate::cli::args::{Global, Select, Shared};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::proposals;
use crate::cli::ui::Ui;
use crate::cli::{facts, load, selection, target};
use crate::ids::FleetId;
use crate::plan::{self, Ledger, Live, Plan, rename};
use crate::render::{self, Artifact, Target, unit};
use crate::resolve::{Fleet, HostFacts, Paths};
use crate::system::memory;
use crate::system::service::ManagerKind;

/// What is to be planned.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub shared: Shared,
    pub select: Select,
    /// An earlier generation instead of the roster.
    pub generation: Option<u64>,
    /// What an agent proposes instead of the roster.
    pub proposal: Option<String>,
}

/// Everything that one run of `plan` or `apply` knows.
pub struct Prepared {
    pub state: State,
    pub fleet: Fleet,
    /// What the roster was read from.
    pub read: Kept,
    pub artifacts: Vec<Artifact>,
    pub live: Live,
    pub ledger: Option<Ledger>,
    pub chosen: Chosen,
    /// The recorded manager, when the fleet moves to another one.
    pub old: Option<Chosen>,
    pub plan: Plan,
    pub home: std::path::PathBuf,
}

/// Makes the plan. Mistakes of the roster are shown, and end the command.
pub fn prepare(ui: &Ui, global: &Global, wanted: &Wanted) -> Result<Prepared, CliError> {
    memory::grow_in_large_steps();
    let shared = &wanted.shared;
    let mut facts = facts::gather()?;
    let asked: Option<ManagerKind> = shared.manager.map(Into::into);
    let mut ahead = None;
    let mut loaded = read(global, wanted, &facts, &mut |id| {
        ahead = Some(Ahead::begin(State::new(id.clone(), Paths::new(id, &facts)), asked));
    })?;
    let first = match (&ahead, &loaded.id) {
        (Some(ahead), _) => Some(ahead.first()?),
        (None, Some(id)) => Some(ahead::look(&State::new(id.clone(), Paths::new(id, &facts)), asked)?),
        (None, None) => None,
    };
    let (ledger, chosen) = first.map_or((None, None), |first| (first.ledger, Some(first.chosen)));
    if let Some(ledger) = &ledger
        && target::keep_runtime_folder(ledger, &mut facts)
    {
        loaded = read(global, wanted, &facts, &mut |_| {})?;
    }
    let Some(mut fleet) = loaded.fleet.take() else {
        findings(ui, shared, &loaded);
        return Err(CliError::failed("the roster has mistakes; nothing was changed", ""));
    };
    if let Some(wanted) = global.fleet.as_deref().filter(|wanted| *wanted != fleet.id.as_str()) {
        let message = format!("the roster {} is of fleet {}, not of {wanted}", fleet.roster.display(), fleet.id);
        return Err(CliError::usage(message, "leave --fleet out, or name the other roster with --file PATH"));
    }
    let state = State::new(fleet.id.clone(), fleet.paths.clone());
    if let (Some(number), Some(ledger)) = (wanted.generation, &ledger) {
        let later = state.sourced_generations().into_iter().filter(|other| *other > number);
        let load = |other| load::load_kept(&state.sources(other).ok()?, &facts).fleet;
        rename::turn_round(&mut fleet, &later.filter_map(load).collect::<Vec<_>>(), ledger);
    }
    check_pin(&fleet, ledger.as_ref(), shared)?;
    check_place(&fleet, &facts)?;
    let chosen = match chosen {
        Some(chosen) => chosen?,
        None => managers::choose(asked, ledger.as_ref(), &state)?,
    };
    let kind = chosen.manager.kind();
    let old = match &ledger {
        Some(ledger) if ledger.manager != kind => Some(managers::open(ledger.manager, &state)?),
        _ => None,
    };
    preflight::check(&fleet, kind, &|| chosen.manager.variables(), &mut loaded.diagnostics);
    binaries::check()?;
    findings(ui, shared, &loaded);
    if loaded.diagnostics.has_errors() {
        return Err(CliError::failed("this machine does not have what the roster names; nothing was changed", ""));
    }
    let artifacts = render::render(&fleet, Target { systemd: chosen.systemd });
    let running = old.as_ref().unwrap_or(&chosen);
    let units = match ahead.and_then(Ahead::units) {
        Some(units) => units.map_err(ApplyError::from)?,
        None => running.manager.observe(&state.fleet).map_err(ApplyError::from)?,
    };
    let mut live = observe::observe_with(&state, &artifacts, ledger.as_ref(), running.manager.kind(), units)?;
    live.worktrees = worktrees::observe(&fleet, ledger.as_ref());
    let mut plan = plan::plan(&fleet, &artifacts, &live, ledger.as_ref(), kind);
    if !wanted.select.only.is_empty() || !wanted.select.exclude.is_empty() {
        if plan.moves_from.is_some() {
            let message = "a move to the other service manager takes all agents with it";
            return Err(CliError::usage(message, "leave --only and --exclude out"));
        }
        plan = plan.only(&selection::agents(&wanted.select, &fleet, ledger.as_ref())?, &fleet);
    }
    plan.notes.extend(part_note(&state, wanted));
    plan.notes.extend(version_note(&fleet, chosen.systemd));
    if chosen.stops_at_logout == Some(true) {
        plan.notes.push(
            "linger is off: systemd stops the agents when you log out; `loginctl enable-linger` once".to_owned(),
        );
    }
    Ok(Prepared { state, fleet, read: loaded.read, artifacts, live, ledger, chosen, old, plan, home: facts.home })
}

/// Reads the roster, or what a generation kept of it.
fn read(
    global: &Global,
    wanted: &Wanted,
    facts: &HostFacts,
    told: &mut dyn FnMut(&FleetId),
) -> Result<load::Loaded, CliError> {
    if let Some(id) = &wanted.proposal {
        return proposals::compiled(&target::find(global)?, id, facts);
    }
    match wanted.generation {
        Some(number) => Ok(load::load_kept(&target::find_quietly(global)?.state.sources(number)?, facts)),
        None => load::load_telling(&pinned(global, facts)?, facts, told),
    }
}

/// With `--fleet` and without `--file`, the roster is the one the fleet was applied from.
fn pinned(global: &Global, facts: &HostFacts) -> Result<Global, CliError> {
    let Some(text) = global.fleet.as_ref().filter(|_| global.file.is_none()) else { return Ok(global.clone()) };
    let target = target::applied(text, facts)?;
    Ok(Global { file: Some(target.ledger.roster), fleet: global.fleet.clone() })
}

/// What is wrong, in the form that was asked for.
fn findings(ui: &Ui, shared: &Shared, loaded: &load::Loaded) {
    if shared.json {
        ui.diagnostics_json(&loaded.diagnostics, &loaded.sources);
    } else {
        ui.diagnostics(&loaded.diagnostics, &loaded.sources);
    }
}

/// A fleet belongs to one roster: an agent must not be able to hand itself another one.
fn check_pin(fleet: &Fleet, ledger: Option<&Ledger>, shared: &Shared) -> Result<(), CliError> {
    let Some(ledger) = ledger.filter(|ledger| ledger.roster != fleet.roster) else { return Ok(()) };
    if shared.move_roster {
        return Ok(());
    }
    let message = format!(
        "fleet {} was applied from another roster\n  applied: {}\n  this one: {}",
        fleet.id,
        ledger.roster.display(),
        fleet.roster.display()
    );
    let help = if ledger.roster.exists() {
        "if these are two fleets, give this one another id; if the roster has moved, add --move-roster"
    } else {
        "the applied roster is gone; if this is the same fleet, add --move-roster"
    };
    Err(CliError::new(Exit::Refused, message, help))
}

/// A branch in which an agent works must not become the roster by which it is governed.
fn check_place(fleet: &Fleet, facts: &HostFacts) -> Result<(), CliError> {
    if !fleet.roster.starts_with(&facts.data_base) {
        return Ok(());
    }
    let message = format!("{} stands in a worktree that fleet made for an agent", fleet.roster.display());
    Err(CliError::refused(message, "a fleet is applied from a roster that its agents do not work in"))
}

/// A generation that was a part of its roster is not what comes back.
fn part_note(state: &State, wanted: &Wanted) -> Option<String> {
    let number = wanted.generation?;
    let left_out = state.generation(number)?.withheld;
    (!left_out.is_empty()).then(|| {
        let names = left_out.join(", ");
        format!("generation {number} was applied in part, without the changes of {names}; this is all of its roster")
    })
}

/// What this systemd is too old for.
fn version_note(fleet: &Fleet, systemd: Option<u32>) -> Option<String> {
    let version = systemd.filter(|version| *version < unit::GROWING_DELAYS)?;
    fleet.grows_delays.then(|| {
        format!(
            "not enforced by systemd {version}: restart max-delay= (needs {}); every wait is delay=",
            unit::GROWING_DELAYS
        )
    })
}
