//! The manifest of one agent, as `docs/manifest.md` describes it.

use serde::Serialize;

use crate::ids::Digest;
use crate::manifest::{FORMAT, Launch, Manifest};
use crate::resolve::{Agent, Fleet};

/// An agent's manifest.
pub(super) fn manifest(fleet: &Fleet, agent: &Agent, env_digest: &Digest) -> Manifest {
    let mut files: std::collections::BTreeMap<String, Digest> =
        agent.files.iter().map(|(name, content)| (name.clone(), Digest::of(content.as_bytes()))).collect();
    if let Some(script) = script(agent) {
        files.insert("script.json".to_owned(), Digest::of(script.as_bytes()));
    }
    Manifest {
        format: FORMAT,
        fleet: fleet.id.clone(),
        agent: agent.name.clone(),
        kind: agent.kind,
        role: agent.role.as_ref().map(|role| role.as_str().to_owned()),
        unit: agent.unit(&fleet.id),
        roster: fleet.roster.clone(),
        folder: fleet.paths.agent(&agent.name),
        socket: fleet.paths.socket(&agent.name),
        launch: Launch {
            runtime: agent.runtime.clone(),
            model: agent.model.clone(),
            effort: agent.effort.clone(),
            argv: agent.argv.clone(),
            prompt_argv: agent.prompt_argv.clone(),
            dir: agent.dir.clone(),
            env_keys: agent.env.keys().cloned().collect(),
            env_digest: env_digest.clone(),
            unset: agent.unset.clone(),
            secrets: agent.secrets.clone(),
            role_digest: agent.role_text.as_ref().map(|text| Digest::of(text.as_bytes())),
            files,
            terminal: agent.terminal.clone(),
        },
        policy: agent.policy.clone(),
    }
}

/// The file's text: indented, because people read it too.
pub(super) fn text(manifest: &Manifest) -> String {
    pretty(manifest)
}

/// The canary's script file. A canary without a script waits for messages.
pub(super) fn script(agent: &Agent) -> Option<String> {
    if agent.runtime != "canary" {
        return None;
    }
    let script = agent.script.clone().unwrap_or_else(|| crate::script::Script::new(Vec::new()));
    Some(pretty(&script))
}

fn pretty<T: Serialize>(value: &T) -> String {
    // Paths are UTF-8: the command line refuses others before anything is resolved.
    let mut text = serde_json::to_string_pretty(value).expect("a manifest of UTF-8 paths always serialises");
    text.push('\n');
    text
}
