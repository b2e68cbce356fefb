//! Fleet → Artifacts. Cannot fail: whatever could not be rendered was refused before.
//!
//! Values are rendered in Rust, each for its sink ([`sink`]), into marked strings; templates only place them. Nothing
//! rendered carries a timestamp, a generation number or fleet's version, so the same roster gives the same bytes.

pub mod artifact;
mod manifest;
pub mod sink;
mod template;
pub mod unit;
mod view;

pub use artifact::{Artifact, FileKind, Owner};
pub use view::view;

use crate::ids::UnitName;
use crate::resolve::{Agent, Fleet};

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
    let mut shared = manifest::Shared::default();
    for agent in &fleet.agents {
        artifacts.extend(agent_artifacts(fleet, agent, target, &mut shared));
    }
    artifacts
}

fn agent_artifacts(fleet: &Fleet, agent: &Agent, target: Target, shared: &mut manifest::Shared) -> Vec<Artifact> {
    let folder = fleet.paths.agent(&agent.name);
    let owner = || Owner::Agent(agent.name.clone());
    let env = Artifact::new(owner(), FileKind::Env, folder.join("env"), unit::env_file(agent));
    let role = agent.role_text.as_deref().map(|text| (text, shared.role(text)));
    let role_digest = role.as_ref().map(|(_, (digest, _))| digest.clone());
    let mut manifest = manifest::manifest(fleet, agent, &env.digest, role_digest);
    let text = shared.text(&mut manifest);
    let mut found = vec![Artifact::new(owner(), FileKind::Manifest, folder.join("manifest.json"), text), env];
    if let Some((text, (_, digest))) = role {
        found.push(Artifact {
            owner: owner(),
            kind: FileKind::Role,
            path: folder.join("role.md"),
            text: format!("{text}\n"),
            digest,
        });
    }
    if let Some(script) = manifest::script(agent) {
        found.push(Artifact::new(owner(), FileKind::Runtime, folder.join("script.json"), script));
    }
    for (name, content) in &agent.files {
        found.push(Artifact::new(owner(), FileKind::Runtime, folder.join("files").join(name), content.clone()));
    }
    if let Some(version) = target.systemd {
        let path = fleet.paths.unit(&agent.unit(&fleet.id));
        found.push(Artifact::new(owner(), FileKind::Unit, path, unit::agent(fleet, agent, version)));
    }
    found
}
