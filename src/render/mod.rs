//! Fleet → Artifacts. Cannot fail: whatever could not be rendered was refused before.
//!
//! Values are rendered in Rust, each for its sink ([`sink`]), into marked strings; templates only place them. Nothing
//! rendered carries a timestamp, a generation number or fleet's version, so the same roster gives the same bytes.

pub mod artifact;
mod manifest;
pub mod sink;
pub mod supervision;
mod template;
pub mod unit;
pub mod view;

pub use artifact::{Artifact, FileKind, Owner};
pub use view::view;

use crate::ids::UnitName;
use crate::parallel::in_parts;
use crate::resolve::{Agent, FILES, Fleet};

/// The canary's script, in the agent's folder.
const SCRIPT: &str = "script.json";
/// The runtime that reads it.
const CANARY: &str = "canary";

/// What rendering needs to know of the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// systemd's version, or `None` under the local manager, which has no unit files.
    pub systemd: Option<u32>,
}

/// Everything that shall stand on disk, in a fixed order: the fleet's own files, then each agent's.
#[must_use]
pub fn render(fleet: &Fleet, target: Target) -> Vec<Artifact> {
    let mut artifacts = Vec::new();
    if target.systemd.is_some() {
        for (unit, kind) in
            [(UnitName::target(&fleet.id), FileKind::Unit), (UnitName::slice(&fleet.id), FileKind::Unit)]
        {
            let text = unit::group(fleet, &unit);
            artifacts.push(Artifact::new(Owner::Fleet, kind, fleet.paths.unit(&unit), text));
        }
    }
    artifacts.push(view(fleet));
    if fleet.supervise {
        if target.systemd.is_some() {
            let path = fleet.paths.unit(&UnitName::supervisor(&fleet.id));
            artifacts.push(Artifact::new(Owner::Fleet, FileKind::Unit, path, unit::supervisor(fleet)));
        }
        let text = supervision::text(fleet);
        artifacts.push(Artifact::new(Owner::Fleet, FileKind::Supervision, fleet.paths.supervise(), text));
    }
    for part in in_parts(&fleet.agents, AGENTS_PER_THREAD, |agents| several(fleet, agents, target)) {
        artifacts.extend(part);
    }
    artifacts
}

/// Below so many agents a thread costs more than it saves: an agent takes some 20 µs to render.
const AGENTS_PER_THREAD: usize = 64;

fn several(fleet: &Fleet, agents: &[Agent], target: Target) -> Vec<Artifact> {
    let mut shared = manifest::Shared::default();
    let mut artifacts = Vec::with_capacity(agents.len() * 5);
    for agent in agents {
        agent_artifacts(fleet, agent, target, &mut shared, &mut artifacts);
    }
    artifacts
}

fn agent_artifacts(
    fleet: &Fleet,
    agent: &Agent,
    target: Target,
    shared: &mut manifest::Shared,
    found: &mut Vec<Artifact>,
) {
    let folder = fleet.paths.agent(&agent.name);
    let owner = || Owner::Agent(agent.name.clone());
    let same = |kind: FileKind, name: &str, manifest::Text { text, digest }| {
        let path = folder.join(name);
        Artifact { owner: owner(), kind, path, text, digest }
    };
    let env = same(FileKind::Env, "env", shared.env(agent));
    let role = agent.role_text.as_ref().map(|text| shared.role(text));
    let script = shared.script(agent).map(|script| same(FileKind::Runtime, SCRIPT, script));
    let file = |place: &str, (name, content): (&String, &String)| {
        let path = folder.join(place).join(name);
        (name.clone(), Artifact::new(owner(), FileKind::Runtime, path, content.clone()))
    };
    // What a model's runtime reads, by name; the canary's script is one and the same for all of them.
    let names = |runtime: &str, own: &[(String, Artifact)]| {
        let script = script.iter().filter(|_| runtime == CANARY).map(|file| (SCRIPT.to_owned(), file.digest.clone()));
        script.chain(own.iter().map(|(name, file)| (name.clone(), file.digest.clone()))).collect()
    };
    let own: Vec<_> = agent.files.iter().map(|one| file(FILES, one)).collect();
    let behind: Vec<Vec<_>> =
        agent.fallbacks.iter().map(|link| link.files.iter().map(|one| file(&link.folder, one)).collect()).collect();
    let files = manifest::Files {
        env: env.digest.clone(),
        role: role.as_ref().map(|role| role.digest.clone()),
        runtime: names(&agent.runtime, &own),
        fallbacks: agent.fallbacks.iter().zip(&behind).map(|(link, own)| names(&link.runtime, own)).collect(),
    };
    let text = shared.manifest(fleet, agent, &files);
    found.push(Artifact::new(owner(), FileKind::Manifest, folder.join("manifest.json"), text));
    found.push(env);
    if let Some(role) = role {
        found.push(same(FileKind::Role, "role.md", role.file));
    }
    found.extend(script);
    // Models of one runtime share its files.
    let mut placed = std::collections::BTreeSet::new();
    let all = own.into_iter().chain(behind.into_iter().flatten()).map(|(_, file)| file);
    found.extend(all.filter(|file| placed.insert(file.path.clone())));
    if let Some(version) = target.systemd {
        let path = fleet.paths.unit(&agent.unit(&fleet.id));
        found.push(Artifact::new(owner(), FileKind::Unit, path, unit::agent(fleet, agent, version)));
    }
}
